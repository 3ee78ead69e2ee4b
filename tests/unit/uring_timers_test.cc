// Timers: a property test against a plain list of deadlines over millions of ticks, with handlers that arm and cancel,
// then the single promises by name. The model of a timer's due tick is the header's: the deadline rounded up to a tick,
// and never the tick that is over already.
#include "transport/uring/timers.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"

namespace fairlead {
namespace {

constexpr std::int64_t kTickNs = 1'000'000;

std::uint64_t tick_of(Instant t) { return static_cast<std::uint64_t>(t.ns / kTickNs); }

// Timers beside the list they are compared with.
class Model {
 public:
  struct Entry {
    Entry(Model& owner, std::size_t number) : model(owner), index(number) {}
    void on_fire(Instant now) noexcept { model.fired(*this, now); }

    Model& model;
    std::size_t index;
    std::uint64_t due = 0;  // tick
    bool armed = false;
    TimerOf<&Entry::on_fire> timer{*this};
  };

  Model(std::uint64_t seed, Instant start) : prng_(seed), now_(start), tick_(tick_of(start)), timers_(start) {
    for (std::size_t i = 0; i < 40; ++i) entries_.emplace_back(*this, i);
  }

  void step() {
    switch (prng_.below(4)) {
      case 0: arm(any()); break;
      case 1: cancel(any()); break;
      default: advance(); break;
    }
    check_until_next();
  }

  Instant now() const { return now_; }
  std::uint64_t fired_count() const { return fired_count_; }

 private:
  Entry& any() { return entries_[prng_.below(entries_.size())]; }

  // Near and far, on ticks and beside them, in the past.
  Instant any_deadline() {
    static constexpr std::int64_t kRanges[] = {1, 3, 64, 130, 4'096, 10'000, 300'000, 20'000'000, 60'000'000};
    const std::int64_t range = kRanges[prng_.below(std::size(kRanges))];
    std::int64_t ns = now_.ns + static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(range * kTickNs)));
    if (prng_.below(8) == 0) ns = now_.ns - static_cast<std::int64_t>(prng_.below(5'000'000));
    if (prng_.below(3) == 0) ns -= ns % kTickNs;
    return {std::max<std::int64_t>(ns, 0)};
  }

  void arm(Entry& entry) {
    const Instant deadline = any_deadline();
    timers_.arm(entry.timer, deadline);
    entry.armed = true;
    entry.due = std::max(tick_of({deadline.ns + kTickNs - 1}), tick_ + 1);
    EXPECT_EQ(entry.timer.deadline(), deadline);
  }

  void cancel(Entry& entry) {
    entry.timer.cancel();
    entry.armed = false;
  }

  void advance() {
    static constexpr std::int64_t kSteps[] = {0, 1, 2, 20, 64, 500, 5'000, 100'000};
    const std::int64_t most = kSteps[prng_.below(std::size(kSteps))] * kTickNs;
    Duration by{static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(most) + 2))};
    // As a thread does: sleep as long as it may, at times.
    if (prng_.below(3) == 0) {
      const Duration until = timers_.until_next(now_);
      if (until < Duration::seconds(30'000)) by = until;
    }
    now_ = now_ + by;
    const std::uint64_t before = fired_count_;
    const unsigned fired = timers_.advance(now_);
    EXPECT_EQ(fired, fired_count_ - before);
    tick_ = tick_of(now_);
    for (const Entry& entry : entries_) {
      EXPECT_EQ(entry.armed, entry.timer.armed());
      if (!entry.armed) continue;
      EXPECT_GT(entry.due, tick_) << "a timer is overdue";
    }
  }

  void fired(Entry& entry, Instant now) {
    ++fired_count_;
    EXPECT_EQ(now, now_);
    EXPECT_TRUE(entry.armed) << "a cancelled timer fired";
    EXPECT_LE(entry.due, tick_of(now)) << "a timer fired early";
    EXPECT_GE(entry.due, tick_) << "timers fired in the wrong order";
    tick_ = std::max(tick_, entry.due);
    entry.armed = false;
    if (prng_.below(3) == 0) arm(entry);
    if (prng_.below(3) == 0) arm(any());
    if (prng_.below(3) == 0) cancel(any());
  }

  void check_until_next() {
    std::uint64_t first = UINT64_MAX;
    for (const Entry& entry : entries_) {
      if (entry.armed) first = std::min(first, entry.due);
    }
    const Duration until = timers_.until_next(now_);
    if (first == UINT64_MAX) {
      EXPECT_EQ(until, Duration::max());
      return;
    }
    EXPECT_GE(until.ns, 0);
    EXPECT_LE(now_.ns + until.ns, static_cast<std::int64_t>(first) * kTickNs) << "a thread would oversleep";
  }

  Prng prng_;
  Instant now_;
  std::uint64_t tick_;  // all ticks up to here are over; inside a handler, the one that fires
  Timers timers_;
  std::deque<Entry> entries_;
  std::uint64_t fired_count_ = 0;
};

TEST(TimersTest, AgreesWithAPlainListOverMillionsOfTicks) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    const Instant start{static_cast<std::int64_t>(Prng(seed).below(40'000'000) * 1'000'003)};
    Model model(seed, start);
    for (int i = 0; i < 4'000 && !testing::Test::HasFailure(); ++i) model.step();
    EXPECT_GT(tick_of(model.now()) - tick_of(start), 1'000'000U);
    EXPECT_GT(model.fired_count(), 500U);
  }
}

// A timer that notes when it fired.
struct Probe {
  void on_fire(Instant now) noexcept { fired.push_back(now); }
  std::vector<Instant> fired;
  TimerOf<&Probe::on_fire> timer{*this};
};

TEST(TimersTest, EveryDelayFiresInItsTickFromEveryPhase) {
  for (std::int64_t phase = 0; phase < 70; ++phase) {
    for (std::int64_t delay = 1; delay < 270; ++delay) {
      const Instant start{phase * kTickNs};
      Timers timers(start);
      Probe probe;
      const Instant deadline{(phase + delay) * kTickNs};
      timers.arm(probe.timer, deadline);
      timers.advance({deadline.ns - 1});
      ASSERT_TRUE(probe.fired.empty()) << phase << " " << delay;
      timers.advance(deadline);
      ASSERT_EQ(probe.fired.size(), 1U) << phase << " " << delay;
    }
  }
}

TEST(TimersTest, DelaysAroundTheBordersOfEveryLevel) {
  for (const std::int64_t border : {64LL, 4'096LL, 262'144LL, 16'777'216LL}) {
    for (const std::int64_t phase : {0LL, 1LL, 63LL, 64LL, 4'095LL, 4'096LL, 262'143LL, 300'000LL}) {
      for (std::int64_t delay = border - 2; delay <= border + 2; ++delay) {
        const Instant start{phase * kTickNs};
        Timers timers(start);
        Probe probe;
        const Instant deadline{(phase + delay) * kTickNs};
        timers.arm(probe.timer, deadline);
        timers.advance({deadline.ns - 1});
        ASSERT_TRUE(probe.fired.empty()) << phase << " " << delay;
        timers.advance(deadline);
        ASSERT_EQ(probe.fired.size(), 1U) << phase << " " << delay;
      }
    }
  }
}

TEST(TimersTest, SleepingUntilNextReachesADeadlineInFewSteps) {
  Timers timers({0});
  Probe probe;
  const Instant deadline{Duration::seconds(3 * 3600).ns + 123'456};
  timers.arm(probe.timer, deadline);
  Instant now{0};
  int steps = 0;
  while (probe.fired.empty() && ++steps < 10) {
    const Duration until = timers.until_next(now);
    ASSERT_GT(until.ns, 0);
    now = now + until;
    timers.advance(now);
  }
  ASSERT_EQ(probe.fired.size(), 1U);
  EXPECT_GE(probe.fired[0], deadline);
  EXPECT_LT((probe.fired[0] - deadline).ns, kTickNs);
}

TEST(TimersTest, ADeadlineBeyondTheWheelFiresInItsTime) {
  Timers timers({0});
  Probe probe;
  const Instant deadline{Duration::seconds(20 * 3600).ns};
  timers.arm(probe.timer, deadline);
  timers.advance({deadline.ns - 1});
  EXPECT_TRUE(probe.fired.empty());
  timers.advance(deadline);
  EXPECT_EQ(probe.fired.size(), 1U);
}

TEST(TimersTest, TheLastInstantNeverComes) {
  Timers timers({0});
  Probe probe;
  timers.arm(probe.timer, Instant::max());
  EXPECT_GT(timers.until_next({0}).ns, 0);
  timers.advance({Duration::seconds(20 * 3600).ns});
  EXPECT_TRUE(probe.fired.empty());
  EXPECT_TRUE(probe.timer.armed());
}

TEST(TimersTest, ADeadlineInThePastFiresWithTheNextTick) {
  Timers timers({Duration::seconds(5).ns});
  Probe probe;
  timers.arm(probe.timer, {0});
  timers.advance({Duration::seconds(5).ns + kTickNs});
  EXPECT_EQ(probe.fired.size(), 1U);
}

TEST(TimersTest, ArmingAgainMovesTheTimer) {
  Timers timers({0});
  Probe probe;
  timers.arm(probe.timer, {5 * kTickNs});
  timers.arm(probe.timer, {9 * kTickNs});
  timers.advance({8 * kTickNs});
  EXPECT_TRUE(probe.fired.empty());
  timers.advance({9 * kTickNs});
  EXPECT_EQ(probe.fired.size(), 1U);
  EXPECT_FALSE(probe.timer.armed());
}

TEST(TimersTest, ADestroyedTimerDoesNotFire) {
  Timers timers({0});
  {
    Probe probe;
    timers.arm(probe.timer, {5 * kTickNs});
  }
  EXPECT_EQ(timers.advance({10 * kTickNs}), 0U);
  EXPECT_EQ(timers.until_next({10 * kTickNs}), Duration::max());
}

// Fires in the same tick as its victim, and cancels it first.
struct Canceller {
  explicit Canceller(Timer& other) : victim(other) {}
  void on_fire(Instant) noexcept { victim.cancel(); }
  Timer& victim;
  TimerOf<&Canceller::on_fire> timer{*this};
};

TEST(TimersTest, AHandlerCancelsATimerThatIsDueInTheSameTick) {
  Timers timers({0});
  Probe probe;
  Canceller canceller(probe.timer);
  timers.arm(canceller.timer, {5 * kTickNs});
  timers.arm(probe.timer, {5 * kTickNs});
  EXPECT_EQ(timers.advance({10 * kTickNs}), 1U);
  EXPECT_TRUE(probe.fired.empty());
}

// Arms itself from its own handler, a tick later each time.
struct Repeater {
  explicit Repeater(Timers& wheel) : timers(wheel) {}
  void on_fire(Instant now) noexcept {
    ++fired_count;
    timers.arm(timer, now + Duration{kTickNs});
  }
  Timers& timers;
  unsigned fired_count = 0;
  TimerOf<&Repeater::on_fire> timer{*this};
};

TEST(TimersTest, AHandlerArmsItself) {
  Timers timers({0});
  Repeater repeater(timers);
  timers.arm(repeater.timer, {kTickNs});
  for (std::int64_t tick = 1; tick <= 1'000; ++tick) timers.advance({tick * kTickNs});
  EXPECT_EQ(repeater.fired_count, 1'000U);
  // A long sleep is one firing, not one for each tick that was missed.
  EXPECT_EQ(timers.advance({5'000 * kTickNs}), 1U);
  repeater.timer.cancel();
}

}  // namespace
}  // namespace fairlead
