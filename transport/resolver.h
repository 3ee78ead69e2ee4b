// Resolver: host names to addresses without stopping the thread that asks: literals at once, names by the C library's
// own helper threads (getaddrinfo_a), looked after by a timer. One slow name server holds up only its own query.
//
// Owner: Transport. Control thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transport/base/error.h"
#include "transport/config.h"
#include "transport/uring/kernel.h"
#include "transport/uring/timers.h"

namespace fairlead {

// Of "10.0.0.1:80", "[::1]:80", "db.example:80", "unix:/path".
std::optional<HostPort> parse_host_port(std::string_view text);
// The address of an IPv4 or IPv6 literal (with an optional %scope) or of "unix:/path", or an empty one.
Address parse_literal(const std::string& host, std::uint16_t port);
// "10.0.0.1:55671", "[::1]:55671".
std::string to_string(const Address& address);

class Resolver {
 public:
  // Called once, on the control thread: with at least one address, or an error. May be called before resolve() returns.
  using Done = std::move_only_function<void(Result<std::vector<Address>>)>;

  explicit Resolver(Timers& timers) noexcept;
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  void resolve(const HostPort& endpoint, Instant now, Done done);

 private:
  struct Query;

  static constexpr Duration kPoll = Duration::milliseconds(5);

  void on_poll(Instant now) noexcept;

  Timers& timers_;
  std::list<std::unique_ptr<Query>> queries_;
  TimerOf<&Resolver::on_poll> poll_{*this};
};

}  // namespace fairlead
