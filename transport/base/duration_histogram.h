// DurationHistogram: how many durations were at most 16 µs, 32 µs, … 34 s, and their sum: what Prometheus wants to know
// of a distribution. A plain value of one thread; copies are added up elsewhere.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "transport/base/time.h"

namespace fairlead {

class DurationHistogram {
 public:
  static constexpr std::size_t kBounds = 22;

  // Each twice the one before it; what is longer than the last is counted behind it.
  static constexpr Duration bound(std::size_t index) noexcept { return {kFirstNs << index}; }

  void record(Duration duration) noexcept {
    const std::uint64_t ns = duration.ns > 0 ? static_cast<std::uint64_t>(duration.ns) : 0;
    ++counts_[index_of(ns)];
    sum_ns_ += ns;
  }

  // How many fell between the bound before and this one; the last is of those beyond all bounds.
  const std::array<std::uint64_t, kBounds + 1>& counts() const noexcept { return counts_; }

  std::uint64_t count() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts_)
      sum += count;
    return sum;
  }

  std::uint64_t sum_ns() const noexcept { return sum_ns_; }

  DurationHistogram& operator+=(const DurationHistogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += other.counts_[i];
    sum_ns_ += other.sum_ns_;
    return *this;
  }

  friend bool operator==(const DurationHistogram&, const DurationHistogram&) = default;

 private:
  static constexpr std::int64_t kFirstNs = 16'000;

  static constexpr std::size_t index_of(std::uint64_t ns) noexcept {
    if (ns == 0) return 0;
    const auto index = static_cast<std::size_t>(std::bit_width((ns - 1) / static_cast<std::uint64_t>(kFirstNs)));
    return index < kBounds ? index : kBounds;
  }

  std::array<std::uint64_t, kBounds + 1> counts_{};
  std::uint64_t sum_ns_ = 0;
};

}  // namespace fairlead
