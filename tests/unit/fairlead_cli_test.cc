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
#include "router/site/yaml.h"
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
  EXPECT_TRUE(
      said("a command is missing; commands are "
           "run, check, link, site, listener, connector, token, network, route, trace, bench, top, system, debug, "
           "completion, manual, version"))
      << error_;
  EXPECT_EQ(run({"lnik", "status"}), 2);
  EXPECT_TRUE(said("unknown command 'lnik' (did you mean 'link'?)")) << error_;
  EXPECT_EQ(run({"link", "generate", "--csot", "3"}), 2);
  EXPECT_TRUE(said("unknown option --csot (did you mean '--cost'?)")) << error_;
  EXPECT_EQ(run({"route", "db", "--topolgy", "x"}), 2);
  EXPECT_TRUE(said("unknown option --topolgy (did you mean '--topology'?)")) << error_;
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
  EXPECT_TRUE(said("make a Site with: fairlead site create NAME")) << error_;
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
  EXPECT_TRUE(said("is not running; start it with: fairlead system start -n default")) << error_;
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

// west -1- east -2- north -5- west; shop hangs on west.
constexpr std::string_view kNetwork = R"(self: w
sites:
  - {id: w, name: west, role: interior, reachable: true, cost: 0, keys: {}, links: [
      {siteId: e, siteName: east, cost: 1, up: true, rtt: 0.412ms, rttMicroseconds: 412},
      {siteId: n, siteName: north, cost: 5, up: true}]}
  - {id: e, name: east, role: interior, reachable: true, cost: 1, keys: {db: 1}, links: [
      {siteId: w, siteName: west, cost: 1, up: true}, {siteId: n, siteName: north, cost: 2, up: true}]}
  - {id: n, name: north, role: interior, reachable: true, cost: 3, keys: {db: 2}, links: [
      {siteId: e, siteName: east, cost: 2, up: true}, {siteId: w, siteName: west, cost: 5, up: true}]}
  - {id: s, name: shop, role: edge, reachable: true, cost: 2, keys: {till: 1}, links: [
      {siteId: w, siteName: west, cost: 2, up: true, active: true}]}
keys:
  db:
    - {siteId: e, siteName: east, cost: 1, instances: 1, open: 3, value: 4.0, chosen: true, path: [east]}
    - {siteId: n, siteName: north, cost: 3, instances: 2, open: 2, value: 4.0, chosen: false, path: [east, north]}
)";

TEST_F(CliTest, RoutesOfANetworkInAFile) {
  site_.home.write("net.yaml", kNetwork);
  const std::string file = (site_.home.path() / "net.yaml").string();
  ASSERT_EQ(run({"route", "db", "--topology", file}), 0) << error_;
  EXPECT_EQ(out_,
            "    SITE   COST  INSTANCES  OPEN  VALUE  PATH\n"
            "=>  east   1     1          3     4.00   east\n"
            "    north  3     2          2     4.00   east > north\n");
  ASSERT_EQ(run({"route", "db", "--topology", file, "--from", "shop"}), 0) << error_;
  EXPECT_EQ(out_,
            "    SITE   COST  INSTANCES  OPEN  VALUE  PATH\n"
            "=>  east   3     1          -     -      west > east\n"
            "    north  5     2          -     -      west > east > north\n"
            "\nWhich connections shop has open is not known here: this is its choice while it has none.\n");
  ASSERT_EQ(run({"route", "--topology", file, "--cost", "east/west=9", "--without", "shop", "db"}), 0) << error_;
  EXPECT_EQ(out_,
            "SITE   INSTANCES  OPEN  BEFORE  COST  VALUE  PATH          "
            "AFTER  COST  VALUE  PATH          CHANGE\n"
            "north  2          2             3     4.00   east > north  "
            "=>     5     6.00   north         cost +2, path\n"
            "east   1          3     =>      1     4.00   east            "
            "     7     10.00  north > east  cost +6, path\n"
            "\nFrom west the next connection for db would go to north instead of east.\n");
}

TEST_F(CliTest, WhatIfAsADocument) {
  site_.home.write("net.yaml", kNetwork);
  const std::string file = (site_.home.path() / "net.yaml").string();
  ASSERT_EQ(run({"route", "db", "--topology", file, "-o", "json", "--from", "north", "--without", "north/east"}), 0);
  const Json answer = Json::parse(out_);
  EXPECT_EQ(answer["from"]["name"], "north");
  EXPECT_EQ(answer["changes"], Json::parse(R"([{"withoutLink": "north/east"}])"));
  EXPECT_EQ(answer["before"][1]["cost"], 2);
  EXPECT_EQ(answer["after"][1]["cost"], 6);
  EXPECT_EQ(answer["after"][1]["path"], Json::parse(R"(["west", "east"])"));
  EXPECT_EQ(answer["after"][1]["open"], nullptr);
  EXPECT_EQ(answer["after"][0]["chosen"], true);
}

TEST_F(CliTest, RoutesThatCannotBeSayWhy) {
  site_.home.write("net.yaml", kNetwork);
  const std::string file = (site_.home.path() / "net.yaml").string();
  const auto route = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"route", "--topology", file});
    return run(words);
  };
  EXPECT_EQ(route({"bd"}), 1);
  EXPECT_TRUE(said("no site that can be reached from west serves the key 'bd'; did you mean 'db'?")) << error_;
  EXPECT_EQ(route({"db", "--from", "eats"}), 2);
  EXPECT_TRUE(said("--from: there is no site 'eats'; did you mean 'east'?")) << error_;
  EXPECT_EQ(route({"db", "--cost", "west/shop"}), 2);
  EXPECT_TRUE(said("--cost: found 'west/shop'; write a link and its cost")) << error_;
  EXPECT_EQ(route({"db", "--without", "west"}), 2);
  EXPECT_TRUE(said("west is the site that the route starts at")) << error_;
  EXPECT_EQ(run({"route", "db", "--topology", "/nonexistent"}), 2);
  EXPECT_TRUE(said("there is no file /nonexistent")) << error_;
  site_.home.write("net.yaml", "sites:\n  - name: a\n    links: [{siteName: b}]\n");
  EXPECT_EQ(route({"db"}), 2);
  EXPECT_TRUE(said("net.yaml:3:24: error: network: sites[0].links[0].siteName: found 'b'; there is no such site"))
      << error_;
  site_.home.write("net.yaml", "sites: [{name: a, keys: {db: 1}}]\n");
  EXPECT_EQ(route({"db"}), 2);
  EXPECT_TRUE(said("say where from with --from SITE")) << error_;
  EXPECT_EQ(out_, "");
}

class NetworkTest : public SnapshotTest {
 protected:
  // As a gateway writes it, from the same as in a file.
  void write_network(std::string_view yaml) {
    Diagnostics diagnostics;
    const auto documents = parse_yaml(yaml, "network", diagnostics);
    ASSERT_EQ(diagnostics.error_count(), 0U);
    site_.home.write("namespaces/default/runtime/status.json", Json{{"network", json_of(documents.front())}}.dump());
  }

  static Json json_of(const YamlNode& node) {
    if (node.kind == YamlNode::Kind::kScalar) {
      const Json value = Json::parse(node.text, nullptr, false);
      return value.is_discarded() ? Json(node.text) : value;
    }
    Json json = node.kind == YamlNode::Kind::kMap ? Json::object() : Json::array();
    for (const YamlNode& item : node.items)
      json.push_back(json_of(item));
    for (const YamlEntry& entry : node.entries)
      json[entry.key] = json_of(entry.value);
    return json;
  }
};

TEST_F(NetworkTest, StatusShowsSitesAndLinks) {
  write_network(kNetwork);
  ASSERT_EQ(run({"network", "status"}), 0) << error_;
  EXPECT_EQ(out_,
            "SITE              ROLE      COST  KEYS  ID\n"
            "east              interior  1     db    e\n"
            "north             interior  3     db:2  n\n"
            "west (this site)  interior  0     -     w\n"
            "shop              edge      2     till  s\n"
            "\n"
            "LINK        COST  RTT      STATE\n"
            "east/north  2     -        up\n"
            "east/west   1     0.412ms  up\n"
            "north/west  5     -        up\n"
            "shop/west   2     -        active\n");
  for (const char* format : {"json", "yaml"}) {
    ASSERT_EQ(run({"network", "status", "-o", format}), 0) << error_;
    site_.home.write("saved", out_);
    EXPECT_EQ(run({"route", "db", "--topology", (site_.home.path() / "saved").string()}), 0) << error_;
  }
  ASSERT_EQ(run({"network", "status", "-o", "svg"}), 0) << error_;
  EXPECT_TRUE(out_.starts_with("<svg ")) << out_;
  EXPECT_NE(out_.find(">1 · 0.412ms</text>"), std::string::npos) << out_;
  ASSERT_EQ(run({"network", "status", "-o", "dot"}), 0) << error_;
  EXPECT_NE(out_.find("\"e\" -- \"n\" [label=2];"), std::string::npos) << out_;
  Process process(site_.home.path(), {"network", "status", "-o", "svg"}, "/dev/full");
  EXPECT_EQ(process.wait(), 1);
}

TEST_F(NetworkTest, AnEdgeSiteSaysThatItDoesNotSeeTheRest) {
  write_network(R"(self: s
sites:
  - {id: s, name: shop, role: edge, reachable: true, cost: 0, keys: {till: 1}, links: [
      {siteId: e, siteName: east, cost: 9, up: true, active: false},
      {siteId: w, siteName: west, cost: 2, up: true, active: true, rtt: 1.000ms}]}
keys:
  db:
    - {siteId: w, siteName: west, cost: 3, instances: 3, open: 0, value: 3.0, chosen: true, path: [west], uplink: true}
)");
  ASSERT_EQ(run({"network", "status"}), 0) << error_;
  EXPECT_NE(out_.find("shop/east  9     -        standby\nshop/west  2     1.000ms  active\n"), std::string::npos)
      << out_;
  EXPECT_NE(out_.find("db   3     3          west\n"), std::string::npos) << out_;
  EXPECT_NE(out_.find("An edge site does not see the network behind its uplinks"), std::string::npos) << out_;
  ASSERT_EQ(run({"route", "db"}), 0) << error_;
  EXPECT_NE(out_.find("=>  over west  3"), std::string::npos) << out_;
  EXPECT_EQ(run({"route", "db", "--from", "west"}), 1);
  EXPECT_TRUE(said("shop is an edge site, which does not see the network; ask at east or west")) << error_;
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
