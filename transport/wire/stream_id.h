// StreamId: names a stream within its session. Pure value.
//
//    31         19 18          1   0
//   +-------------+-------------+------+
//   | generation  | slot        | side |      side 0: opened by the end that dialled the session, 1: by the acceptor
//   +-------------+-------------+------+      slot 0 is not used, so that no id is 0
//
// The opener picks a free slot and raises its generation each time. A slot is free again at an end once both directions
// ended there; a frame that was still under way then carries the old generation and is ignored.
#pragma once

#include <cstdint>

namespace fairlead {

struct StreamId {
  static constexpr std::uint32_t kSlotBits = 18;
  static constexpr std::uint32_t kSlotsMax = 1U << kSlotBits;
  static constexpr std::uint32_t kGenerationMask = (1U << (31 - kSlotBits)) - 1;

  std::uint32_t value = 0;

  static constexpr StreamId make(std::uint32_t side, std::uint32_t slot, std::uint32_t generation) noexcept {
    return {(generation & kGenerationMask) << (kSlotBits + 1) | slot << 1 | side};
  }

  constexpr std::uint32_t side() const noexcept { return value & 1; }

  constexpr std::uint32_t slot() const noexcept { return value >> 1 & (kSlotsMax - 1); }

  constexpr std::uint32_t generation() const noexcept { return value >> (kSlotBits + 1); }

  friend constexpr bool operator==(StreamId, StreamId) = default;
};

}  // namespace fairlead
