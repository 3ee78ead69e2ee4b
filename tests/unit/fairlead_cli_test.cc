// The binary as its users meet it: exit codes, what is said on stderr, the life of `run` from start to signal, and two
// sites that are linked by nothing but a generated file. Runs the program named by FAIRLEAD_BINARY; everything it needs
// is in a temporary directory and on free ports of 127.0.0.1.

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "router/site/files.h"
#include "router/site/paths.h"
#include "tests/unit/site_fixtures.h"
#include "transport/base/fd.h"

namespace fairlead {
namespace {

using Json = nlohmann::json;

// No run takes nearly as long; a hang ends the test with a message instead of the runner's.
constexpr int kPatienceMs = 30'000;
// A status is asked for again until it is what is waited for; each time costs a process.
constexpr int kAttemptsMax = 1000;

// A child with its stdout (or a file instead) and stderr in pipes. Killed, if it still runs, with this object.
class Process {
 public:
  Process(const std::filesystem::path& home, const std::vector<std::string>& arguments,
          const char* stdout_file = nullptr) {
    const char* binary = std::getenv("FAIRLEAD_BINARY");
    std::vector<std::string> words = {binary == nullptr ? "fairlead" : binary};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words)
      argv.push_back(word.data());
    argv.push_back(nullptr);

    std::array<int, 2> out{};
    std::array<int, 2> error{};
    EXPECT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(error.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    if (stdout_file != nullptr) {
      posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, stdout_file, O_WRONLY, 0);
    }
    posix_spawn_file_actions_adddup2(&actions, error[1], STDERR_FILENO);
    setenv("FAIRLEAD_HOME", home.c_str(), 1);
    const int failed = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    EXPECT_EQ(failed, 0) << "cannot run " << words[0] << "; set FAIRLEAD_BINARY";
    if (failed != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    out_ = Fd(out[0]);
    error_ = Fd(error[0]);
    close(out[1]);
    close(error[1]);
  }

  ~Process() {
    if (pid_ < 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Reads on until stderr has the text; false if the process ends before.
  bool wait_for(std::string_view text) {
    while (error_text_.find(text) == std::string::npos) {
      if (!read_more()) return error_text_.find(text) != std::string::npos;
    }
    return true;
  }

  // The exit code; -1 for a death by signal.
  int wait() {
    while (read_more()) {
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  void send(int signal_number) const { kill(pid_, signal_number); }

  const std::string& out() const { return out_text_; }

  const std::string& error() const { return error_text_; }

 private:
  // False when both pipes are at their end.
  bool read_more() {
    std::array<pollfd, 2> fds = {{{out_.get(), POLLIN, 0}, {error_.get(), POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), kPatienceMs) <= 0) {
      ADD_FAILURE() << "nothing happened for " << kPatienceMs << " ms; stderr so far: " << error_text_;
      return false;
    }
    for (std::size_t i = 0; i < fds.size(); i++) {
      if (fds[i].revents == 0) continue;
      std::array<char, 4096> chunk{};
      const ssize_t size = read(fds[i].fd, chunk.data(), chunk.size());
      std::string& text = i == 0 ? out_text_ : error_text_;
      if (size > 0) text.append(chunk.data(), static_cast<std::size_t>(size));
      if (size <= 0) (i == 0 ? out_ : error_).reset();
    }
    return static_cast<bool>(out_) || static_cast<bool>(error_);
  }

  pid_t pid_ = -1;
  Fd out_;
  Fd error_;
  std::string out_text_;
  std::string error_text_;
};

// A port that was free a moment ago. It stays bound without listening for the life of this object unless released.
class FreePort {
 public:
  FreePort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }

  int number() const { return port_; }

  int release() {
    fd_.reset();
    return port_;
  }

 private:
  Fd fd_;
  int port_ = 0;
};

class CliTest : public testing::Test {
 protected:
  struct Site {
    TemporaryDirectory home;

    void write(const std::string& file, std::string_view text) const {
      home.write("namespaces/default/input/resources/" + file, text);
    }
  };

  static std::string accepting_site(int port) {
    return fmt::format(
        "kind: Site\nmetadata: {{name: west}}\n---\nkind: RouterAccess\nmetadata: {{name: west}}\n"
        "spec: {{bindHost: 127.0.0.1, roles: [{{name: inter-router, port: {}}}]}}\n",
        port);
  }

  int run(const std::vector<std::string>& arguments) {
    Process process(site_.home.path(), arguments);
    const int code = process.wait();
    out_ = process.out();
    error_ = process.error();
    return code;
  }

  bool said(std::string_view text) const { return error_.find(text) != std::string::npos; }

  Site site_;
  std::string out_;
  std::string error_;
};

TEST_F(CliTest, UsageErrorsEndWithTwoAndSayWhatWasMeant) {
  EXPECT_EQ(run({}), 2);
  EXPECT_TRUE(said("a command is missing; commands are run, check, link, version")) << error_;
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

TEST_F(CliTest, APortThatIsTakenStopsTheStartAsAWhole) {
  FreePort taken;
  Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(taken.release()));
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
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

  Site east;
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
