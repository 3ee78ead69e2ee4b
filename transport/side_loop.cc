#include "transport/side_loop.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

namespace fairlead {
namespace {

constexpr unsigned kRingEntries = 64;

}  // namespace

Result<std::unique_ptr<SideLoop>> SideLoop::open(Kernel& kernel) {
  auto ring = Ring::open(kernel, kRingEntries);
  if (!ring) return std::unexpected(ring.error());
  if (auto enabled = (*ring)->enable(); !enabled) return std::unexpected(enabled.error());
  Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return std::unexpected(error_from_errno(errno, "eventfd"));
  if (const int r = kernel.register_event((*ring)->raw(), event.get()); r < 0) {
    return std::unexpected(error_from_errno(-r, "io_uring eventfd"));
  }
  return std::unique_ptr<SideLoop>(new SideLoop(kernel, std::move(*ring), std::move(event)));
}

SideLoop::SideLoop(Kernel& kernel, std::unique_ptr<Ring> ring, Fd event) noexcept
    : kernel_(kernel), event_(std::move(event)), ring_(std::move(ring)), now_(kernel.now()), timers_(now_) {}

void SideLoop::turn(Duration wait) noexcept {
  // Before the ring is looked at: what comes later signals anew.
  std::uint64_t signals = 0;
  static_cast<void>(!::read(event_.get(), &signals, sizeof signals));
  now_ = kernel_.now();
  ring_->enter(std::min(wait, timers_.until_next(now_)));
  now_ = kernel_.now();
  ring_->handle_completions();
  timers_.advance(now_);
  // What handlers asked for: the thread may wait for something else now. Handed over only: what completes at once
  // signals the event, and is for the next turn. A peer that never stops sending must not keep us here.
  if (!ring_->all_submitted()) kernel_.enter(ring_->raw(), Duration{});
}

}  // namespace fairlead
