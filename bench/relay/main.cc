// relay: carries TCP connections to another address, and every byte a fixed time later: a long way on one machine, for
// kernels that have no netem. It takes what comes and holds it, so that what is measured is the window of whoever sends
// and not that of the kernel's sockets in between.
//
//   relay LISTEN TARGET MILLISECONDS     each way; prints the port that it listens on, and ends by a signal
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tools/load/sockets.h"
#include "transport/resolver.h"

namespace fairlead::load {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::size_t kHeldMax = 512 * 1024 * 1024;  // of one direction: 100 ms of 40 Gbit/s

struct Piece {
  Clock::time_point due;
  std::vector<char> bytes;
};

// One direction of a connection.
struct Way {
  std::deque<Piece> pieces;
  std::size_t held_bytes = 0;
  std::size_t sent_of_first = 0;
  bool read_end = false;
  Clock::time_point end_due{};
  bool end_sent = false;
  bool blocked = false;  // the receiver takes nothing
};

struct Pair;

struct End {
  Fd fd;
  Pair* pair = nullptr;
  bool near = false;
  std::uint32_t events = 0;
};

struct Pair {
  End near, far;
  Way to_far, to_near;
  bool connected = false;
  bool broken = false;
};

Address endpoint(std::string_view text) {
  const std::optional<HostPort> found = parse_host_port(text);
  const Address address = found ? parse_literal(found->host, found->port) : Address();
  if (address.size > 0 && address.family() != AF_UNIX) return address;
  throw LoadError("'" + std::string(text) + "' is no endpoint like 127.0.0.1:8080");
}

class Relay {
 public:
  Relay(const Address& listen, const Address& target, Clock::duration delay)
      : listener_(listen_on(listen)), target_(target), delay_(delay) {
    epoll_.add(listener_, EPOLLIN, nullptr);
  }

  void print_port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    std::printf("listening on port %u\n", unsigned{ntohs(address.sin_port)});
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    while (true) {
      for (const epoll_event& event : epoll_.wait(next_due())) {
        if (event.data.ptr == nullptr) {
          accept_all();
        } else {
          serve(*static_cast<End*>(event.data.ptr), event.events);
        }
      }
      for (const auto& [key, pair] : pairs_)
        send_due(*pair);
      std::erase_if(pairs_, [](const auto& entry) { return over(*entry.second); });
    }
  }

 private:
  static bool over(const Pair& pair) { return pair.broken || (pair.to_far.end_sent && pair.to_near.end_sent); }

  Clock::time_point next_due() const {
    Clock::time_point next = Clock::now() + std::chrono::hours(1);
    for (const auto& [key, pair] : pairs_) {
      for (const Way* way : {&pair->to_far, &pair->to_near}) {
        if (way->blocked || !pair->connected) continue;
        if (!way->pieces.empty()) {
          next = std::min(next, way->pieces.front().due);
        } else if (way->read_end && !way->end_sent) {
          next = std::min(next, way->end_due);
        }
      }
    }
    return next;
  }

  void accept_all() {
    while (true) {
      Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) return;
      const int on = 1;
      ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto pair = std::make_unique<Pair>();
      pair->near = {std::move(fd), pair.get(), true};
      pair->far = {start_connect(target_), pair.get(), false};
      if (!pair->far.fd) continue;
      epoll_.add(pair->near.fd, 0, &pair->near);
      epoll_.add(pair->far.fd, EPOLLOUT, &pair->far);
      pair->far.events = EPOLLOUT;
      Pair* key = pair.get();
      pairs_.emplace(key, std::move(pair));
    }
  }

  void want(End& end, std::uint32_t events) {
    if (std::exchange(end.events, events) != events) epoll_.change(end.fd, events, &end);
  }

  // What both ends wait for: to be read from while there is room, to be written to while they are full.
  void follow(Pair& pair) {
    const auto events = [](const Way& from_it, const Way& to_it) {
      std::uint32_t wanted = 0;
      if (!from_it.read_end && from_it.held_bytes < kHeldMax) wanted |= EPOLLIN;
      if (to_it.blocked) wanted |= EPOLLOUT;
      return wanted;
    };
    want(pair.near, events(pair.to_far, pair.to_near));
    want(pair.far, events(pair.to_near, pair.to_far));
  }

  void serve(End& end, std::uint32_t events) {
    Pair& pair = *end.pair;
    if (pair.broken) return;
    if (!pair.connected) {
      if (end.near) return;
      pair.broken = connect_error(end.fd) != 0;
      pair.connected = true;
      return follow(pair);
    }
    Way& from_it = end.near ? pair.to_far : pair.to_near;
    Way& to_it = end.near ? pair.to_near : pair.to_far;
    if ((events & EPOLLOUT) != 0) to_it.blocked = false;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(end, from_it);
    follow(pair);
  }

  void receive(End& end, Way& way) {
    if (way.read_end || way.held_bytes >= kHeldMax) return;
    std::vector<char> bytes(kPieceBytes);
    const ssize_t got = ::recv(end.fd.get(), bytes.data(), bytes.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) {
      end.pair->broken = true;
    } else if (got == 0) {
      way.read_end = true;
      way.end_due = Clock::now() + delay_;
    } else {
      bytes.resize(static_cast<std::size_t>(got));
      way.held_bytes += bytes.size();
      way.pieces.push_back({Clock::now() + delay_, std::move(bytes)});
    }
  }

  void send_due(Pair& pair) {
    if (!pair.connected || pair.broken) return;
    send_due(pair, pair.to_far, pair.far);
    send_due(pair, pair.to_near, pair.near);
    follow(pair);
  }

  void send_due(Pair& pair, Way& way, const End& to) {
    const Clock::time_point now = Clock::now();
    while (!way.blocked && !way.pieces.empty() && way.pieces.front().due <= now) {
      const std::vector<char>& bytes = way.pieces.front().bytes;
      const ssize_t sent =
          ::send(to.fd.get(), bytes.data() + way.sent_of_first, bytes.size() - way.sent_of_first, MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        pair.broken = true;
        return;
      }
      way.sent_of_first += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
      way.held_bytes -= static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
      way.blocked = way.sent_of_first < bytes.size();
      if (way.blocked) return;
      way.pieces.pop_front();
      way.sent_of_first = 0;
    }
    if (way.pieces.empty() && way.read_end && !way.end_sent && way.end_due <= now) {
      way.end_sent = true;
      ::shutdown(to.fd.get(), SHUT_WR);
    }
  }

  Fd listener_;
  const Address target_;
  const Clock::duration delay_;
  Epoll epoll_;
  std::unordered_map<Pair*, std::unique_ptr<Pair>> pairs_;
};

int run(int argc, char** argv) {
  if (argc != 4) throw LoadError("usage: relay LISTEN TARGET MILLISECONDS");
  const std::string_view text = argv[3];
  double ms = -1;
  std::from_chars(text.begin(), text.end(), ms);
  if (!(ms >= 0) || ms > 10'000) throw LoadError("'" + std::string(text) + "' is no delay in milliseconds");
  Relay relay(endpoint(argv[1]), endpoint(argv[2]),
              std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(ms)));
  relay.print_port();
  relay.run();
}

}  // namespace
}  // namespace fairlead::load

int main(int argc, char** argv) {
  try {
    return fairlead::load::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "relay: %s\n", error.what());
    return 1;
  }
}
