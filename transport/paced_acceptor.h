// PacedAcceptor: a port for few and short connections (redemptions of tokens), on a SideLoop. It takes one client after
// the other and no more of them a second than it is told, so that nobody can keep the thread busy; all others wait in
// the kernel's queue.
//
// Owner: whoever serves the clients. It ends by close(), and is destroyed once closed(). One thread, the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "transport/base/error.h"
#include "transport/config.h"
#include "transport/side_loop.h"
#include "transport/uring/op.h"
#include "transport/uring/socket.h"

namespace fairlead {

class PacedAcceptor {
 public:
  using Accepted = std::function<void(Socket, const Address& peer)>;

  // At most `burst` at once, and one for each `interval`.
  static Result<std::unique_ptr<PacedAcceptor>> open(SideLoop& loop, const HostPort& address, unsigned burst,
                                                     Duration interval, Accepted accepted);
  PacedAcceptor(const PacedAcceptor&) = delete;
  PacedAcceptor& operator=(const PacedAcceptor&) = delete;

  std::uint16_t port() const noexcept { return port_; }

  void close() noexcept;

  bool closed() const noexcept { return closing_ && !accept_.in_flight(); }

 private:
  PacedAcceptor(SideLoop& loop, Socket socket, std::uint16_t port, unsigned burst, Duration interval,
                Accepted accepted);
  void on_accept(Completion done) noexcept;
  void on_due(Instant now) noexcept;
  void arm() noexcept;

  SideLoop& loop_;
  Socket socket_;
  std::uint16_t port_;
  Duration burst_;  // how far ahead of its pace it may be
  Duration interval_;
  Accepted accepted_;
  Instant paid_until_;  // the time that clients so far have used up
  bool closing_ = false;

  OpOf<&PacedAcceptor::on_accept> accept_{*this};
  TimerOf<&PacedAcceptor::on_due> due_{*this};
};

}  // namespace fairlead
