// A listening socket in the main thread's poll loop. Where a client cannot be taken now, for want of descriptors or
// memory, it stays in the kernel's queue, and the socket is left alone for a while: it would wake the loop all the
// time.
//
// Owned and used by one thread.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include <poll.h>

#include "transport/base/fd.h"

namespace fairlead {

class PolledListener {
 public:
  // Of a socket that listens and does not block.
  explicit PolledListener(Fd listening) noexcept : listening_(std::move(listening)) {}

  // What to wait for: nothing while it is left alone.
  pollfd wanted() const noexcept { return {paused() ? -1 : listening_.get(), POLLIN, 0}; }

  // Then accept() has to be called again soon, whatever happens.
  bool paused() const noexcept { return again_.has_value(); }

  // The next client, without blocking; none if nobody waits, or the socket is left alone.
  Fd accept();

 private:
  Fd listening_;
  std::optional<std::chrono::steady_clock::time_point> again_;
};

}  // namespace fairlead
