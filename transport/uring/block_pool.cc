#include "transport/uring/block_pool.h"

#include <cerrno>
#include <new>

#include <sys/mman.h>

namespace fairlead {

Result<std::unique_ptr<BlockPool>> BlockPool::open(std::uint32_t block_size, std::uint32_t count) {
  CHECK(block_size % alignof(Block) == 0 && block_size > sizeof(Block));
  const std::size_t bytes = std::size_t{block_size} * count;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return std::unexpected(error_from_errno(errno, "mmap of a block pool"));
  return std::unique_ptr<BlockPool>(new BlockPool(static_cast<std::uint8_t*>(memory), block_size, count));
}

BlockPool::~BlockPool() {
  CHECK(available_ == count_);
  ::munmap(memory_, std::size_t{block_size_} * count_);
}

Block* BlockPool::carve() noexcept {
  std::uint8_t* at = memory_ + std::size_t{block_size_} * fresh_++;
  return ::new (at) Block{this, nullptr, 0, capacity()};
}

}  // namespace fairlead
