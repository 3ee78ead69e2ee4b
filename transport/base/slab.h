// Slab: a fixed number of objects of one type, from memory that is reserved at start and touched when first used. One
// thread. make() returns null when it is full, which is counted. At destruction every object must have been destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include <sys/mman.h>

#include "transport/base/check.h"

namespace fairlead {

template <class T>
class Slab {
 public:
  explicit Slab(std::uint32_t count) noexcept : count_(count) {
    void* memory = ::mmap(nullptr, sizeof(Cell) * count, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    // Without memory the slab is simply full from the start; its owner reports that as a limit.
    if (memory == MAP_FAILED) count_ = 0;
    cells_ = count_ > 0 ? static_cast<Cell*>(memory) : nullptr;
  }

  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  ~Slab() {
    CHECK(in_use_ == 0);
    if (cells_ != nullptr) ::munmap(cells_, sizeof(Cell) * count_);
  }

  template <class... Args>
  T* make(Args&&... args) noexcept {
    Cell* cell = free_;
    if (cell != nullptr) {
      free_ = cell->next_free;
    } else if (fresh_ < count_) {
      cell = &cells_[fresh_++];
    } else [[unlikely]] {
      ++full_count_;
      return nullptr;
    }
    ++in_use_;
    return ::new (cell->storage) T(std::forward<Args>(args)...);
  }

  void destroy(T* object) noexcept {
    object->~T();
    Cell* cell = reinterpret_cast<Cell*>(object);
    cell->next_free = free_;
    free_ = cell;
    --in_use_;
  }

  std::uint32_t in_use() const noexcept { return in_use_; }

  std::uint32_t count() const noexcept { return count_; }

  std::uint64_t full_count() const noexcept { return full_count_; }

 private:
  union Cell {
    Cell* next_free;
    alignas(T) std::byte storage[sizeof(T)];
  };

  Cell* cells_ = nullptr;
  Cell* free_ = nullptr;
  std::uint32_t count_;
  std::uint32_t fresh_ = 0;
  std::uint32_t in_use_ = 0;
  std::uint64_t full_count_ = 0;
};

}  // namespace fairlead
