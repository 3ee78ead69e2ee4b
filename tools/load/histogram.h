// Histogram of durations from a nanosecond to an hour: 32 buckets for each power of two, so that a percentile is right
// to about 3 %. Fixed memory, no sorting of millions of samples while a measurement runs.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace fairlead::load {

class Histogram {
 public:
  void add(std::chrono::nanoseconds sample) noexcept;

  std::uint64_t count() const noexcept { return count_; }

  double mean_us() const noexcept {
    return count_ == 0 ? 0 : static_cast<double>(sum_ns_) / static_cast<double>(count_) / 1e3;
  }

  double max_us() const noexcept { return static_cast<double>(max_ns_) / 1e3; }

  // `share` in 0 to 1; the upper end of the bucket in which it lies. 0 without samples.
  double percentile_us(double share) const noexcept;

 private:
  static constexpr unsigned kSubBits = 5;
  static constexpr unsigned kPowers = 42;  // 2^42 ns is 73 minutes

  static unsigned bucket_of(std::uint64_t ns) noexcept;
  static std::uint64_t end_of(unsigned bucket) noexcept;

  std::array<std::uint64_t, kPowers << kSubBits> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ns_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace fairlead::load
