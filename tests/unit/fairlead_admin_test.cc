// The admin API of the running gateway: what it answers and does, and that bad requests cost nobody else.
#include <array>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/fairlead_fixtures.h"
#include "transport/base/prng.h"

namespace fairlead {
namespace {

using Json = nlohmann::json;

class AdminTest : public testing::Test {
 protected:
  void SetUp() override {
    site_.write("site.yaml", "kind: Site\nmetadata: {name: west}\n---\nkind: Connector\nmetadata: {name: db}\n"
                             "spec: {routingKey: db, host: 127.0.0.1, port: 1, healthProbe: none}\n");
    gateway_.emplace(site_.home.path(), std::vector<std::string>{"run", "--shards", "1"});
    ASSERT_TRUE(gateway_->wait_for("ready: site west")) << gateway_->error();
  }

  void TearDown() override {
    gateway_->send(SIGTERM);
    EXPECT_EQ(gateway_->wait(), 0) << gateway_->error();
    EXPECT_FALSE(std::filesystem::exists(socket_)) << "left behind";
  }

  Fd connect() const {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket_.string();
    EXPECT_LT(path.size(), sizeof address.sun_path);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << errno;
    return fd;
  }

  // All that the gateway says until it closes.
  static std::string listen_to(const Fd& fd) {
    std::string said;
    std::array<char, 4096> piece;
    while (true) {
      pollfd wait{fd.get(), POLLIN, 0};
      if (::poll(&wait, 1, kPatienceMs) != 1) return said + "(and nothing more)";
      const ssize_t size = ::recv(fd.get(), piece.data(), piece.size(), 0);
      if (size <= 0) return said;
      said.append(piece.data(), static_cast<std::size_t>(size));
    }
  }

  std::string ask(const std::string& request) const {
    const Fd fd = connect();
    EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    return listen_to(fd);
  }

  struct Answer {
    unsigned status = 0;
    std::string head;
    std::string body;

    Json json() const { return Json::parse(body, nullptr, false); }
  };

  Answer ask(const std::string& method, const std::string& path, const std::string& body = "") const {
    const std::string said =
        ask(fmt::format("{} {} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}", method, path,
                        body.size(), body));
    const std::size_t end = said.find("\r\n\r\n");
    if (!said.starts_with("HTTP/1.1 ") || end == std::string::npos) return {0, said, ""};
    return {static_cast<unsigned>(std::stoul(said.substr(9, 3))), said.substr(0, end), said.substr(end + 4)};
  }

  SiteFolder site_;
  std::filesystem::path socket_ = site_.home.path() / "namespaces/default/runtime/gateway.sock";
  std::optional<Process> gateway_;
};

TEST_F(AdminTest, ATraceIsAnsweredInLines) {
  const Answer answer = ask("POST", "/v1/trace", R"({"routingKey": "db"})");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_NE(answer.head.find("application/x-ndjson"), std::string::npos) << answer.head;
  const std::size_t first = answer.body.find('\n');
  ASSERT_NE(first, std::string::npos) << answer.body;
  const Json hop = Json::parse(answer.body.substr(0, first))["hop"];
  EXPECT_EQ(hop["siteName"], "west");
  EXPECT_EQ(hop["server"]["address"], "127.0.0.1:1");
  EXPECT_NE(hop["error"].get<std::string>().find("refused"), std::string::npos) << hop;
  EXPECT_TRUE(Json::parse(answer.body.substr(first + 1)).contains("error")) << answer.body;
}

TEST_F(AdminTest, ASurveyOfNobodyElseIsDoneAtOnce) {
  EXPECT_EQ(ask("POST", "/v1/survey").body, "{\"done\":true}\n");
}

TEST_F(AdminTest, TellsWhatThereIs) {
  EXPECT_TRUE(ask("GET", "/v1/version").json()["version"].is_string());
  EXPECT_EQ(ask("GET", "/v1/health").json(), (Json{{"status", "ok"}, {"connections", 0}}));
  const Json status = ask("GET", "/v1/status").json();
  EXPECT_EQ(status["site"]["name"], "west") << status;
  EXPECT_EQ(ask("GET", "/v1/network").json()["sites"][0]["name"], "west");
  EXPECT_EQ(ask("GET", "/v1/resources").json()["resources"].size(), 2U);
  EXPECT_EQ(ask("GET", "/v1/resources/Connector").json()["resources"].size(), 1U);
  EXPECT_EQ(ask("GET", "/v1/resources/Nothing").json()["resources"].size(), 0U);
  EXPECT_EQ(ask("GET", "/v1/resources/Connector/db").json()["spec"]["routingKey"], "db");
  EXPECT_EQ(ask("GET", "/v1/resources/Connector/dc").status, 404U);
  EXPECT_NE(ask("GET", "/v1/metrics").body.find("fairlead_site_info{site=\"west\""), std::string::npos);
  EXPECT_EQ(ask("HEAD", "/v1/version").body, "");
}

TEST_F(AdminTest, ChangesWhatIsAsked) {
  EXPECT_EQ(ask("GET", "/v1/log-level").json()["level"], "info");
  EXPECT_EQ(ask("PUT", "/v1/log-level", R"({"level": "debug"})").json()["level"], "debug");
  EXPECT_EQ(ask("GET", "/v1/log-level").json()["level"], "debug");
  EXPECT_EQ(ask("PUT", "/v1/log-level", R"({"level": "loud"})").status, 400U);
  EXPECT_EQ(ask("POST", "/v1/reload").json()["errors"].size(), 0U);
  site_.write("web.yaml", "kind: Listener\nmetadata: {name: web}\nspec: {routingKey: web, host: 127.0.0.1}\n");
  const Json reload = ask("POST", "/v1/reload").json();
  EXPECT_EQ(reload["errors"].size(), 1U) << reload;
}

TEST_F(AdminTest, OnlyTheUserOfTheGatewayMayConnect) {
  struct stat found {};

  ASSERT_EQ(::stat(socket_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(AdminTest, BadRequestsAreToldSoAndCostNobodyElse) {
  const Fd silent = connect();
  const auto says = [&](const Answer& answer, unsigned status, const std::string& text) {
    EXPECT_EQ(answer.status, status) << answer.head;
    EXPECT_NE(answer.body.find(text), std::string::npos) << answer.body;
  };
  says(ask("GET", "/"), 404, "there are /v1/version, ");
  says(ask("GET", "/v1/trace"), 405, "takes POST");
  says(ask("POST", "/v1/status"), 405, "takes GET");
  says(ask("E", "/v1/status"), 405, "takes GET, HEAD");
  says(ask("POS", "/v1/reload"), 405, "takes POST");
  says(ask("POST", "/v1/trace"), 400, "needs a routingKey");
  says(ask("POST", "/v1/trace", "[1, 2]"), 400, "no JSON object");
  says(ask("POST", "/v1/trace", "{\"routingKey\":"), 400, "no JSON object");
  says(ask("POST", "/v1/trace", std::string(1, '\xff')), 400, "no JSON object");
  says(ask("POST", "/v1/trace", R"({"routingKey": ["db"]})"), 400, "needs a routingKey");
  says(ask("POST", "/v1/trace", "{\"routingKey\": \"" + std::string(10'000, 'k') + "\"}"), 200, "no route");
  says(ask("GET", "/v1/link-test"), 405, "takes POST");
  says(ask("POST", "/v1/link-test"), 400, "needs the name");
  says(ask("POST", "/v1/link-test", R"({"name": "to-east"})"), 404, "no link to-east");
  for (const std::string seconds : {"0", "61", "-1", "1.5", "\"3\"", "null"})
    says(ask("POST", "/v1/link-test", R"({"name": "x", "seconds": )" + seconds + "}"), 400, "from 1 to 60");
  says(ask("PUT", "/v1/log-level", R"({"level": "\u001b[2J"})"), 400, "\\u001b");
  says(ask("POST", "/v1/trace", "{\"routingKey\": \"" + std::string(100'000, 'k') + "\"}"), 413, "");
  EXPECT_TRUE(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask(R"({"command": "reload"})" "\n\n").starts_with("HTTP/1.1 400 "));
  // Beyond the limit the gateway answers and closes, whatever is still under way.
  const Fd endless = connect();
  const std::string much(256 * 1024, 'x');
  static_cast<void>(::send(endless.get(), much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  EXPECT_EQ(listen_to(endless).find("(and nothing more)"), std::string::npos);
  // Those that say nothing keep nobody out.
  std::vector<Fd> many;
  for (int i = 0; i < 40; ++i)
    many.push_back(connect());
  EXPECT_EQ(ask("GET", "/v1/health").status, 200U);
}

// Requests as they should be, with bytes changed, left out, doubled and cut off at will.
TEST_F(AdminTest, SurvivesWhateverIsSent) {
  const std::array<std::string, 6> proper = {
      "GET /v1/status HTTP/1.1\r\nHost: gateway\r\n\r\n",
      "GET /v1/resources/Connector/db HTTP/1.1\r\nConnection: close\r\n\r\n",
      "PUT /v1/log-level HTTP/1.1\r\nContent-Length: 17\r\n\r\n{\"level\": \"info\"}",
      "POST /v1/trace HTTP/1.1\r\nContent-Length: 20\r\n\r\n{\"routingKey\": \"db\"}",
      "POST /v1/link-test HTTP/1.1\r\nContent-Length: 26\r\n\r\n{\"name\": \"x\", \"seconds\": 1}",
      "POST /v1/reload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"};
  Prng prng(20261130);
  for (int round = 0; round < 1'000; ++round) {
    std::string request = proper[prng.below(proper.size())];
    for (std::uint64_t changes = 1 + prng.below(6); changes > 0 && !request.empty(); --changes) {
      const std::size_t at = prng.below(request.size());
      switch (prng.below(5)) {
        case 0:
          request[at] = static_cast<char>(prng.below(256));
          break;
        case 1:
          request.erase(at, 1 + prng.below(8));
          break;
        case 2:
          request.insert(at, request.substr(at, 1 + prng.below(40)));
          break;
        case 3:
          request.resize(at);
          break;
        case 4:
          request += proper[prng.below(proper.size())];
          break;
      }
    }
    const Fd fd = connect();
    static_cast<void>(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL));
    if (round % 20 == 0) {
      ASSERT_EQ(ask("GET", "/v1/health").status, 200U) << "after " << testing::PrintToString(request);
    }
  }
  ASSERT_EQ(ask("GET", "/v1/health").status, 200U) << gateway_->error();
}

}  // namespace
}  // namespace fairlead
