// HealthProbe: whether a connector's server answers, found out by connecting to it now and then, and at once when a
// client's connection failed. A server that does not answer is offered to nobody until it does.
//
//   kUnknown ──(connected)──► kUp ──(a client's connect failed, or all addresses refuse)──► kDown ──(connected)──► kUp
//
// Owner: Transport. Control thread only. It ends by close(), and may be destroyed once closed().
#pragma once

#include <cstdint>
#include <vector>

#include "transport/timed_connect.h"

namespace fairlead {

class Transport;

class HealthProbe {
 public:
  HealthProbe(Transport& transport, std::uint32_t connector);
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

  bool up() const noexcept { return state_ == State::kUp; }

  // Resolved anew; probing begins with the first.
  void set_addresses(std::vector<Address> addresses);
  // A client's connection could not be made.
  void client_failed();

  void close() noexcept;

  bool closed() const noexcept { return connect_.closed(); }

 private:
  enum class State : std::uint8_t {
    kUnknown,  // not probed yet
    kUp,
    kDown,
  };

  void connected(int error) noexcept;
  void on_due(Instant now) noexcept;
  void probe() noexcept;
  void settle(State state, int error) noexcept;

  Transport& transport_;
  std::uint32_t connector_;
  std::vector<Address> addresses_;
  std::size_t next_ = 0;
  std::size_t failed_ = 0;  // of the addresses, in this round
  State state_ = State::kUnknown;
  bool closing_ = false;
  TimedConnect connect_;

  TimerOf<&HealthProbe::on_due> due_{*this};
};

}  // namespace fairlead
