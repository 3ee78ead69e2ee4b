// Op: one request in the kernel's hands. It is a member of the object it works for, is neither copied nor moved (the
// kernel holds its address), and is submitted only when it is not in flight:
//
//   class EdgeSocket { void on_recv(Completion) noexcept;  OpOf<&EdgeSocket::on_recv> recv_{*this}; };
//
// A quiet send (ring.h) is in flight until the enter() that submitted it has come back and handle_quiet() was called.
//
// A multishot request stays in flight until a completion without more(). The destructor CHECKs that the kernel no
// longer holds the request, so that a missing join cannot stay hidden.
#pragma once

#include <cstdint>

#include <liburing.h>

#include "transport/base/check.h"

namespace fairlead {

struct Completion {
  std::int32_t res;     // what the system call would have returned: >= 0, or -errno
  std::uint32_t flags;  // IORING_CQE_F_*

  bool ok() const noexcept { return res >= 0; }

  std::uint32_t bytes() const noexcept { return static_cast<std::uint32_t>(res); }

  bool more() const noexcept { return (flags & IORING_CQE_F_MORE) != 0; }

  bool has_buffer() const noexcept { return (flags & IORING_CQE_F_BUFFER) != 0; }

  // The socket had more to read when the receive ended: the next receive need not wait for readiness first.
  bool socket_nonempty() const noexcept { return (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0; }

  std::uint16_t buffer_id() const noexcept { return static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT); }
};

class Op {
 public:
  using Handler = void (*)(Op& op, Completion done) noexcept;

  explicit Op(Handler handler) noexcept : handler_(handler) {}

  Op(const Op&) = delete;
  Op& operator=(const Op&) = delete;

  ~Op() { CHECK(!in_flight_); }

  bool in_flight() const noexcept { return in_flight_; }

 private:
  friend class Ring;

  Handler handler_;
  bool in_flight_ = false;
  std::uint32_t quiet_ = 0;  // its place among the ring's quiet sends, from 1; 0: it is none
};

template <auto Method>
class OpOf;

template <class Owner, void (Owner::*Method)(Completion) noexcept>
class OpOf<Method> final : public Op {
 public:
  explicit OpOf(Owner& owner) noexcept
      : Op([](Op& op, Completion done) noexcept { (static_cast<OpOf&>(op).owner_.*Method)(done); }), owner_(owner) {}

 private:
  Owner& owner_;
};

}  // namespace fairlead
