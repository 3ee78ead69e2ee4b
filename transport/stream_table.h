// StreamTable: the streams of a session that one of its sides opened, by slot (transport/README.md, stream ids); and,
// for our own side, which slots are free. Memory is touched up to the highest slot that was ever used.
//
// Owner: Session. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "transport/base/reserved_array.h"

namespace fairlead {

class Stream;

class StreamTable {
 public:
  // Slots are 1 to `slots_max`.
  explicit StreamTable(std::uint32_t slots_max) noexcept
      : streams_(slots_max + 1), generations_(slots_max + 1), free_(slots_max + 1) {}

  // Whether there was memory for it; else it has no slots.
  bool complete() const noexcept { return size() > 0; }

  // Whether the slot is one of the table.
  bool has(std::uint32_t slot) const noexcept { return slot > 0 && slot < size(); }

  Stream* at(std::uint32_t slot) noexcept { return has(slot) ? streams_[slot] : nullptr; }

  void put(std::uint32_t slot, Stream& stream) noexcept {
    streams_[slot] = &stream;
    used_ = std::max(used_, slot + 1);
  }

  void remove(std::uint32_t slot) noexcept { streams_[slot] = nullptr; }

  // The slots that ever had a stream: walking through all would take longer than there are streams.
  std::span<Stream* const> seen() const noexcept { return {streams_.data(), used_}; }

  // ---- of our own side

  // A slot without a stream, the one that was given back last; 0: there is none. take() makes it a stream's.
  std::uint32_t free_slot() const noexcept {
    if (free_count_ > 0) return free_.data()[free_count_ - 1];
    return next_fresh_ < size() ? next_fresh_ : 0;
  }

  std::uint16_t& generation(std::uint32_t slot) noexcept { return generations_[slot]; }

  void take(std::uint32_t slot, Stream& stream) noexcept {
    if (free_count_ > 0) {
      --free_count_;
    } else {
      ++next_fresh_;
    }
    put(slot, stream);
  }

  void give_back(std::uint32_t slot) noexcept {
    remove(slot);
    free_[free_count_++] = slot;
  }

 private:
  std::uint32_t size() const noexcept { return std::min({streams_.size(), generations_.size(), free_.size()}); }

  ReservedArray<Stream*> streams_;
  ReservedArray<std::uint16_t> generations_;
  ReservedArray<std::uint32_t> free_;
  std::uint32_t free_count_ = 0;
  std::uint32_t next_fresh_ = 1;
  std::uint32_t used_ = 0;
};

}  // namespace fairlead
