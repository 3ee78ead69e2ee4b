// The metrics port of a running gateway: HTTP as scrapers speak it, and clients of every bad sort, which cost nobody
// else.
#include <array>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/fairlead_fixtures.h"

namespace fairlead {
namespace {

class MetricsTest : public testing::Test {
 protected:
  void SetUp() override {
    site_.write("site.yaml", fmt::format("kind: Site\nmetadata: {{name: west}}\n"
                                         "spec: {{metrics: {{host: localhost, port: {}}}}}\n---\n"
                                         "kind: Connector\nmetadata: {{name: db}}\n"
                                         "spec: {{routingKey: db, host: 127.0.0.1, port: 1, healthProbe: none}}\n",
                                         port_.release()));
    gateway_.emplace(site_.home.path(), std::vector<std::string>{"run", "--shards", "1"});
    ASSERT_TRUE(gateway_->wait_for("ready: site west")) << gateway_->error();
  }

  void TearDown() override {
    gateway_->send(SIGTERM);
    EXPECT_EQ(gateway_->wait(), 0) << gateway_->error();
  }

  Fd connect() const {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port_.number());
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << errno;
    return fd;
  }

  static void say(const Fd& fd, std::string_view text) {
    EXPECT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }

  // Until it has `text`, or the connection ends.
  static std::string hear(const Fd& fd, std::string_view text) {
    std::string heard;
    std::array<char, 4096> piece;
    while (heard.find(text) == std::string::npos) {
      pollfd wait{fd.get(), POLLIN, 0};
      if (::poll(&wait, 1, kPatienceMs) != 1) return heard + "(and nothing more)";
      const ssize_t size = ::recv(fd.get(), piece.data(), piece.size(), 0);
      if (size <= 0) return heard + "(end)";
      heard.append(piece.data(), static_cast<std::size_t>(size));
    }
    return heard;
  }

  std::string ask(std::string_view request) const {
    const Fd fd = connect();
    say(fd, request);
    return hear(fd, "(until it ends)");
  }

  SiteFolder site_;
  FreePort port_;
  std::optional<Process> gateway_;
};

constexpr std::string_view kLastLine =
    "fairlead_shard_events_total{shard=\"0\",event=\"ring_completion_overflows\"} 0\n";

TEST_F(MetricsTest, ScrapersGetTheMetrics) {
  const std::string said = ask("GET /metrics HTTP/1.1\r\nHost: west\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(said.starts_with("HTTP/1.1 200 OK\r\n")) << said;
  EXPECT_NE(said.find("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), std::string::npos) << said;
  EXPECT_NE(said.find("fairlead_site_info{site=\"west\","), std::string::npos) << said;
  EXPECT_TRUE(said.ends_with(std::string(kLastLine) + "(end)")) << said;
}

TEST_F(MetricsTest, AConnectionIsKeptForTheNextScrape) {
  const Fd fd = connect();
  for (int i = 0; i < 3; ++i) {
    say(fd, "GET /metrics?what=ever HTTP/1.1\r\nHost: west\r\n\r\n");
    EXPECT_TRUE(hear(fd, kLastLine).starts_with("HTTP/1.1 200 OK\r\n"));
  }
  // In pieces, two at a time, and one without a body.
  say(fd, "GET /metr");
  say(fd, "ics HTTP/1.1\r\n\r\nHEAD /metrics HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string said = hear(fd, "(until it ends)");
  const std::size_t second = said.find(std::string(kLastLine) + "HTTP/1.1 200 OK\r\n");
  ASSERT_NE(second, std::string::npos) << said;
  EXPECT_TRUE(said.ends_with("\r\n\r\n(end)")) << said;
  EXPECT_EQ(said.find("Content-Length: 0\r\n"), std::string::npos) << "HEAD tells the length that GET has";
}

TEST_F(MetricsTest, OtherRequestsAreToldWhatThereIs) {
  EXPECT_TRUE(ask("GET / HTTP/1.0\r\n\r\n").ends_with("the metrics are at /metrics\n(end)"));
  EXPECT_TRUE(ask("POST /metrics HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 405 "));
  EXPECT_TRUE(ask("GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(ask("GET\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask(std::string(100, '\xff') + "\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask("\x16\x03\x01\x02\r\n").starts_with("HTTP/1.1 400 ")) << "TLS";
  EXPECT_TRUE(ask("GET /metrics HTTP/1.1\r\nA: " + std::string(9000, 'a')).starts_with("HTTP/1.1 431 "));
}

TEST_F(MetricsTest, SilentClientsKeepNobodyElseOut) {
  std::vector<Fd> silent;
  for (int i = 0; i < 40; ++i)
    silent.push_back(connect());
  EXPECT_TRUE(ask("GET /metrics HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 OK\r\n"));
  EXPECT_EQ(hear(silent.front(), "nothing"), "(end)") << "the one that has been idle for the longest";
}

TEST(MetricsPort, IsSaidToBeTaken) {
  const Fd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(taken.get(), 1), 0);
  ASSERT_EQ(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int port = ntohs(address.sin_port);
  SiteFolder site;
  site.write("site.yaml", fmt::format("kind: Site\nmetadata: {{name: west}}\n"
                                      "spec: {{metrics: {{host: 127.0.0.1, port: {}}}}}\n",
                                      port));
  Process gateway(site.home.path(), {"run", "--shards", "1"});
  EXPECT_EQ(gateway.wait(), 1);
  EXPECT_NE(gateway.error().find(fmt::format("metrics on 127.0.0.1:{}: ", port)), std::string::npos) << gateway.error();
}

}  // namespace
}  // namespace fairlead
