// Bytes through live gateways of two shards: what a sanitizer has to see of all their threads at once. Whether they go
// on under load, and what a user sees, is for tests/e2e.

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/fairlead_fixtures.h"

namespace fairlead {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kConnections = 16;
constexpr std::size_t kBytes = 256 * 1024;
// A link that a busy machine lost comes back, and the round is made again.
constexpr int kRoundsMax = 5;

// Echoes every connection in a thread of its own. Connections end with their peers, which must be gone before it.
class EchoServer {
 public:
  EchoServer() : listening_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback(port_.release());
    EXPECT_EQ(bind(listening_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listening_.get(), 64), 0);
    accepting_ = std::thread([this] { accept_all(); });
  }

  ~EchoServer() {
    shutdown(listening_.get(), SHUT_RDWR);  // wakes the thread that accepts
    accepting_.join();
    for (std::thread& thread : serving_)
      thread.join();
  }

  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

  int port() const { return port_.number(); }

 private:
  void accept_all() {
    for (;;) {
      Fd connection(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      serving_.emplace_back([connection = std::move(connection)] { serve(connection.get()); });
    }
  }

  static void serve(int fd) {
    std::array<char, 64 * 1024> chunk;
    for (;;) {
      const ssize_t size = recv(fd, chunk.data(), chunk.size(), 0);
      if (size <= 0) break;
      ssize_t sent = 0;
      while (sent < size) {
        const ssize_t n = send(fd, chunk.data() + sent, static_cast<std::size_t>(size - sent), MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += n;
      }
    }
    shutdown(fd, SHUT_WR);
  }

  FreePort port_;
  Fd listening_;
  std::vector<std::thread> serving_;  // of the thread that accepts, until that has ended
  std::thread accepting_;
};

class LiveTest : public testing::Test {
 protected:
  struct Client {
    Fd fd;
    std::size_t sent = 0;
    std::size_t received = 0;
  };

  LiveTest() {
    std::uint32_t state = 1;
    for (char& byte : pattern_)
      byte = static_cast<char>((state = state * 1'664'525 + 1'013'904'223) >> 24);
  }

  static std::string service(const char* kind, const char* key, int port) {
    return fmt::format("---\nkind: {}\nmetadata: {{name: {}}}\nspec: {{routingKey: {}, host: 127.0.0.1, port: {}}}\n",
                       kind, key, key, port);
  }

  // What client number `index` sends at `offset`.
  const char* expected(std::size_t index, std::size_t offset) const { return &pattern_[index * 251 + offset]; }

  static Fd connect_to(int port) {
    Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0) << errno;
    return fd;
  }

  // Until every listener of the site has a connector.
  static bool wait_matched(const SiteFolder& site) {
    for (int attempt = 0; attempt < kAttemptsMax; attempt++) {
      Process pause(site.home.path(), {"link", "status"});
      if (pause.wait() != 0) continue;
      const Json status = Json::parse(read_text(site.home.path() / "namespaces/default/runtime/status.json"));
      bool matched = true;
      for (const Json& resource : status["resources"])
        matched = matched && (resource["kind"] != "Listener" || resource["status"]["hasMatchingConnector"] == true);
      if (matched) return true;
    }
    return false;
  }

  // Takes what is there and sends what there is room for. False when the connection was cut.
  bool step(std::size_t index, Client& client, short events) const {
    if ((events & POLLOUT) != 0) {
      const ssize_t n =
          send(client.fd.get(), expected(index, client.sent), kBytes - client.sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN) return false;
      if (n > 0) client.sent += static_cast<std::size_t>(n);
    }
    if ((events & (POLLIN | POLLERR | POLLHUP)) == 0) return true;
    std::array<char, 64 * 1024> chunk;
    const ssize_t n = recv(client.fd.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN;
    EXPECT_GT(n, 0) << "connection " << index << " ended in order after " << client.received << " bytes";
    const auto size = static_cast<std::size_t>(n);
    const bool right = client.received + size <= client.sent &&
                       std::equal(chunk.begin(), chunk.begin() + n, expected(index, client.received));
    EXPECT_TRUE(right) << "connection " << index << ": other bytes came back behind " << client.received;
    client.received += size;
    return right && n > 0;
  }

  // All of them at once; false when one was cut.
  bool echo_all(std::vector<Client>& clients) const {
    for (;;) {
      std::vector<pollfd> fds;
      std::size_t left = 0;
      for (const Client& client : clients) {
        const short out = client.sent < kBytes ? POLLOUT : 0;
        const short in = client.received < kBytes ? POLLIN : 0;
        // A negative descriptor is not looked at.
        fds.push_back({in != 0 ? client.fd.get() : -1, static_cast<short>(in | out), 0});
        left += in != 0 ? 1 : 0;
      }
      if (left == 0) return true;
      if (poll(fds.data(), fds.size(), kPatienceMs) <= 0) {
        ADD_FAILURE() << "nothing happened for " << kPatienceMs << " ms";
        return false;
      }
      for (std::size_t i = 0; i < clients.size(); i++) {
        if (fds[i].revents != 0 && !step(i, clients[i], fds[i].revents)) return false;
      }
    }
  }

  std::vector<Client> echo_round(int port) const {
    std::vector<Client> clients;
    for (int round = 0; round < kRoundsMax; round++) {
      clients.clear();
      for (std::size_t i = 0; i < kConnections && !HasFailure(); i++)
        clients.push_back({connect_to(port)});
      if (echo_all(clients) || HasFailure()) return clients;
    }
    ADD_FAILURE() << kRoundsMax << " rounds were cut";
    return clients;
  }

  std::vector<char> pattern_ = std::vector<char>(kBytes + kConnections * 251);
};

TEST_F(LiveTest, BytesOfAllShardsWithinASiteAndOverALink) {
  EchoServer server;
  FreePort access;
  FreePort near;
  FreePort far;
  SiteFolder west;
  SiteFolder east;
  west.write("site.yaml", accepting_site(access.number()) + service("Listener", "near", near.number()) +
                              service("Connector", "near", server.port()) + service("Listener", "far", far.number()));
  Process generate(west.home.path(), {"link", "generate"});
  ASSERT_EQ(generate.wait(), 0) << generate.error();
  east.write("site.yaml", "kind: Site\nmetadata: {name: east}\n" + service("Connector", "far", server.port()));
  east.write("link.yaml", generate.out());
  for (FreePort* port : {&access, &near, &far})
    port->release();
  // Connections that are open are given up at once: ending them is a part of what is looked at here.
  const std::vector<std::string> run = {"run", "--shards", "2", "--drain-timeout", "0"};
  Process west_gateway(west.home.path(), run);
  ASSERT_TRUE(west_gateway.wait_for("ready: site west")) << west_gateway.error();
  Process east_gateway(east.home.path(), run);
  ASSERT_TRUE(east_gateway.wait_for("link link-west: up")) << east_gateway.error();
  ASSERT_TRUE(wait_matched(west));

  std::vector<Client> clients = echo_round(near.number());
  if (!HasFailure()) {
    for (Client& client : echo_round(far.number()))
      clients.push_back(std::move(client));
  }
  for (const Client& client : clients) {  // bytes are under way when the end comes
    if (HasFailure()) break;              // the gateways may have more to say about that
    EXPECT_GT(send(client.fd.get(), pattern_.data(), 64 * 1024, MSG_NOSIGNAL | MSG_DONTWAIT), 0);
  }
  west_gateway.send(SIGTERM);
  EXPECT_EQ(west_gateway.wait(), 0) << west_gateway.error();
  east_gateway.send(SIGTERM);
  EXPECT_EQ(east_gateway.wait(), 0) << east_gateway.error();
  if (HasFailure()) return;
  for (const Client& client : clients) {
    std::array<char, 64 * 1024> chunk;
    ssize_t n = 1;
    while (n > 0)
      n = recv(client.fd.get(), chunk.data(), chunk.size(), 0);
    EXPECT_EQ(n, -1) << "an orderly end of a connection that was given up";
  }
}

}  // namespace
}  // namespace fairlead
