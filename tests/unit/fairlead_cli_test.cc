// The binary as its users meet it: exit codes, what is said on stderr, the life of `run` from start to signal, and two
// sites that are linked by nothing but a generated file. Runs the program named by FAIRLEAD_BINARY; everything it needs
// is in a temporary directory and on free ports of 127.0.0.1.

#include <csignal>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

#include "router/site/files.h"
#include "router/site/paths.h"
#include "tests/unit/fairlead_fixtures.h"
#include "tests/unit/site_fixtures.h"
#include "transport/base/fd.h"

namespace fairlead {
namespace {

using Json = nlohmann::json;

class CliTest : public testing::Test {
 protected:
  int run(const std::vector<std::string>& arguments) {
    Process process(site_.home.path(), arguments);
    const int code = process.wait();
    out_ = process.out();
    error_ = process.error();
    return code;
  }

  bool said(std::string_view text) const { return error_.find(text) != std::string::npos; }

  SiteFolder site_;
  std::string out_;
  std::string error_;
};

TEST_F(CliTest, UsageErrorsEndWithTwoAndSayWhatWasMeant) {
  EXPECT_EQ(run({}), 2);
  EXPECT_TRUE(said("a command is missing; commands are run, check, link, network, route, trace, version")) << error_;
  EXPECT_EQ(run({"lnik", "status"}), 2);
  EXPECT_TRUE(said("unknown command 'lnik' (did you mean 'link'?)")) << error_;
  EXPECT_EQ(run({"link", "generate", "--csot", "3"}), 2);
  EXPECT_TRUE(said("unknown option --csot (did you mean '--cost'?)")) << error_;
  EXPECT_EQ(run({"link", "status", "-o", "xml"}), 2);
  EXPECT_TRUE(said("allowed is json|table|yaml")) << error_;
  EXPECT_EQ(run({"-n", "../x", "version"}), 2);
  EXPECT_TRUE(said("--namespace: found '../x'")) << error_;
  EXPECT_EQ(out_, "");
}

TEST_F(CliTest, OneCommandAtATime) {
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\n");
  EXPECT_EQ(run({"check", "run"}), 2);
  EXPECT_TRUE(said("one command at a time: found 'run' behind 'check'; write ./run if it is a file")) << error_;
  EXPECT_EQ(run({"version", "check"}), 2);
  EXPECT_TRUE(said("one command at a time: found 'check' behind 'version'")) << error_;
  EXPECT_EQ(run({"link", "generate", "status"}), 2);
  EXPECT_TRUE(said("one command at a time: found 'status' behind 'generate'")) << error_;
  EXPECT_EQ(run({"run", "-n", "default", "version"}), 2);
  EXPECT_TRUE(said("one command at a time: found 'version' behind 'run'")) << error_;
  EXPECT_EQ(out_, "");
  // A link may be called like a command.
  EXPECT_EQ(run({"link", "status", "run"}), 1);
  EXPECT_TRUE(said("there is no link 'run'")) << error_;
  EXPECT_EQ(run({"check", "./run"}), 2);
  EXPECT_TRUE(said("there is no file ./run")) << error_;
}

TEST_F(CliTest, VersionAndHelp) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"version"},
                                             {"--version"},
                                             {"--version", "run"},
                                             {"link", "--version"},
                                             {"check", "--version", "--bogus"}}) {
    EXPECT_EQ(run(words), 0) << words.front() << ": " << error_;
    EXPECT_TRUE(out_.starts_with("fairlead ")) << out_;
  }
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_NE(out_.find("FAIRLEAD_HOME"), std::string::npos);
}

TEST_F(CliTest, CheckSaysFileLineAndField) {
  EXPECT_EQ(run({"check"}), 2);
  EXPECT_TRUE(said("put a Site into a file here")) << error_;
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\nspec:\n  egde: true\n");
  EXPECT_EQ(run({"check"}), 2);
  EXPECT_TRUE(said("site.yaml:4:3: error: Site west: unknown field 'egde' in spec; did you mean 'edge'?")) << error_;
  EXPECT_EQ(run({"run"}), 2);
  EXPECT_TRUE(said("unknown field 'egde'")) << error_;
  EXPECT_TRUE(said("not started")) << error_;
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\n");
  EXPECT_EQ(run({"check"}), 0);
  EXPECT_TRUE(out_.starts_with("ok: 1 Site")) << out_;
  EXPECT_EQ(run({"check", "/nonexistent.yaml"}), 2);
  EXPECT_TRUE(said("/nonexistent.yaml")) << error_;
}

TEST_F(CliTest, StatusWithoutAGatewayIsNotPresentedAsTrue) {
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\n");
  site_.home.write("namespaces/default/runtime/status.json", "{\"resources\": [], \"incomingLinks\": []}");
  EXPECT_EQ(run({"link", "status", "-o", "json"}), 1);
  EXPECT_EQ(Json::parse(out_), Json::array());
  EXPECT_TRUE(said("is not running; start it with: fairlead run -n default")) << error_;
}

TEST_F(CliTest, StatusOfAWrongInputSaysThatAndNotToStartIt) {
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\nspec: {egde: true}\n");
  EXPECT_EQ(run({"link", "status"}), 2);
  EXPECT_TRUE(said("unknown field 'egde'")) << error_;
  EXPECT_FALSE(said("start it with")) << error_;
}

TEST_F(CliTest, OutputThatGoesNowhereIsAFailure) {
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\nspec: {linkAccess: default}\n");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"version"}, {"--help"}, {"check"}, {"link", "generate"}, {"link", "status"}}) {
    Process process(site_.home.path(), words, "/dev/full");
    EXPECT_EQ(process.wait(), 1) << words.back();
    EXPECT_NE(process.error().find("cannot write to the standard output: No space left"), std::string::npos)
        << words.back() << ": " << process.error();
  }
}

// What a gateway that runs would have written, for as long as the test holds its lock.
class SnapshotTest : public CliTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(make_directory(paths_.runtime(), kPublicDirectoryMode));
    lock_ = take_gateway_lock(paths_.lock());
    ASSERT_TRUE(lock_);
  }

  static Json link(const char* kind, const char* name, const char* site) {
    return {{"kind", kind}, {"metadata", {{"name", name}}}, {"status", {{"remoteSiteName", site}}}};
  }

  static Json access(const char* name, const char* refused, const char* since) {
    Json json = {{"kind", "RouterAccess"}, {"metadata", {{"name", name}}}, {"status", Json::object()}};
    if (refused != nullptr) json["status"]["lastRefused"] = {{"message", refused}, {"since", since}};
    return json;
  }

  void write(const std::vector<Json>& resources, const std::vector<Json>& incoming) {
    site_.home.write("namespaces/default/runtime/status.json",
                     Json{{"resources", resources}, {"incomingLinks", incoming}}.dump());
  }

  NamespacePaths paths_{site_.home.path(), "default"};
  Result<Fd> lock_ = fail(ErrorCode::kNotFound, "not taken");
};

TEST_F(SnapshotTest, LinksAreFoundByNameAndByRemoteSite) {
  write({link("Link", "to-hub", "hub"), link("Link", "spare", "hub")},
        {link("IncomingLink", "in-edge", "east"), link("IncomingLink", "in-edge", "ams")});
  ASSERT_EQ(run({"link", "status", "to-hub", "-o", "json"}), 0) << error_;
  EXPECT_EQ(Json::parse(out_)["metadata"]["name"], "to-hub");
  ASSERT_EQ(run({"link", "status", "east", "-o", "json"}), 0) << error_;
  EXPECT_EQ(Json::parse(out_)["status"]["remoteSiteName"], "east");
  for (const char* name : {"in-edge", "hub"}) {
    ASSERT_EQ(run({"link", "status", name, "-o", "json"}), 0) << error_;
    ASSERT_TRUE(Json::parse(out_).is_array()) << out_;
    EXPECT_EQ(Json::parse(out_).size(), 2U) << out_;
  }
  ASSERT_EQ(run({"link", "status", "in-edge"}), 0) << error_;
  EXPECT_NE(out_.find("Remote site  : east"), std::string::npos) << out_;
  EXPECT_NE(out_.find("\n\nName         : in-edge\nRemote site  : ams"), std::string::npos) << out_;
  ASSERT_EQ(run({"link", "status", "in-edge", "-o", "yaml"}), 0) << error_;
  EXPECT_NE(out_.find("\n---\n"), std::string::npos) << out_;
  EXPECT_EQ(run({"link", "status", "eats"}), 1);
  EXPECT_TRUE(said("did you mean 'east'?")) << error_;
}

TEST_F(SnapshotTest, TheSideThatAcceptsSaysThatNobodyCameAndWhoWasRefused) {
  write({}, {});
  ASSERT_EQ(run({"link", "status"}), 0) << error_;
  EXPECT_EQ(out_, "No outgoing links.\n");
  write({access("a", nullptr, nullptr)}, {});
  ASSERT_EQ(run({"link", "status"}), 0) << error_;
  EXPECT_EQ(out_, "No outgoing links.\n\nNo incoming links.\n");
  write({access("a", "10.0.0.9:1: old", "2026-01-05T10:00:00Z"),
         access("b", "10.0.0.9:2: no \x1b[2Jcertificate", "2026-01-05T10:00:01Z"), access("c", nullptr, nullptr)},
        {});
  ASSERT_EQ(run({"link", "status"}), 0) << error_;
  EXPECT_EQ(out_,
            "No outgoing links.\n\nNo incoming links.\n\n"
            "Last refused: 10.0.0.9:2: no ?[2Jcertificate, since 2026-01-05T10:00:01Z\n");
}

TEST_F(CliTest, GenerateNeedsASiteThatAcceptsLinks) {
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\n");
  EXPECT_EQ(run({"link", "generate"}), 2);
  EXPECT_TRUE(said("set spec.linkAccess to default")) << error_;
  EXPECT_EQ(out_, "");
}

TEST_F(CliTest, OneGatewayPerNamespaceAndAnOrderlyEnd) {
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\n");
  Process gateway(site_.home.path(), {"run", "--shards", "1"});
  ASSERT_TRUE(gateway.wait_for("ready: site west")) << gateway.error();
  EXPECT_EQ(run({"run", "--shards", "1"}), 1);
  EXPECT_TRUE(said("a gateway runs here already (process ")) << error_;
  gateway.send(SIGTERM);
  EXPECT_EQ(gateway.wait(), 0) << gateway.error();
  EXPECT_NE(gateway.error().find("stopped"), std::string::npos) << gateway.error();
}

TEST_F(CliTest, AGatewayUsesNoHugePages) {
  site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\n");
  Process gateway(site_.home.path(), {"run", "--shards", "1"});
  ASSERT_TRUE(gateway.wait_for("ready: site west")) << gateway.error();
  const std::string status = read_text(fmt::format("/proc/{}/status", gateway.id()));
  EXPECT_NE(status.find("THP_enabled:\t0"), std::string::npos) << status;
}

TEST_F(CliTest, APortThatIsTakenStopsTheStartAsAWhole) {
  FreePort taken;
  Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(taken.release());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  site_.write("site.yaml", accepting_site(taken.number()));
  EXPECT_EQ(run({"run", "--shards", "1", "--log-format", "json"}), 1);
  EXPECT_FALSE(said("ready: site")) << error_;
  EXPECT_TRUE(said(std::to_string(taken.number()))) << error_;
}

TEST_F(CliTest, AGeneratedFileIsAllThatASecondSiteNeeds) {
  FreePort port;
  site_.write("site.yaml", accepting_site(port.number()));
  EXPECT_EQ(run({"link", "generate", "--host", "gw.example"}), 2);
  EXPECT_TRUE(said("127.0.0.1")) << error_;
  ASSERT_EQ(run({"link", "generate", "--cost", "4"}), 0) << error_;

  SiteFolder east;
  east.write("site.yaml", "kind: Site\nmetadata: {name: east}\n");
  east.write("link.yaml", out_);
  port.release();
  Process west_gateway(site_.home.path(), {"run", "--shards", "1"});
  ASSERT_TRUE(west_gateway.wait_for("ready: site west")) << west_gateway.error();
  Process east_gateway(east.home.path(), {"run", "--shards", "1"});
  ASSERT_TRUE(east_gateway.wait_for("link link-west: up")) << east_gateway.error();

  // The log line is written before the status, which is at most a second behind.
  Json link;
  for (int attempt = 0; attempt < kAttemptsMax && (!link.contains("status") || link["status"]["active"] != true);
       attempt++) {
    Process status(east.home.path(), {"link", "status", "link-west", "-o", "json"});
    if (status.wait() == 0) link = Json::parse(status.out());
  }
  ASSERT_TRUE(link.contains("status"));
  EXPECT_EQ(link["status"]["status"], "Ready");
  EXPECT_EQ(link["status"]["site"], "west");
  EXPECT_EQ(link["status"]["cost"], 4);
  EXPECT_EQ(link["status"]["tls"]["version"], "TLSv1.3");
  Process unknown(east.home.path(), {"link", "status", "link-wset"});
  EXPECT_EQ(unknown.wait(), 1);
  EXPECT_NE(unknown.error().find("did you mean 'link-west'?"), std::string::npos) << unknown.error();
  std::string incoming;
  for (int attempt = 0; attempt < kAttemptsMax && incoming.find("east") == std::string::npos; attempt++) {
    Process status(site_.home.path(), {"link", "status"});
    if (status.wait() == 0) incoming = status.out();
  }
  EXPECT_NE(incoming.find("east"), std::string::npos) << incoming;
  ASSERT_EQ(run({"link", "status", "east"}), 0) << error_;
  EXPECT_NE(out_.find(": incoming"), std::string::npos) << out_;
  west_gateway.send(SIGINT);
  EXPECT_EQ(west_gateway.wait(), 0);
  east_gateway.send(SIGTERM);
  EXPECT_EQ(east_gateway.wait(), 0);
}

}  // namespace
}  // namespace fairlead
