// ReservedArray: an array of zeroes of a fixed size, whose memory is reserved at once and touched when first used.
// Owned by whoever made it; as many threads may touch it as any array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <sys/mman.h>

#include "transport/base/check.h"

namespace fairlead {

template <class T>
class ReservedArray {
  static_assert(std::is_trivially_destructible_v<T> && std::is_trivially_copyable_v<T>);

 public:
  // Without memory the array has no elements: see size().
  explicit ReservedArray(std::uint32_t size) noexcept : size_(size) {
    void* memory = ::mmap(nullptr, sizeof(T) * size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) size_ = 0;
    elements_ = size_ > 0 ? static_cast<T*>(memory) : nullptr;
  }

  ReservedArray(const ReservedArray&) = delete;
  ReservedArray& operator=(const ReservedArray&) = delete;

  ~ReservedArray() {
    if (elements_ != nullptr) ::munmap(elements_, sizeof(T) * size_);
  }

  std::uint32_t size() const noexcept { return size_; }

  T& operator[](std::uint32_t index) noexcept {
    DCHECK(index < size_);
    return elements_[index];
  }

  const T* data() const noexcept { return elements_; }

 private:
  T* elements_ = nullptr;
  std::uint32_t size_;
};

}  // namespace fairlead
