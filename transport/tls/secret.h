// TrafficSecret, wipe() and is_same_secret(): key material that must not stay behind in memory. Any thread, one owner.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "transport/base/check.h"

namespace fairlead {

// Zeroes memory in a way that the optimiser keeps although the memory is not read again.
inline void wipe(void* memory, std::size_t size) noexcept {
  explicit_bzero(memory, size);
}

// Takes as long as `given` is, whatever it has in common with `secret`, which is not empty.
inline bool is_same_secret(std::string_view secret, std::string_view given) noexcept {
  volatile unsigned difference = secret.size() == given.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i)
    difference = difference | static_cast<unsigned>(static_cast<unsigned char>(secret[i % secret.size()]) ^
                                                    static_cast<unsigned char>(given[i]));
  return difference == 0;
}

// An application traffic secret of TLS 1.3 (RFC 8446 7.1): as long as the suite's hash. Empty by default.
class TrafficSecret {
 public:
  static constexpr std::size_t kSizeMax = 48;

  TrafficSecret() noexcept = default;

  explicit TrafficSecret(std::span<const std::uint8_t> bytes) noexcept : size_(bytes.size()) {
    CHECK(bytes.size() <= kSizeMax);
    if (!bytes.empty()) std::memcpy(bytes_.data(), bytes.data(), bytes.size());
  }

  TrafficSecret(const TrafficSecret&) noexcept = default;
  TrafficSecret& operator=(const TrafficSecret&) noexcept = default;

  ~TrafficSecret() { wipe(bytes_.data(), bytes_.size()); }

  std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.data(), size_}; }

  bool empty() const noexcept { return size_ == 0; }

 private:
  std::array<std::uint8_t, kSizeMax> bytes_{};
  std::size_t size_ = 0;
};

}  // namespace fairlead
