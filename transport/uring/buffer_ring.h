// BufferRing: blocks lent to the kernel for receives that choose their buffer when data is there, so that an idle
// connection holds none. One per shard.
//
// Position i of the ring always carries buffer id i. The kernel uses positions in order, so the buffers of a bundle
// (one completion over several buffers, Linux 6.10) are consecutive positions. Only kLentCount blocks are lent at a
// time, however large the pool: the free list is last-in first-out, so the few blocks in use stay in the cache. Used
// positions are filled again and published once per turn, by refill().
//
// Invariant: blocks lent == published_ - used_ <= kLentCount.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "transport/uring/block_pool.h"
#include "transport/uring/ring.h"

namespace fairlead {

class BufferRing {
 public:
  // Room in front of the received bytes for a frame header, written in place.
  static constexpr std::uint32_t kHeadroom = 64;
  // Room behind them for the content type byte that sealing puts there for a moment.
  static constexpr std::uint32_t kTailroom = 64;
  static constexpr std::uint16_t kLentCount = 32;
  // What one receive may take: more adds latency for others, less adds system calls.
  static constexpr std::uint32_t kReceiveBytesMax = 256 * 1024;

  static Result<std::unique_ptr<BufferRing>> open(Ring& ring, BlockPool& pool, std::uint16_t group);
  ~BufferRing();
  BufferRing(const BufferRing&) = delete;
  BufferRing& operator=(const BufferRing&) = delete;

  // Fills in a receive of at most `bytes_max` from `fd`. With `wait_first` the kernel waits for readiness before it
  // tries.
  void prepare_receive(io_uring_sqe* sqe, int fd, std::uint32_t bytes_max, bool wait_first) const noexcept;

  // The received bytes of a completion, piece by piece: calls `take(Slice)` for each buffer in order.
  template <class Take>
  void collect(Completion done, Take&& take) noexcept {
    std::uint32_t left = done.bytes();
    std::uint16_t position = done.buffer_id();
    while (left > 0) {
      const std::uint32_t size = left < buffer_size_ ? left : buffer_size_;
      Block* block = claim(position);
      left -= size;
      ++position;
      take(Slice(block, block->data() + kHeadroom, size));
    }
  }

  // Lends blocks for all used positions, as far as the pool has any. Returns how many are lent now.
  std::uint16_t refill() noexcept;

  std::uint16_t lent() const noexcept { return static_cast<std::uint16_t>(published_ - used_); }

 private:
  BufferRing(Ring& ring, BlockPool& pool, std::uint16_t group) noexcept : ring_(ring), pool_(pool), group_(group) {}

  static constexpr std::uint16_t kMask = kLentCount - 1;
  static_assert((kLentCount & kMask) == 0);

  Block* claim(std::uint16_t position) noexcept;

  Ring& ring_;
  BlockPool& pool_;
  io_uring_buf_ring* lent_ring_ = nullptr;
  std::array<Block*, kLentCount> blocks_{};
  std::uint32_t buffer_size_ = 0;
  std::uint16_t group_;
  std::uint16_t published_ = 0;
  std::uint16_t used_ = 0;
  bool registered_ = false;
};

}  // namespace fairlead
