// ByteQueue: bytes in order, appended at the back and taken from the front.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace fairlead::sim {

class ByteQueue {
 public:
  std::size_t size() const noexcept { return bytes_.size() - taken_; }

  bool empty() const noexcept { return size() == 0; }

  void append(std::span<const std::uint8_t> bytes) {
    // Closing the gap only when it is the larger part keeps the cost of moving bytes constant per byte.
    if (taken_ > bytes_.size() / 2) {
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(taken_));
      taken_ = 0;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  // At most size() bytes.
  void take(std::span<std::uint8_t> to) noexcept {
    if (!to.empty()) std::memcpy(to.data(), bytes_.data() + taken_, to.size());
    taken_ += to.size();
  }

  void clear() noexcept {
    bytes_.clear();
    taken_ = 0;
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::size_t taken_ = 0;
};

}  // namespace fairlead::sim
