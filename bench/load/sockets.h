// The few socket calls that both ends of the load generator need. All sockets are non-blocking. What fails in set-up
// ends the program with a sentence; what fails on a connection is the caller's to count.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/epoll.h>

#include "transport/base/fd.h"

namespace fairlead::load {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const std::string& what);
[[noreturn]] void die_errno(const std::string& what);

// "127.0.0.1:8080".
sockaddr_in parse_endpoint(std::string_view text);
Fd listen_on(const sockaddr_in& address);
// Connected, or on its way: then writable once it is.
Fd start_connect(const sockaddr_in& address);
// Waits until it is connected, at most ten seconds.
Fd connect_to(const sockaddr_in& address);
// 0, or the errno that a connect ended with.
int connect_error(const Fd& fd);

// Sends all of a few bytes on a socket whose buffer has room for them; false if the connection is broken.
bool send_all(const Fd& fd, std::span<const char> bytes);

class Epoll {
 public:
  Epoll();

  void add(const Fd& fd, std::uint32_t events, void* who) const;
  void change(const Fd& fd, std::uint32_t events, void* who) const;
  // Events until `deadline` at most; none when it has passed.
  std::span<const epoll_event> wait(Clock::time_point deadline);

 private:
  static constexpr int kEventsMax = 256;

  Fd fd_;
  epoll_event events_[kEventsMax];
};

}  // namespace fairlead::load
