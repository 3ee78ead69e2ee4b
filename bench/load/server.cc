#include "bench/load/server.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "bench/load/protocol.h"
#include "bench/load/sockets.h"

namespace fairlead::load {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
// Of one connection before the others have their turn.
constexpr int kReadsInARow = 4;

class Server {
 public:
  explicit Server(const sockaddr_in& address) : listener_(listen_on(address)) {
    epoll_.add(listener_, EPOLLIN, nullptr);
  }

  void print_endpoint() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    std::printf("listening on port %u\n", unsigned{ntohs(address.sin_port)});
    std::fflush(stdout);
  }

  void run_once() {
    for (const epoll_event& event : epoll_.wait(Clock::now() + std::chrono::hours(1))) {
      if (event.data.ptr == nullptr) {
        accept_all();
      } else {
        auto* client = static_cast<Client*>(event.data.ptr);
        if (!serve_client(*client)) clients_.erase(client);
      }
    }
  }

 private:
  struct Client {
    Fd fd;
    char mode = 0;
    std::uint64_t bytes = 0;          // behind the first byte
    std::array<char, 16 * 1024> out;  // to be sent back as soon as there is room
    std::size_t out_begin = 0;
    std::size_t out_end = 0;
    bool waiting = false;  // for room, so nothing is read
  };

  void accept_all() {
    while (true) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) {
        if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) return;
        die_errno("accept");
      }
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto client = std::make_unique<Client>();
      client->fd = std::move(fd);
      epoll_.add(client->fd, EPOLLIN, client.get());
      Client* key = client.get();
      clients_.emplace(key, std::move(client));
    }
  }

  // False: the connection is over.
  bool serve_client(Client& client) {
    if (client.out_begin < client.out_end && !send_back(client)) return false;
    for (int i = 0; i < kReadsInARow; ++i) {
      if (client.out_begin < client.out_end) return true;  // first what is owed
      const std::size_t room = client.mode == kUpload ? buffer_.size() : client.out.size();
      const ssize_t got = ::recv(client.fd.get(), buffer_.data(), room, 0);
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      if (got == 0) return finish(client);
      if (!take(client, buffer_.data(), static_cast<std::size_t>(got))) return false;
      if (static_cast<std::size_t>(got) < room) return true;
    }
    return true;
  }

  bool take(Client& client, const char* bytes, std::size_t size) {
    if (client.mode == 0) {
      client.mode = *bytes++;
      if (--size == 0) return true;
    }
    client.bytes += size;
    if (client.mode == kUpload) return true;
    if (client.mode != kEcho && client.mode != kOneRequest) return false;
    std::memcpy(client.out.data(), bytes, size);
    client.out_begin = 0;
    client.out_end = size;
    return send_back(client);
  }

  bool send_back(Client& client) {
    const ssize_t sent =
        ::send(client.fd.get(), client.out.data() + client.out_begin, client.out_end - client.out_begin, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    client.out_begin += static_cast<std::size_t>(sent < 0 ? 0 : sent);
    const bool waits = client.out_begin < client.out_end;
    if (waits != std::exchange(client.waiting, waits)) epoll_.change(client.fd, waits ? EPOLLOUT : EPOLLIN, &client);
    return waits || client.mode != kOneRequest || client.bytes < kRequestBytes;
  }

  bool finish(Client& client) {
    // The answer fits any send buffer: nothing else was sent on this connection.
    if (client.mode == kUpload)
      send_all(client.fd, {reinterpret_cast<const char*>(&client.bytes), sizeof client.bytes});
    return false;
  }

  Fd listener_;
  Epoll epoll_;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
  std::array<char, kReadBytes> buffer_;
};

}  // namespace

void serve(const sockaddr_in& address) {
  const auto server = std::make_unique<Server>(address);
  server->print_endpoint();
  while (true)
    server->run_once();
}

}  // namespace fairlead::load
