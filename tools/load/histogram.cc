#include "tools/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fairlead::load {

// Below 2^kSubBits a bucket is one nanosecond; above, the bits behind the highest one choose among 2^kSubBits.
unsigned Histogram::bucket_of(std::uint64_t ns) noexcept {
  constexpr std::uint64_t kSubCount = 1U << kSubBits;
  if (ns < kSubCount) return static_cast<unsigned>(ns);
  const auto power = static_cast<unsigned>(std::bit_width(ns)) - 1 - kSubBits;
  const unsigned bucket = (power + 1) << kSubBits | static_cast<unsigned>(ns >> power & (kSubCount - 1));
  return std::min(bucket, (kPowers << kSubBits) - 1);
}

std::uint64_t Histogram::end_of(unsigned bucket) noexcept {
  constexpr unsigned kSubCount = 1U << kSubBits;
  if (bucket < kSubCount) return bucket;
  const unsigned power = (bucket >> kSubBits) - 1;
  return (std::uint64_t{kSubCount + (bucket & (kSubCount - 1)) + 1} << power) - 1;
}

void Histogram::add(std::chrono::nanoseconds sample) noexcept {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(sample.count(), 0));
  ++buckets_[bucket_of(ns)];
  ++count_;
  sum_ns_ += ns;
  max_ns_ = std::max(max_ns_, ns);
}

double Histogram::percentile_us(double share) const noexcept {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (unsigned bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen > 0 && seen >= wanted) return static_cast<double>(end_of(bucket)) / 1e3;
  }
  return 0;
}

}  // namespace fairlead::load
