// What `fairlead bench` is made of: endpoints as users write them, and the figures of a histogram.
#include <chrono>

#include <gtest/gtest.h>

#include "tools/fairlead/resolve_now.h"
#include "tools/load/histogram.h"
#include "transport/resolver.h"

namespace fairlead {
namespace {

using std::chrono::microseconds;

TEST(EndpointTest, IsWhatUsersWrite) {
  const auto found = [](const char* text) { return parse_host_port(text).value_or(HostPort{"none", 1}); };
  EXPECT_EQ(found("10.0.0.1:80"), (HostPort{"10.0.0.1", 80}));
  EXPECT_EQ(found("db.example:5432"), (HostPort{"db.example", 5432}));
  EXPECT_EQ(found("[::1]:80"), (HostPort{"::1", 80}));
  EXPECT_EQ(found("unix:/run/db.sock"), (HostPort{"unix:/run/db.sock", 0}));
  for (const char* wrong : {"", "db", "db:", ":80", "::1:80", "[::1:80", "::1]:80", "[]:80", "db:x", "db:70000",
                            "db:-1", "db:80x", "db: 80"}) {
    EXPECT_FALSE(parse_host_port(wrong)) << wrong;
  }
}

TEST(EndpointTest, LiteralsAreNotLookedUp) {
  const auto addresses = resolve_now({"::1", 80});
  ASSERT_TRUE(addresses);
  EXPECT_EQ(to_string(addresses->front()), "[::1]:80");
  const auto none = resolve_now({"no-such-host.invalid", 80});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("no-such-host.invalid"), std::string::npos) << none.error().message;
}

TEST(LoadHistogramTest, PercentilesAreRightToThreePercent) {
  load::Histogram histogram;
  EXPECT_EQ(histogram.percentile_us(0.99), 0);
  EXPECT_EQ(histogram.mean_us(), 0);
  for (int us = 1; us <= 10'000; ++us)
    histogram.add(microseconds(us));
  EXPECT_EQ(histogram.count(), 10'000U);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    EXPECT_GE(histogram.percentile_us(share), 10'000 * share) << share;
    EXPECT_LE(histogram.percentile_us(share), 10'000 * share * 1.04) << share;
  }
  EXPECT_DOUBLE_EQ(histogram.mean_us(), 5000.5);
  EXPECT_DOUBLE_EQ(histogram.max_us(), 10'000);
  histogram.add(microseconds(-5));  // a clock that went back
  EXPECT_EQ(histogram.count(), 10'001U);
}

}  // namespace
}  // namespace fairlead
