// Credit: the two windows by hand at their edges, then both ends of a stream against each other with seeded delays,
// where the offsets must never decrease and consumed <= received <= granted must hold at every step.
#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"
#include "transport/wire/window.h"

namespace fairlead {
namespace {

constexpr Duration kRoundTrip = Duration::milliseconds(10);
constexpr Instant kBegin{Duration::seconds(100).ns};
constexpr std::uint32_t kWindow = 64 * 1024;
constexpr std::uint32_t kWindowMax = 4 * 1024 * 1024;

TEST(SendWindow, SpendsCreditAndTakesMore) {
  SendWindow window(100);
  EXPECT_EQ(window.available(), 100U);
  window.use(60);
  EXPECT_EQ(window.available(), 40U);
  window.use(40);
  EXPECT_EQ(window.available(), 0U);
  EXPECT_TRUE(window.raise(101));
  EXPECT_EQ(window.available(), 1U);
}

TEST(SendWindow, IgnoresALimitThatIsNotNewer) {
  SendWindow window(100);
  EXPECT_FALSE(window.raise(100));
  EXPECT_FALSE(window.raise(0));
  EXPECT_EQ(window.limit(), 100U);
  EXPECT_TRUE(window.raise(UINT64_MAX));
  EXPECT_FALSE(window.raise(5));
  EXPECT_EQ(window.available(), UINT64_MAX);
}

TEST(ReceiveWindow, RefusesWhatIsBeyondTheGrantAndCountsNothingOfIt) {
  ReceiveWindow window(100, kBegin);
  EXPECT_TRUE(window.receive(99));
  EXPECT_FALSE(window.receive(2));
  EXPECT_EQ(window.received(), 99U);
  EXPECT_TRUE(window.receive(1));
  EXPECT_TRUE(window.receive(0));
  EXPECT_FALSE(window.receive(1));
  EXPECT_FALSE(window.receive(UINT64_MAX));
}

TEST(ReceiveWindow, GrantsWhenHalfOfItWasConsumed) {
  ReceiveWindow window(100, kBegin);
  ASSERT_TRUE(window.receive(100));
  EXPECT_FALSE(window.grant_due());
  window.consume(49);
  EXPECT_FALSE(window.grant_due());
  window.consume(1);
  EXPECT_TRUE(window.grant_due());
  EXPECT_EQ(window.grant(), 150U);
  EXPECT_FALSE(window.grant_due());
  EXPECT_TRUE(window.receive(50));
  EXPECT_FALSE(window.receive(1));
}

// Over a long way everything under way comes in a burst. What its end leaves ungranted is idle until the next one.
TEST(ReceiveWindow, LeavesLittleOfALargeOneUngrantedWhenABurstEnds) {
  constexpr std::uint32_t kLarge = 16 * 1024 * 1024;
  ReceiveWindow window(kLarge, kBegin);
  std::uint64_t credit = kLarge;
  for (int burst = 0; burst < 100; ++burst) {
    std::uint64_t left = std::exchange(credit, 0);
    while (left > 0) {
      const std::uint64_t bytes = std::min<std::uint64_t>(left, 250'007);
      ASSERT_TRUE(window.receive(bytes));
      window.consume(bytes);
      left -= bytes;
      const std::uint64_t before = window.granted();
      if (window.grant_due()) credit += window.grant() - before;
    }
    ASSERT_GE(credit, kLarge - kLarge / 8) << "burst " << burst;
  }
}

TEST(ReceiveWindow, DoesNotGrowBeforeMostOfItWasConsumed) {
  ReceiveWindow window(kWindow, kBegin);
  ASSERT_TRUE(window.receive(kWindow));
  window.consume(kWindow / 4 * 3 - 1);
  EXPECT_EQ(window.growth_wanted(kBegin, kRoundTrip, kWindowMax), 0U);
  window.consume(1);
  EXPECT_EQ(window.growth_wanted(kBegin, kRoundTrip, kWindowMax), 3 * kWindow);
}

// Consumes a whole window at `now` and says how much growth is wanted.
std::uint32_t consume_window(ReceiveWindow& window, Instant now, std::uint32_t window_bytes_max = kWindowMax) {
  EXPECT_TRUE(window.receive(window.window_bytes()));
  window.consume(window.window_bytes());
  const std::uint32_t wanted = window.growth_wanted(now, kRoundTrip, window_bytes_max);
  window.grow(wanted);
  window.grant();
  return wanted;
}

TEST(ReceiveWindow, GrowsToFourTimesWhatTheReaderTakesInARoundTrip) {
  ReceiveWindow window(kWindow, kBegin);
  Instant now = kBegin + kRoundTrip;
  EXPECT_EQ(consume_window(window, now), 3 * kWindow) << "by four: it and not the reader was the limit";
  EXPECT_EQ(window.window_bytes(), 4 * kWindow);
  now = now + Duration::nanoseconds(1);
  EXPECT_EQ(consume_window(window, now), 12 * kWindow) << "by four at most, however fast the reader is";
  now = now + kRoundTrip * 2;
  EXPECT_EQ(consume_window(window, now), 16 * kWindow) << "half a window in a round trip";
  now = now + kRoundTrip * 2 + Duration::microseconds(1);
  EXPECT_EQ(consume_window(window, now), 0U) << "the reader was slower";
  now = now + kRoundTrip;
  EXPECT_EQ(consume_window(window, now), kWindowMax - 32 * kWindow);
}

TEST(ReceiveWindow, GrowsWithTheFirstWindowOnlyIfItWasTakenSoon) {
  ReceiveWindow at_once(kWindow, kBegin);
  EXPECT_EQ(consume_window(at_once, kBegin), 3 * kWindow);
  ReceiveWindow late(kWindow, kBegin);
  EXPECT_EQ(consume_window(late, kBegin + kRoundTrip * 3), 0U);
}

TEST(ReceiveWindow, StopsGrowingAtTheMaximum) {
  constexpr std::uint32_t kMax = 5 * kWindow;
  ReceiveWindow window(kWindow, kBegin);
  EXPECT_EQ(consume_window(window, kBegin, kMax), 3 * kWindow);
  EXPECT_EQ(consume_window(window, kBegin, kMax), kWindow) << "only as far as the maximum";
  EXPECT_EQ(consume_window(window, kBegin, kMax), 0U);
  EXPECT_EQ(window.window_bytes(), kMax);
}

TEST(ReceiveWindow, DoesNotGrowBeforeARoundTripIsKnown) {
  ReceiveWindow window(kWindow, kBegin);
  ASSERT_TRUE(window.receive(kWindow));
  window.consume(kWindow);
  EXPECT_EQ(window.growth_wanted(kBegin + Duration::nanoseconds(1), Duration{}, kWindowMax), 0U);
}

// A sender that is held up by the window sends a little less than one in each round trip, which takes a little longer
// than the shortest one.
TEST(ReceiveWindow, GrowsInEachRoundTripThatBringsAlmostAWindow) {
  ReceiveWindow window(kWindow, kBegin);
  Instant now = kBegin;
  for (int i = 0; i < 3; ++i) {
    now = now + kRoundTrip + kRoundTrip / 50;
    const std::uint32_t bytes = window.window_bytes() - window.window_bytes() / 8;
    ASSERT_TRUE(window.receive(bytes));
    window.consume(bytes);
    ASSERT_TRUE(window.grant_due());
    const std::uint32_t wanted = window.growth_wanted(now, kRoundTrip, kWindowMax);
    EXPECT_GE(wanted, 2 * window.window_bytes()) << "round trip " << i;
    window.grow(wanted);
    window.grant();
  }
}

TEST(WindowBudget, GivesOneStreamAQuarterAndManyEqualParts) {
  WindowBudget budget(256 << 20);
  std::uint64_t alone = 0;
  for (std::uint32_t wanted = 64 << 10; wanted < 512 << 20; wanted *= 2)
    alone += budget.take(wanted, alone);
  EXPECT_EQ(alone, 64U << 20);
  EXPECT_EQ(budget.take(1, alone), 0U);
  EXPECT_EQ(budget.used(), alone);
  budget.give_back(alone);
  EXPECT_EQ(budget.used(), 0U);

  std::vector<std::uint64_t> streams(13);
  for (int i = 0; i < 300; ++i) {
    for (std::uint64_t& has : streams)
      has += budget.take(64 << 10, has);
  }
  for (const std::uint64_t has : streams)
    EXPECT_EQ(has, (256U << 20) / 16);
  EXPECT_GT(budget.take(64 << 10, 0), 0U) << "a newcomer";
}

TEST(WindowBudget, GivesNothingOfNothing) {
  WindowBudget budget(0);
  EXPECT_EQ(budget.take(1000, 0), 0U);
  EXPECT_EQ(budget.take(1000, 1000), 0U);
  EXPECT_EQ(budget.take(1000, UINT64_MAX), 0U);
}

// One direction of a stream: bytes and grants are under way in order, for as long as the seed likes.
struct Flow {
  explicit Flow(std::uint64_t seed)
      : prng(seed),
        initial(static_cast<std::uint32_t>(1 + prng.below(100'000))),
        window_bytes_max(initial + static_cast<std::uint32_t>(prng.below(1'000'000))),
        reader_percent(static_cast<unsigned>(1 + prng.below(100))),
        sender(initial),
        receiver(initial, kBegin) {}

  void step() {
    now = now + Duration::microseconds(static_cast<std::int64_t>(prng.below(3'000)));
    switch (prng.below(5)) {
      case 0:
        if (sender.available() > 0) {
          const std::uint64_t bytes = 1 + prng.below(std::min<std::uint64_t>(sender.available(), 16'376));
          sender.use(bytes);
          data.push_back(bytes);
        }
        break;
      case 1:
        if (!data.empty()) {
          ASSERT_TRUE(receiver.receive(data.front())) << "a sender within its credit is never refused";
          data.pop_front();
        }
        break;
      case 2:
        if (prng.chance(reader_percent)) receiver.consume(prng.below(receiver.received() - receiver.consumed() + 1));
        break;
      case 3:
        if (receiver.grant_due()) {
          // The owner's budget may give less than what is wanted.
          const std::uint32_t wanted = receiver.growth_wanted(now, kRoundTrip, window_bytes_max);
          if (wanted > 0) receiver.grow(static_cast<std::uint32_t>(prng.below(wanted + 1)));
          credits.push_back(receiver.grant());
        }
        break;
      case 4:
        if (!credits.empty()) {
          sender.raise(credits.front());
          if (prng.chance(20)) sender.raise(credits.front());
          if (prng.chance(20)) sender.raise(prng.below(credits.front() + 1));
          credits.pop_front();
        }
        break;
    }
  }

  void drain() {
    for (; !data.empty(); data.pop_front())
      ASSERT_TRUE(receiver.receive(data.front()));
    for (; !credits.empty(); credits.pop_front())
      sender.raise(credits.front());
    receiver.consume(receiver.received() - receiver.consumed());
    if (receiver.grant_due()) sender.raise(receiver.grant());
  }

  Prng prng;
  std::uint32_t initial;
  std::uint32_t window_bytes_max;
  unsigned reader_percent;
  SendWindow sender;
  ReceiveWindow receiver;
  std::deque<std::uint64_t> data;
  std::deque<std::uint64_t> credits;
  Instant now = kBegin;
};

TEST(Windows, HoldTheirOrderWhateverHappens) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Flow flow(seed);
    for (int i = 0; i < 2'000; ++i) {
      const SendWindow sender_before = flow.sender;
      const ReceiveWindow before = flow.receiver;
      ASSERT_NO_FATAL_FAILURE(flow.step());
      ASSERT_GE(flow.sender.sent(), sender_before.sent());
      ASSERT_GE(flow.sender.limit(), sender_before.limit());
      ASSERT_GE(flow.receiver.consumed(), before.consumed());
      ASSERT_GE(flow.receiver.received(), before.received());
      ASSERT_GE(flow.receiver.granted(), before.granted());
      ASSERT_GE(flow.receiver.window_bytes(), before.window_bytes());

      ASSERT_LE(flow.receiver.consumed(), flow.receiver.received());
      ASSERT_LE(flow.receiver.received(), flow.receiver.granted());
      ASSERT_LE(flow.receiver.granted(), flow.receiver.consumed() + flow.receiver.window_bytes());
      ASSERT_LE(flow.receiver.window_bytes(), flow.window_bytes_max);
      ASSERT_LE(flow.sender.sent(), flow.sender.limit());
      ASSERT_LE(flow.sender.limit(), flow.receiver.granted()) << "no credit out of nothing";
    }
    // Nothing under way and nothing unread: there must be credit, or the stream would hang for ever.
    ASSERT_NO_FATAL_FAILURE(flow.drain());
    ASSERT_GT(flow.sender.available(), 0U);
  }
}

}  // namespace
}  // namespace fairlead
