// Networks of routers, simulated: thousands of small ones with faults of every sort, one of a hundred routers with
// every sort of single failure, shapes with many equal paths or long ones, and one of a thousand routers. What is
// checked is told in router_checks.h, what the small ones go through in router_simulation.h.
#include "tests/sim/router_world.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/router_checks.h"
#include "tests/sim/router_simulation.h"
#include "tests/sim/test_share.h"

namespace fairlead::sim {
namespace {

constexpr Duration kSecond = Duration::seconds(1);
const std::vector<std::string> kNothing;

// Connected, with this many links altogether, each pair linked at most once.
void link_at_random(RouterWorld& world, Prng& prng, std::size_t routers, std::size_t links, std::uint64_t cost_max) {
  std::set<std::pair<std::size_t, std::size_t>> taken;
  const auto cost = [&] { return static_cast<std::uint32_t>(1 + prng.below(cost_max)); };
  const auto link = [&](std::size_t a, std::size_t b) {
    if (a != b && taken.insert(std::minmax(a, b)).second) world.add_link(a, b, cost(), cost());
  };
  for (std::size_t i = 1; i < routers; ++i)
    link(prng.below(i), i);
  while (taken.size() < links)
    link(prng.below(routers), prng.below(routers));
}

// From now until all paths agree with the oracle, looked at every 25 ms.
Duration time_to_converge(RouterWorld& world, Duration patience) {
  const Duration step = Duration::milliseconds(25);
  for (Duration passed{}; passed <= patience; passed = passed + step) {
    if (RouterChecks(world).paths_agree()) return passed;
    world.run(step);
  }
  return Duration::max();
}

TEST(RouterWorld, SmallNetworksWithFaultsOfEverySort) {
  const std::uint64_t seeds = share_of(3000);
  std::uint64_t faults = 0;
  std::uint64_t messages = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const RouterVerdict verdict = simulate_routers(seed);
    ASSERT_EQ(verdict.failures, kNothing) << verdict.network << "\nreplay with: simulate_routers --seed " << seed
                                          << " --log";
    faults += verdict.faults;
    messages += verdict.messages;
  }
  // Worlds in which nothing happens show nothing.
  EXPECT_GT(faults, 10 * seeds);
  EXPECT_GT(messages, 100 * seeds);
}

TEST(RouterWorld, TheSameSeedGivesTheSameTrace) {
  std::uint64_t last = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const RouterVerdict first = simulate_routers(seed);
    const RouterVerdict second = simulate_routers(seed);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << seed;
    EXPECT_EQ(first.messages, second.messages) << seed;
    EXPECT_NE(first.trace_hash, last) << seed;
    last = first.trace_hash;
  }
}

// ---- a hundred routers

class HundredRouters : public testing::Test {
 protected:
  static constexpr std::size_t kRouters = 100;
  static constexpr std::size_t kLinks = 250;

  void SetUp() override {
    for (std::size_t i = 0; i < kRouters; ++i)
      world_.add_site();
    link_at_random(world_, prng_, kRouters, kLinks, 5);
    for (std::size_t i = 0; i < 10; ++i) {
      const std::size_t edge = world_.add_site(true);
      for (int uplinks = 0; uplinks < 2; ++uplinks)
        world_.add_link(edge, prng_.below(kRouters), static_cast<std::uint32_t>(1 + prng_.below(5)));
    }
    for (std::size_t i = 0; i < kRouters + 10; i += 4)
      world_.serve(i, {{"key" + std::to_string(i % 12), 2}});
    world_.run(kSecond);
    expect_all("at first");
  }

  void expect_all(const std::string& when) {
    EXPECT_EQ(RouterChecks(world_).all(), kNothing) << when;
    EXPECT_EQ(world_.violations(), kNothing) << when;
  }

  // Lets it converge, which must take less than a second, and keeps the figures.
  void converge(const std::string& what) {
    const std::uint64_t messages = world_.messages_sent();
    const Instant since = world_.now();
    const Duration took = time_to_converge(world_, kSecond);
    EXPECT_LE(took, kSecond) << what;
    slowest_ = std::max(slowest_, took);
    world_.run(since + kSecond - world_.now());
    expect_all(what);
    most_messages_ = std::max(most_messages_, world_.messages_sent() - messages);
    ++changes_;
  }

  void TearDown() override {
    std::printf("%u changes, the slowest agreed on after %lld ms, at most %llu messages for one (%zu links)\n",
                changes_, static_cast<long long>(slowest_.milliseconds()),
                static_cast<unsigned long long>(most_messages_), world_.links().size());
  }

  Prng prng_{100};
  RouterWorld world_{RouterWorldOptions{.seed = 100, .check_versions = false}};
  unsigned changes_ = 0;
  Duration slowest_{};
  std::uint64_t most_messages_ = 0;
};

TEST_F(HundredRouters, AnySingleLinkMayFail) {
  for (std::uint64_t i = share_of(40); i > 0 && !HasFailure(); --i) {
    const std::size_t link = prng_.below(kLinks);
    world_.fail_link(link);
    converge("link " + std::to_string(link) + " failed");
    // Two link states, over each link at most once in each direction; and as much again if the two ends notice it so
    // early after something else that they tell in two steps.
    EXPECT_LE(most_messages_, 2 * 2 * 2 * world_.links().size());
    world_.repair_link(link);
    world_.run(kSecond);
    expect_all("repaired");
  }
}

TEST_F(HundredRouters, AnySingleRouterMayCrashAndComeBack) {
  for (std::uint64_t i = share_of(20); i > 0 && !HasFailure(); --i) {
    const std::size_t router = prng_.below(kRouters);
    world_.crash(router);
    converge("router " + std::to_string(router) + " crashed");
    world_.restart(router, i % 2 == 1);
    converge("router " + std::to_string(router) + " came back");
  }
}

TEST_F(HundredRouters, APartitionHeals) {
  for (std::uint64_t i = 1 + share_of(4); i > 0 && !HasFailure(); --i) {
    std::vector<unsigned> sides(world_.sites().size());
    for (unsigned& side : sides)
      side = static_cast<unsigned>(prng_.below(2));
    world_.partition(sides);
    converge("in two");
    if (i % 2 == 1) world_.run(Duration::seconds(70));
    world_.partition(std::vector<unsigned>(world_.sites().size(), 0));
    converge("healed");
  }
}

TEST_F(HundredRouters, NothingIsSentWhileNothingChanges) {
  const std::uint64_t before = world_.messages_sent();
  world_.run(Duration::seconds(3600));
  EXPECT_EQ(world_.messages_sent(), before);
  expect_all("after an hour");
}

// ---- shapes

TEST(RouterWorld, ARingOfSixtyCutAnywhere) {
  RouterWorld world({.seed = 60});
  for (std::size_t i = 0; i < 60; ++i)
    world.add_site();
  for (std::size_t i = 0; i < 60; ++i)
    world.add_link(i, (i + 1) % 60);
  world.serve(0, {{"key", 1}});
  // News travels thirty hops, each of ten milliseconds on average, or more.
  world.run(Duration::seconds(3));
  EXPECT_EQ(RouterChecks(world).all(), kNothing);
  for (const std::size_t link : {0U, 29U, 30U, 59U}) {
    world.fail_link(link);
    world.run(Duration::seconds(3));
    EXPECT_EQ(RouterChecks(world).all(), kNothing);
    world.repair_link(link);
    world.run(Duration::seconds(3));
    EXPECT_EQ(RouterChecks(world).all(), kNothing);
  }
}

TEST(RouterWorld, AGridHasManyEqualPaths) {
  constexpr std::size_t kSide = 6;
  RouterWorld world({.seed = 36});
  for (std::size_t i = 0; i < kSide * kSide; ++i)
    world.add_site();
  for (std::size_t i = 0; i < kSide * kSide; ++i) {
    if (i % kSide + 1 < kSide) world.add_link(i, i + 1);
    if (i + kSide < kSide * kSide) world.add_link(i, i + kSide);
  }
  world.serve(kSide * kSide - 1, {{"key", 1}});
  world.run(kSecond);
  EXPECT_EQ(RouterChecks(world).all(), kNothing);
}

TEST(RouterWorld, AHubWithAHundredEdgeSites) {
  RouterWorld world({.seed = 20});
  const std::size_t hub = world.add_site();
  for (int i = 0; i < 100; ++i) {
    const std::size_t edge = world.add_site(true);
    world.add_link(edge, hub);
    if (i % 10 == 0) world.serve(edge, {{"key" + std::to_string(i), 1}});
  }
  world.run(kSecond);
  EXPECT_EQ(RouterChecks(world).all(), kNothing);
  const std::uint64_t before = world.messages_sent();
  world.serve(1, {{"another", 1}});
  world.run(kSecond);
  EXPECT_EQ(RouterChecks(world).all(), kNothing);
  EXPECT_EQ(world.messages_sent() - before, 1U + 99U) << "the offer, and a list of keys to everybody else";
}

// ---- a thousand

TEST(RouterWorld, AThousandRouters) {
  const std::size_t routers = share_of(1000);
  const auto begin = std::chrono::steady_clock::now();
  const auto tell = [&](const char* what, Duration took, std::uint64_t messages) {
    const auto passed = std::chrono::steady_clock::now() - begin;
    std::printf("%s: agreed on after %lld ms, %llu messages (%.1f s of this test)\n", what,
                static_cast<long long>(took.milliseconds()), static_cast<unsigned long long>(messages),
                std::chrono::duration<double>(passed).count());
    std::fflush(stdout);
  };
  RouterWorld world({.seed = 1000, .check_versions = false});
  Prng prng(1000);
  for (std::size_t i = 0; i < routers; ++i)
    world.add_site();
  link_at_random(world, prng, routers, 4 * routers, 10);
  // Each look takes the oracle a second, so there are few.
  const auto converge = [&](const char* what, Duration step) {
    const std::uint64_t before = world.messages_sent();
    Duration took{};
    do {
      world.run(step);
      took = took + step;
    } while (!RouterChecks(world).paths_agree() && took < kSecond);
    EXPECT_TRUE(RouterChecks(world).paths_agree()) << what;
    tell(what, took, world.messages_sent() - before);
    world.run(kSecond);
  };
  const auto change = [&](const char* what) { converge(what, Duration::milliseconds(500)); };
  converge("all started at once", Duration::milliseconds(250));
  world.fail_link(7);
  change("a link failed");
  world.crash(routers / 2);
  change("a router crashed");
  world.restart(routers / 2);
  change("it came back");
  EXPECT_EQ(world.violations(), kNothing);
}

}  // namespace
}  // namespace fairlead::sim
