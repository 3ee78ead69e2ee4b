// The socket over which commands ask the running gateway: what it answers, and that bad requests cost nobody else.
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

namespace fairlead {
namespace {

using Json = nlohmann::json;

class ControlTest : public testing::Test {
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

  SiteFolder site_;
  std::filesystem::path socket_ = site_.home.path() / "namespaces/default/runtime/gateway.sock";
  std::optional<Process> gateway_;
};

TEST_F(ControlTest, ATraceIsAnsweredInLines) {
  const std::string said = ask("{\"command\": \"trace\", \"routingKey\": \"db\"}\n");
  const std::size_t first = said.find('\n');
  ASSERT_NE(first, std::string::npos) << said;
  const Json hop = Json::parse(said.substr(0, first))["hop"];
  EXPECT_EQ(hop["siteName"], "west");
  EXPECT_EQ(hop["server"]["address"], "127.0.0.1:1");
  EXPECT_NE(hop["error"].get<std::string>().find("refused"), std::string::npos) << hop;
  EXPECT_TRUE(Json::parse(said.substr(first + 1)).contains("error")) << said;
}

TEST_F(ControlTest, ASurveyOfNobodyElseIsDoneAtOnce) {
  EXPECT_EQ(ask("{\"command\": \"survey\"}\n"), "{\"done\":true}\n");
}

TEST_F(ControlTest, OnlyTheUserOfTheGatewayMayConnect) {
  struct stat found {};
  ASSERT_EQ(::stat(socket_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(ControlTest, BadRequestsAreToldSoAndCostNobodyElse) {
  const Fd silent = connect();
  EXPECT_NE(ask("\n").find("no JSON object"), std::string::npos);
  EXPECT_NE(ask("{\"command\":\n").find("no JSON object"), std::string::npos);
  EXPECT_NE(ask("[1, 2]\n").find("unknown command ''"), std::string::npos);
  EXPECT_NE(ask("{\"command\": 7}\n").find("unknown command ''"), std::string::npos);
  EXPECT_NE(ask("{\"command\": \"\\u001b[2J\"}\n").find("\\u001b"), std::string::npos) << "escaped";
  EXPECT_NE(ask("{\"command\": \"trace\"}\n").find("needs a routingKey"), std::string::npos);
  EXPECT_NE(ask("{\"command\": \"trace\", \"routingKey\": [\"db\"]}\n").find("needs a routingKey"), std::string::npos);
  EXPECT_NE(ask(std::string(1, '\xff') + "\n").find("no JSON object"), std::string::npos);
  EXPECT_NE(ask("{\"command\": \"trace\", \"routingKey\": \"" + std::string(10'000, 'k') + "\"}\n").find("no route"),
            std::string::npos);
  // Beyond the limit the gateway answers and closes, whatever is still under way.
  const Fd endless = connect();
  const std::string much(256 * 1024, 'x');
  static_cast<void>(::send(endless.get(), much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  EXPECT_EQ(listen_to(endless).find("(and nothing more)"), std::string::npos);
  // More than are served at a time wait for their turn.
  std::vector<Fd> many;
  for (int i = 0; i < 15; ++i)
    many.push_back(connect());
  const Fd last = connect();
  many.clear();
  const std::string request = "{\"command\": \"nothing\"}\n";
  EXPECT_EQ(::send(last.get(), request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  EXPECT_NE(listen_to(last).find("unknown command 'nothing'"), std::string::npos);
}

}  // namespace
}  // namespace fairlead
