#include "transport/side_loop.h"

#include <algorithm>
#include <utility>

namespace fairlead {
namespace {

constexpr unsigned kRingEntries = 64;

}  // namespace

Result<std::unique_ptr<SideLoop>> SideLoop::open(Kernel& kernel) {
  auto ring = Ring::open(kernel, kRingEntries);
  if (!ring) return std::unexpected(ring.error());
  if (auto enabled = (*ring)->enable(); !enabled) return std::unexpected(enabled.error());
  return std::unique_ptr<SideLoop>(new SideLoop(kernel, std::move(*ring)));
}

SideLoop::SideLoop(Kernel& kernel, std::unique_ptr<Ring> ring) noexcept
    : kernel_(kernel), ring_(std::move(ring)), now_(kernel.now()), timers_(now_) {}

void SideLoop::turn(Duration wait) noexcept {
  now_ = kernel_.now();
  ring_->turn(std::min(wait, timers_.until_next(now_)));
  now_ = kernel_.now();
  timers_.advance(now_);
  // What handlers asked for: the thread may wait for something else now.
  if (!ring_->all_submitted()) ring_->turn(Duration{});
}

}  // namespace fairlead
