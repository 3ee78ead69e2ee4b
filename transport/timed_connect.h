// TimedConnect: whether a server takes connections, and how fast: one TCP connect that is given up after a while, and
// closed by reset once it is made, so that the server's accept queue does not fill with connections that say nothing.
//
// Owner: HealthProbe, Transport. Control thread only. It ends by close(), and may be destroyed once closed().
#pragma once

#include <functional>

#include "transport/uring/op.h"
#include "transport/uring/socket.h"
#include "transport/uring/timers.h"

namespace fairlead {

class Transport;

class TimedConnect {
 public:
  // `error` is 0 or an errno.
  using Done = std::function<void(int error, Duration took)>;

  TimedConnect(Transport& transport, Done done);
  TimedConnect(const TimedConnect&) = delete;
  TimedConnect& operator=(const TimedConnect&) = delete;

  bool busy() const noexcept { return connect_.in_flight(); }

  // Not while busy(). False: no descriptor was left, and nothing will be told.
  bool start(const Address& address) noexcept;

  // Nothing is told any more.
  void close() noexcept;

  bool closed() const noexcept { return closing_ && !connect_.in_flight(); }

 private:
  void on_connect(Completion done) noexcept;
  void on_deadline(Instant now) noexcept;

  Transport& transport_;
  Done done_;
  Address target_;
  Instant began_{};
  bool closing_ = false;
  Socket socket_;

  OpOf<&TimedConnect::on_connect> connect_{*this};
  TimerOf<&TimedConnect::on_deadline> deadline_{*this};
};

}  // namespace fairlead
