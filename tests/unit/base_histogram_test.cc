// DurationHistogram: every duration is counted below the first bound that it does not exceed, and sums are sums.
#include <cstdint>

#include <gtest/gtest.h>

#include "transport/base/duration_histogram.h"
#include "transport/base/prng.h"

namespace fairlead {
namespace {

std::size_t index_of(Duration duration) {
  DurationHistogram histogram;
  histogram.record(duration);
  for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
    if (histogram.counts()[i] == 1) return i;
  }
  return SIZE_MAX;
}

TEST(DurationHistogram, BoundsDoubleAndBelongToTheirBucket) {
  EXPECT_EQ(DurationHistogram::bound(0), Duration::microseconds(16));
  for (std::size_t i = 0; i < DurationHistogram::kBounds; ++i) {
    const Duration bound = DurationHistogram::bound(i);
    if (i > 0) {
      EXPECT_EQ(bound, DurationHistogram::bound(i - 1) * 2);
    }
    EXPECT_EQ(index_of(bound), i);
    EXPECT_EQ(index_of(bound + Duration::nanoseconds(1)), i + 1);
    EXPECT_EQ(index_of(bound - Duration::nanoseconds(1)), i);
  }
  EXPECT_EQ(index_of(Duration{}), 0U);
  EXPECT_EQ(index_of(Duration::nanoseconds(-5)), 0U) << "a clock that was read twice out of order";
  EXPECT_EQ(index_of(Duration::max()), DurationHistogram::kBounds);
}

TEST(DurationHistogram, AddsUp) {
  Prng prng(4);
  DurationHistogram all, halves[2];
  std::uint64_t sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const Duration duration{static_cast<std::int64_t>(prng.next() >> prng.below(64) >> 20)};
    all.record(duration);
    halves[i % 2].record(duration);
    sum += static_cast<std::uint64_t>(duration.ns);
  }
  EXPECT_EQ(all.count(), 10'000U);
  EXPECT_EQ(all.sum_ns(), sum);
  DurationHistogram added = halves[0];
  added += halves[1];
  EXPECT_EQ(added, all);
}

}  // namespace
}  // namespace fairlead
