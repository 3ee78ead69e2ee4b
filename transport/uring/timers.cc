#include "transport/uring/timers.h"

#include <bit>

namespace fairlead {

void Timers::arm(Timer& timer, Instant deadline) noexcept {
  timer.unlink();
  timer.deadline_ = deadline;
  place(timer, tick_ + 1);
}

void Timers::place(Timer& timer, std::uint64_t next_tick) noexcept {
  // Rounded up, so that nothing fires early; Instant::max() is a deadline like any other.
  std::uint64_t due = tick_of(timer.deadline_) + (timer.deadline_.ns % kTickNs != 0 ? 1 : 0);
  if (timer.deadline_.ns < 0 || due < next_tick) due = next_tick;
  const std::uint64_t delta = due - next_tick;
  unsigned level = 0;
  while (level + 1 < kLevels && delta >= (std::uint64_t{1} << (kSlotBits * (level + 1))))
    ++level;
  // A deadline beyond the last level waits in its farthest slot and is placed again from there.
  constexpr std::uint64_t kRange = std::uint64_t{1} << (kSlotBits * kLevels);
  if (delta >= kRange) due = next_tick + kRange - 1;
  const unsigned slot = static_cast<unsigned>(due >> (kSlotBits * level)) & (kSlots - 1);
  wheel_[level][slot].push_back(timer);
  occupied_[level] |= std::uint64_t{1} << slot;
}

void Timers::cascade(unsigned level) noexcept {
  const unsigned slot = static_cast<unsigned>(tick_ >> (kSlotBits * level)) & (kSlots - 1);
  if (slot == 0 && level + 1 < kLevels) cascade(level + 1);
  List moved;
  moved.swap(wheel_[level][slot]);
  occupied_[level] &= ~(std::uint64_t{1} << slot);
  while (!moved.empty()) {
    Timer& timer = moved.front();
    moved.pop_front();
    place(timer, tick_);  // a timer due at this very tick lands in the slot that fires next
  }
}

unsigned Timers::advance(Instant now) noexcept {
  unsigned fired = 0;
  const std::uint64_t target = tick_of(now);
  while (tick_ < target) {
    // Nothing in the levels below the one whose slot changes next: jump there.
    if (occupied_[0] == 0) {
      const std::uint64_t boundary = (tick_ | (kSlots - 1)) + 1;
      if (boundary > target) {
        tick_ = target;
        break;
      }
      tick_ = boundary - 1;
    }
    ++tick_;
    const unsigned slot = static_cast<unsigned>(tick_) & (kSlots - 1);
    if (slot == 0) cascade(1);
    if ((occupied_[0] & (std::uint64_t{1} << slot)) == 0) continue;
    occupied_[0] &= ~(std::uint64_t{1} << slot);
    List due;
    due.swap(wheel_[0][slot]);
    while (!due.empty()) {
      Timer& timer = due.front();
      due.pop_front();
      ++fired;
      timer.handler_(timer, now);
    }
  }
  return fired;
}

Duration Timers::until_next(Instant now) const noexcept {
  std::uint64_t best = UINT64_MAX;
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned shift = kSlotBits * level;
    const unsigned current = static_cast<unsigned>(tick_ >> shift) & (kSlots - 1);
    // Slots in the order in which they come up, starting behind the current one.
    std::uint64_t ahead = std::rotr(occupied_[level], static_cast<int>((current + 1) & (kSlots - 1)));
    while (ahead != 0) {
      const unsigned distance = static_cast<unsigned>(std::countr_zero(ahead)) + 1;
      const unsigned slot = (current + distance) & (kSlots - 1);
      if (wheel_[level][slot].empty()) {  // its timers were cancelled
        occupied_[level] &= ~(std::uint64_t{1} << slot);
        ahead &= ahead - 1;
        continue;
      }
      const std::uint64_t due = ((tick_ >> shift) + distance) << shift;
      if (due < best) best = due;
      break;
    }
  }
  if (best == UINT64_MAX) return Duration::max();
  const std::int64_t at = static_cast<std::int64_t>(best) * kTickNs;
  return {at > now.ns ? at - now.ns : 0};
}

}  // namespace fairlead
