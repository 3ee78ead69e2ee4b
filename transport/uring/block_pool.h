// BlockPool: fixed-size, reference-counted pieces of memory of one shard. Slice: a view of received bytes that holds
// its block alive. Both belong to one thread; counts are plain integers.
//
//   block:  | Block header (64 B) | headroom | bytes ...                                   |
//   slice:                                    ^ data() ........ size() ^
//
// The pool reserves its address range at start and touches a block only when it is first used; free blocks are reused
// last-in first-out, because a hot block is in the cache. Invariant: available() + blocks referenced == count().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "transport/base/check.h"
#include "transport/base/error.h"

namespace fairlead {

class BlockPool;

struct alignas(64) Block {
  BlockPool* pool;
  Block* next_free;
  std::uint32_t references;
  std::uint32_t capacity;  // bytes at data()

  std::uint8_t* data() noexcept { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

static_assert(sizeof(Block) == 64);

class BlockPool {
 public:
  // `block_size` includes the 64-byte header and must be a multiple of 64.
  static Result<std::unique_ptr<BlockPool>> open(std::uint32_t block_size, std::uint32_t count);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block with one reference, or null when the pool is used up (which is counted).
  Block* take() noexcept {
    Block* block = free_;
    if (block != nullptr) {
      free_ = block->next_free;
    } else if (fresh_ < count_) {
      block = carve();
    } else [[unlikely]] {
      ++exhausted_count_;
      return nullptr;
    }
    --available_;
    block->references = 1;
    return block;
  }

  static void add_reference(Block* block) noexcept { ++block->references; }

  static void release(Block* block) noexcept {
    DCHECK(block->references > 0);
    if (--block->references == 0) block->pool->put(block);
  }

  std::uint32_t available() const noexcept { return available_; }

  std::uint32_t count() const noexcept { return count_; }

  std::uint32_t capacity() const noexcept { return block_size_ - static_cast<std::uint32_t>(sizeof(Block)); }

  std::uint64_t exhausted_count() const noexcept { return exhausted_count_; }

 private:
  BlockPool(std::uint8_t* memory, std::uint32_t block_size, std::uint32_t count) noexcept
      : memory_(memory), block_size_(block_size), count_(count), available_(count) {}

  Block* carve() noexcept;

  void put(Block* block) noexcept {
    block->next_free = free_;
    free_ = block;
    ++available_;
  }

  std::uint8_t* memory_;
  Block* free_ = nullptr;
  std::uint32_t block_size_;
  std::uint32_t count_;
  std::uint32_t available_;
  std::uint32_t fresh_ = 0;  // blocks [fresh_, count_) were never used
  std::uint64_t exhausted_count_ = 0;
};

// Move-only; releases its reference when destroyed.
class Slice {
 public:
  Slice() noexcept = default;

  // Takes over one reference of the caller.
  Slice(Block* block, std::uint8_t* data, std::uint32_t size) noexcept : block_(block), data_(data), size_(size) {}

  Slice(Slice&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)), data_(other.data_), size_(std::exchange(other.size_, 0)) {}

  Slice& operator=(Slice&& other) noexcept {
    if (this != &other) {
      reset();
      block_ = std::exchange(other.block_, nullptr);
      data_ = other.data_;
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }

  Slice(const Slice&) = delete;
  Slice& operator=(const Slice&) = delete;

  ~Slice() { reset(); }

  static Slice share(Block* block, std::uint8_t* data, std::uint32_t size) noexcept {
    BlockPool::add_reference(block);
    return {block, data, size};
  }

  std::uint8_t* data() const noexcept { return data_; }

  std::uint32_t size() const noexcept { return size_; }

  bool empty() const noexcept { return size_ == 0; }

  Block* block() const noexcept { return block_; }

  void drop_front(std::uint32_t bytes) noexcept {
    DCHECK(bytes <= size_);
    data_ += bytes;
    size_ -= bytes;
  }

  void grow_back(std::uint32_t bytes) noexcept { size_ += bytes; }

  // The first `bytes` as a slice of their own.
  Slice split_front(std::uint32_t bytes) noexcept {
    DCHECK(bytes <= size_);
    Slice front = share(block_, data_, bytes);
    drop_front(bytes);
    return front;
  }

  void reset() noexcept {
    if (block_ != nullptr) BlockPool::release(std::exchange(block_, nullptr));
    size_ = 0;
  }

 private:
  Block* block_ = nullptr;
  std::uint8_t* data_ = nullptr;
  std::uint32_t size_ = 0;
};

}  // namespace fairlead
