// SideLoop: a ring with timers for what is no traffic of the site: a few connections of commands and of the main
// thread, beside whatever else that thread waits for. A shard and the control thread have loops of their own.
//
// Owned and used by one thread, the one that opened it.
#pragma once

#include <memory>

#include "transport/base/error.h"
#include "transport/base/fd.h"
#include "transport/base/time.h"
#include "transport/uring/kernel.h"
#include "transport/uring/ring.h"
#include "transport/uring/timers.h"

namespace fairlead {

class SideLoop {
 public:
  static Result<std::unique_ptr<SideLoop>> open(Kernel& kernel);
  SideLoop(const SideLoop&) = delete;
  SideLoop& operator=(const SideLoop&) = delete;

  // Readable when turn() has something to do.
  int fd() const noexcept { return event_.get(); }

  // How long the thread may wait without calling turn(): hardly, while the kernel does not take what was asked for.
  Duration until_next() noexcept {
    return ring_->all_submitted() ? timers_.until_next(kernel_.now()) : Duration::milliseconds(1);
  }

  // Hands over what was asked for, waits no longer than `wait` or until something happens, and does what is due.
  void turn(Duration wait) noexcept;

  Kernel& kernel() const noexcept { return kernel_; }

  Ring& ring() noexcept { return *ring_; }

  Timers& timers() noexcept { return timers_; }

  // Of the present turn.
  Instant now() const noexcept { return now_; }

 private:
  SideLoop(Kernel& kernel, std::unique_ptr<Ring> ring, Fd event) noexcept;

  Kernel& kernel_;
  Fd event_;  // outlives the ring
  std::unique_ptr<Ring> ring_;
  Instant now_;
  Timers timers_;
};

}  // namespace fairlead
