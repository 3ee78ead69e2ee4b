#include "tools/load/server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tools/load/protocol.h"
#include "tools/load/sockets.h"

namespace fairlead::load {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;
// Of an echo: what is owed is kept, so no more is read than this before it went out.
constexpr std::size_t kEchoBytes = 64 * 1024;
// Of one connection before the others have their turn.
constexpr int kCallsInARow = 4;

}  // namespace

class Server::Clients {
 public:
  explicit Clients(const Fd& listener) : listener_(listener) { epoll_.add(listener_, EPOLLIN, nullptr); }

  void run_once() {
    for (const epoll_event& event : epoll_.wait(Clock::now() + std::chrono::hours(1))) {
      if (event.data.ptr == nullptr) {
        accept_all();
      } else {
        auto* client = static_cast<Client*>(event.data.ptr);
        if (!serve(*client)) clients_.erase(client);
      }
    }
  }

 private:
  struct Client {
    Fd fd;
    std::string opening;       // until it is known what is wanted
    char mode = 0;             // 0: not known yet
    bool sized = false;        // one request: its size is known
    std::uint32_t wanted = 0;  // and this
    std::uint64_t bytes = 0;   // behind the preamble
    std::vector<char> owed;    // to be sent back as soon as there is room
    std::uint32_t events = EPOLLIN;
  };

  void accept_all() {
    while (true) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) {
        if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR || errno == EMFILE) return;
        throw_errno("accept");
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

  void want(Client& client, std::uint32_t events) {
    if (std::exchange(client.events, events) != events) epoll_.change(client.fd, events, &client);
  }

  // False: the connection is over.
  bool serve(Client& client) {
    if (!client.owed.empty() && !send_owed(client)) return false;
    for (int i = 0; i < kCallsInARow && client.owed.empty(); ++i) {
      const std::size_t room = client.mode == kUpload ? buffer_.size() : kEchoBytes;
      const ssize_t got = ::recv(client.fd.get(), buffer_.data(), room, 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (got < 0) return false;
      if (got == 0) return finish(client);
      if (!take(client, {buffer_.data(), static_cast<std::size_t>(got)})) return false;
      if (static_cast<std::size_t>(got) < room) break;
    }
    return client.mode != kDownload || send_noise(client);
  }

  bool take(Client& client, std::span<const char> bytes) {
    if (client.mode != 0) return take_payload(client, bytes);
    client.opening.append(bytes.data(), bytes.size());
    const std::size_t compared = std::min(client.opening.size(), kMagic.size());
    if (kMagic.substr(0, compared) != std::string_view(client.opening).substr(0, compared)) {
      client.mode = kEcho;
      const std::string all = std::move(client.opening);
      return take_payload(client, all);
    }
    if (client.opening.size() < kPreambleBytes) return true;
    client.mode = client.opening[kMagic.size()];
    if (client.mode == kDownload) want(client, EPOLLIN | EPOLLOUT);
    if (!std::string_view("UDEO").contains(client.mode)) return false;
    const std::string rest = client.opening.substr(kPreambleBytes);
    client.opening = {};
    return rest.empty() || take_payload(client, rest);
  }

  bool take_payload(Client& client, std::span<const char> bytes) {
    if (client.mode == kOneRequest && !client.sized) {
      client.opening.append(bytes.data(), bytes.size());
      if (client.opening.size() < sizeof client.wanted) return true;
      std::memcpy(&client.wanted, client.opening.data(), sizeof client.wanted);
      client.sized = true;
      const std::string rest = client.opening.substr(sizeof client.wanted);
      client.opening = {};
      return rest.empty() || take_payload(client, rest);
    }
    client.bytes += bytes.size();
    if (client.mode == kUpload || client.mode == kDownload) return true;
    return send_back(client, bytes);
  }

  bool send_back(Client& client, std::span<const char> bytes) {
    const ssize_t sent = ::send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    client.owed.assign(bytes.begin(), bytes.end());
    return go_on(client);
  }

  bool send_owed(Client& client) {
    const ssize_t sent = ::send(client.fd.get(), client.owed.data(), client.owed.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    client.owed.erase(client.owed.begin(), client.owed.begin() + sent);
    if (client.owed.empty()) client.owed = {};  // an idle connection holds no memory
    return go_on(client);
  }

  bool go_on(Client& client) {
    want(client, client.owed.empty() ? EPOLLIN : EPOLLOUT);
    return !client.owed.empty() || client.mode != kOneRequest || client.bytes < client.wanted;
  }

  bool send_noise(Client& client) const {
    for (int i = 0; i < kCallsInARow; ++i) {
      const ssize_t sent = ::send(client.fd.get(), noise_.data(), noise_.size(), MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN || errno == EINTR;
    }
    return true;
  }

  static bool finish(Client& client) {
    // The answer fits any send buffer: nothing else was sent on this connection.
    if (client.mode == kUpload)
      send_all(client.fd, {reinterpret_cast<const char*>(&client.bytes), sizeof client.bytes});
    return false;
  }

  const Fd& listener_;
  Epoll epoll_;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
  std::vector<char> buffer_ = std::vector<char>(kBufferBytes);
  const std::vector<char> noise_ = std::vector<char>(kBufferBytes, 'n');
};

Server::Server(const Address& address) : listener_(listen_on(address)) {}

Server::~Server() = default;

Address Server::address() const {
  Address address;
  address.size = sizeof address.storage;
  ::getsockname(listener_.get(), address.get(), &address.size);
  return address;
}

void Server::run() {
  Clients clients(listener_);
  while (true)
    clients.run_once();
}

}  // namespace fairlead::load
