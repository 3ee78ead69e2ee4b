// The few socket calls that both ends of a load need. All sockets are non-blocking. What fails in set-up throws a
// LoadError; what fails on a connection is the caller's to count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <sys/epoll.h>

#include "tools/load/plan.h"
#include "transport/base/fd.h"

namespace fairlead::load {

[[noreturn]] void throw_errno(const std::string& what);

Fd listen_on(const Address& address);
// Connected, or on its way: then writable once it is. Without a descriptor: it failed at once.
Fd start_connect(const Address& address, std::size_t number = 0);
// Waits until it is connected, at most ten seconds. `number` is how many there are already: an address has some 28,000
// ports to connect from, so that more to one of 127.0.0.0/8 come from several of these.
Fd connect_to(const Address& address, std::size_t number = 0);
// The same, and says to our server what the connection is for, unless it is plain.
Fd open_stream(const LoadPlan& plan, char purpose, std::size_t number = 0);
std::string preamble(char purpose);
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
