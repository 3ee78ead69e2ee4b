// The timing wheel: moving a deadline (what every probe and connect does), a turn in which nothing is due, and firing.
#include <cstdint>
#include <deque>

#include <benchmark/benchmark.h>

#include "transport/base/prng.h"
#include "transport/uring/timers.h"

namespace fairlead {
namespace {

struct Owner {
  void on_timer(Instant) noexcept { ++fired; }
  std::uint64_t fired = 0;
  TimerOf<&Owner::on_timer> timer{*this};
};

constexpr Instant kStart{1'000'000'000};

// Owners with deadlines spread over a minute.
std::deque<Owner> armed_owners(Timers& timers, std::int64_t count) {
  Prng prng(1);
  std::deque<Owner> owners(static_cast<std::size_t>(count));
  for (Owner& owner : owners) {
    timers.arm(owner.timer, kStart + Duration::milliseconds(static_cast<std::int64_t>(1 + prng.below(60'000))));
  }
  return owners;
}

void move_deadline(benchmark::State& state) {
  Timers timers(kStart);
  std::deque<Owner> owners = armed_owners(timers, state.range(0));
  auto owner = owners.begin();
  std::int64_t offset_ms = 1;
  for (auto _ : state) {
    timers.arm(owner->timer, kStart + Duration::milliseconds(offset_ms));
    if (++owner == owners.end()) owner = owners.begin();
    offset_ms = offset_ms * 7 % 60'000 + 1;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(move_deadline)->Arg(16)->Arg(10'000);

// A turn of the shard: how long may it sleep, and is anything due?
void quiet_turn(benchmark::State& state) {
  Timers timers(kStart);
  const std::deque<Owner> owners = armed_owners(timers, state.range(0));
  for (auto _ : state) {
    benchmark::DoNotOptimize(timers.until_next(kStart));
    benchmark::DoNotOptimize(timers.advance(kStart));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(quiet_turn)->Arg(0)->Arg(16)->Arg(10'000);

// Time moves on by a millisecond; what fired is armed again.
void fire(benchmark::State& state) {
  Timers timers(kStart);
  std::deque<Owner> owners = armed_owners(timers, state.range(0));
  Instant now = kStart;
  std::int64_t fired = 0;
  for (auto _ : state) {
    now = now + Duration::milliseconds(1);
    fired += timers.advance(now);
    for (Owner& owner : owners) {
      if (!owner.timer.armed()) timers.arm(owner.timer, now + Duration::milliseconds(20));
    }
  }
  state.SetItemsProcessed(fired);
}
BENCHMARK(fire)->Arg(16)->Arg(1'000);

}  // namespace
}  // namespace fairlead
