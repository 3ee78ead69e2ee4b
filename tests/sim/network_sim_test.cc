// Networks of whole sites: properties that deserve a network of their own. Networks by seed are run by
// `simulate_network`.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/network_world.h"
#include "tests/sim/test_share.h"
#include "transport/base/log.h"

namespace fairlead::sim {
namespace {

constexpr Duration kPatience = Duration::seconds(30);
// What was under way still arrives; then 400 ms of silence.
constexpr Duration kNoticed = Duration::milliseconds(500);

FlowScript script_of(std::uint64_t bytes) {
  FlowScript script;
  script.bytes = bytes;
  script.send_bytes_max = script.receive_bytes_max = 50'000;
  return script;
}

// So much that it is still under way when something happens to it.
FlowScript long_script() {
  return script_of(400'000'000);
}

// One that takes its time.
FlowScript slow_script() {
  FlowScript script = script_of(3'000'000);
  script.send_pause_max = Duration::seconds(1);
  return script;
}

std::string text_of(const Verdict& verdict) {
  std::string text;
  for (const std::string& failure : verdict.failures)
    text += failure + "\n";
  return text;
}

class NetworkSimTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kError); }

  // No faults, but a network that takes its time.
  static NetworkPlan plain_plan(unsigned sites) {
    NetworkPlan plan;
    plan.seed = 7;
    plan.calm = false;
    plan.faults.latency_min = plan.faults.latency_max = Duration::milliseconds(1);
    plan.faults.send_buffer_bytes = plan.faults.receive_buffer_bytes = 64 * 1024;
    plan.sites.resize(sites);
    plan.sizes.stall_percent = plan.sizes.abort_percent = 0;
    return plan;
  }

  static NetworkPlan line_of(unsigned sites) {
    NetworkPlan plan = plain_plan(sites);
    for (unsigned site = 1; site < sites; ++site)
      plan.add_line(site - 1, site);
    return plan;
  }

  static void come_up(NetworkWorld& world) {
    ASSERT_TRUE(world.run_until(kPatience, [&] { return world.converged(); })) << text_of(world.judge());
  }

  static bool over(const std::vector<const FlowEnd*>& ends) {
    return std::all_of(ends.begin(), ends.end(), [](const FlowEnd* end) { return end->over; });
  }

  static void expect_clean(NetworkWorld& world, const std::vector<const FlowEnd*>& ends) {
    EXPECT_TRUE(world.run_until(kPatience, [&] { return over(ends); })) << text_of(world.judge());
    for (const FlowEnd* end : ends)
      EXPECT_TRUE(end->clean()) << FlowLedger::describe(*end);
  }

  // A connection that comes now has to succeed, and to be served there.
  static void expect_served_at(NetworkWorld& world, unsigned from, unsigned key, unsigned at) {
    const FlowEnd* flow = world.start_flow(from, key, script_of(10'000));
    expect_clean(world, {flow});
    EXPECT_EQ(world.landed_at(*flow), at) << FlowLedger::describe(*flow);
  }

  // Both ends were told, by a reset.
  static void expect_reset(NetworkWorld& world, const FlowEnd& client) {
    EXPECT_TRUE(client.over && !client.cut.empty() && !client.peer_finished) << FlowLedger::describe(client);
    const FlowEnd* server = world.ledger().find(client.partner);
    ASSERT_NE(server, nullptr) << FlowLedger::describe(client);
    EXPECT_TRUE(server->over && !server->cut.empty() && !server->peer_finished) << FlowLedger::describe(*server);
  }

  static void expect_rest(NetworkWorld& world) {
    if (world.judge().ok()) world.come_to_rest();
    if (world.judge().ok()) world.stop();
    EXPECT_TRUE(world.judge().ok()) << text_of(world.judge());
  }
};

TEST_F(NetworkSimTest, TheSameSeedIsTheSameNetwork) {
  for (std::uint64_t seed = 11; seed < 11 + share_of(3, 1); ++seed) {
    const Verdict first = simulate_network(seed);
    const Verdict second = simulate_network(seed);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.rounds, second.rounds) << "seed " << seed;
    EXPECT_NE(first.trace_hash, simulate_network(seed + 100).trace_hash);
  }
}

// Five in a row; the one in the middle dies with a connection going through it.
TEST_F(NetworkSimTest, ATransitSiteThatDiesResetsBothEndsAndCarriesAgain) {
  NetworkPlan plan = line_of(5);
  const unsigned key = plan.add_key(Behaviour::kEcho);
  plan.add_provider(key, 4);
  NetworkWorld world(plan);
  come_up(world);
  const FlowEnd* across = world.start_flow(0, key, long_script());
  ASSERT_TRUE(world.run_until(kPatience, [&] { return across->received > 100'000; })) << text_of(world.judge());
  world.kill(2, Duration::seconds(3));
  ASSERT_TRUE(world.run_until(kNoticed, [&] { return world.ledger().open_count() == 0; }));
  expect_reset(world, *across);
  // Nobody can be reached, and nobody is kept waiting.
  const FlowEnd* in_vain = world.start_flow(0, key, script_of(1'000));
  ASSERT_TRUE(world.run_until(Duration::seconds(1), [&] { return in_vain->over; }));
  EXPECT_FALSE(in_vain->cut.empty()) << FlowLedger::describe(*in_vain);
  // Both its neighbours are linked to it within two seconds, one after the other hears of it.
  ASSERT_TRUE(world.run_until(Duration::seconds(6), [&] { return world.converged(); })) << text_of(world.judge());
  expect_served_at(world, 0, key, 4);
  expect_rest(world);
}

// Six in a ring; a link on the short way falls silent. Who comes before that is noticed may be lost, nobody later.
TEST_F(NetworkSimTest, ASilentLinkIsAvoidedOnceItIsNoticed) {
  NetworkPlan plan = line_of(6);
  plan.add_line(5, 0);
  const unsigned key = plan.add_key(Behaviour::kEcho);
  plan.add_provider(key, 2);
  NetworkWorld world(plan);
  come_up(world);
  expect_served_at(world, 0, key, 2);
  const FlowEnd* across = world.start_flow(0, key, long_script());
  ASSERT_TRUE(world.run_until(kPatience, [&] { return across->received > 100'000; })) << text_of(world.judge());
  world.cut(1, 2);
  world.run_for(kNoticed);
  expect_reset(world, *across);
  for (const unsigned from : {0U, 1U, 3U})
    expect_served_at(world, from, key, 2);
  world.heal();
  ASSERT_TRUE(world.judge().ok()) << text_of(world.judge());
  expect_served_at(world, 1, key, 2);
  expect_rest(world);
}

// A transit site with little memory, and many clients whose server does not read: what they sent waits behind one of
// its links, and is more than it can hold. Others through the same site go on, over that link and over another one.
TEST_F(NetworkSimTest, StalledReadersBehindATransitSiteHoldUpNobody) {
  const std::uint64_t seeds = share_of(6, 2);
  NetworkPlan plan = plain_plan(4);
  for (const unsigned leaf : {0U, 2U, 3U})
    plan.add_line(leaf, 1);
  plan.sites[1].limits.link_blocks = 24;
  plan.sites[1].limits.small_blocks = 256;
  const unsigned stalling = plan.add_key(Behaviour::kSink);
  const unsigned beside = plan.add_key(Behaviour::kEcho);
  const unsigned elsewhere = plan.add_key(Behaviour::kEcho);
  plan.add_provider(stalling, 2);
  plan.add_provider(beside, 2);
  plan.add_provider(elsewhere, 3);
  for (plan.seed = 1; plan.seed <= seeds; ++plan.seed) {
    NetworkWorld world(plan);
    come_up(world);
    world.apps(2).sizes().stall_percent = 100;
    world.apps(2).sizes().bytes_max = 1'000;
    for (int i = 0; i < 120; ++i)
      world.start_flow(0, stalling, script_of(1'000'000));
    world.run_for(Duration::seconds(3));
    EXPECT_GE(world.ledger().open_count(), 120U);
    world.apps(2).sizes().stall_percent = 0;
    for (int i = 0; i < 5; ++i) {
      std::vector<const FlowEnd*> others;
      for (const unsigned key : {beside, elsewhere})
        others.push_back(world.start_flow(0, key, script_of(300'000)));
      others.push_back(world.start_flow(3, beside, script_of(300'000)));
      expect_clean(world, others);
      ASSERT_FALSE(HasFailure()) << "seed " << plan.seed;
    }
    expect_rest(world);
  }
}

// The same with small blocks for all that waits: it moves there, and nobody has to go.
TEST_F(NetworkSimTest, WhatStalledReadersHoldAtATransitSiteMovesToSmallBlocks) {
  NetworkPlan plan = plain_plan(3);
  plan.add_line(0, 1);
  plan.add_line(2, 1);
  plan.sites[1].limits.link_blocks = 24;
  plan.sites[1].limits.small_blocks = 2'048;
  const unsigned stalling = plan.add_key(Behaviour::kSink);
  const unsigned beside = plan.add_key(Behaviour::kEcho);
  plan.add_provider(stalling, 2);
  plan.add_provider(beside, 2);
  NetworkWorld world(plan);
  come_up(world);
  world.apps(2).sizes().stall_percent = 100;
  world.apps(2).sizes().bytes_max = 1'000;
  std::vector<const FlowEnd*> stalled;
  for (int i = 0; i < 100; ++i)
    stalled.push_back(world.start_flow(0, stalling, script_of(1'000'000)));
  world.run_for(Duration::seconds(3));
  world.apps(2).sizes().stall_percent = 0;
  expect_clean(world, {world.start_flow(0, beside, script_of(300'000))});
  const auto counted = [&](const char* name) { return world.site(1).counter(name); };
  EXPECT_TRUE(world.run_until(Duration::seconds(1), [&] { return counted("streams_relieved") > 0; }));
  EXPECT_EQ(counted("streams_sacrificed"), 0U);
  EXPECT_FALSE(std::any_of(stalled.begin(), stalled.end(), [](const FlowEnd* end) { return end->over; }));
  expect_rest(world);
}

// Two ways to the same server. The cheap one gets dear: what runs there stays there, and who comes goes the other way.
TEST_F(NetworkSimTest, ACostThatChangesMovesNewConnectionsAndNoOther) {
  NetworkPlan plan = plain_plan(4);
  constexpr unsigned kCheap = 0;
  constexpr unsigned kOther = 2;
  plan.add_line(0, 1, 3);
  plan.add_line(1, 3);
  plan.add_line(0, 2, 3);
  plan.add_line(2, 3, 2);
  const unsigned key = plan.add_key(Behaviour::kEcho);
  plan.add_provider(key, 3);
  NetworkWorld world(plan);
  come_up(world);
  std::vector<const FlowEnd*> running;
  for (int i = 0; i < 5; ++i)
    running.push_back(world.start_flow(0, key, slow_script()));
  const auto all_get_something = [&] {
    return std::all_of(running.begin(), running.end(), [](const FlowEnd* end) { return end->received > 10'000; });
  };
  ASSERT_TRUE(world.run_until(kPatience, all_get_something)) << text_of(world.judge());
  world.run_for(Duration::seconds(1));  // shards report four times a second
  EXPECT_EQ(world.streams_total(kCheap), 5U);
  for (const std::uint32_t cost : {9U, 1U, 9U}) {
    ASSERT_FALSE(running.front()->over);
    world.set_cost(kCheap, cost);
    ASSERT_TRUE(world.run_until(Duration::seconds(1), [&] { return world.converged(); })) << text_of(world.judge());
    const std::uint64_t cheap = world.streams_total(kCheap);
    const std::uint64_t other = world.streams_total(kOther);
    expect_served_at(world, 0, key, 3);
    world.run_for(Duration::seconds(1));
    EXPECT_EQ(world.streams_total(kCheap) - cheap, cost == 1 ? 1U : 0U) << "cost " << cost;
    EXPECT_EQ(world.streams_total(kOther) - other, cost == 1 ? 0U : 1U) << "cost " << cost;
  }
  expect_clean(world, running);
  expect_rest(world);
}

// The cost of a link is changed at every moment of its coming up, raised and lowered: both ends have to know.
TEST_F(NetworkSimTest, ACostThatChangesWhileALinkComesUpReachesTheOtherEnd) {
  NetworkPlan plan = line_of(2);
  plan.add_provider(plan.add_key(Behaviour::kEcho), 1);
  NetworkWorld world(plan);
  come_up(world);
  constexpr Duration kDown = Duration::milliseconds(100);
  for (unsigned i = 0; i < 40; ++i) {
    world.kill(0, kDown);
    world.run_for(kDown + Duration::microseconds(250 * std::int64_t{i}));
    world.set_cost(0, i % 2 == 0 ? 9 - i / 10 : 20);
    ASSERT_TRUE(world.run_until(Duration::seconds(2), [&] { return world.converged(); })) << "moment " << i;
  }
  expect_rest(world);
}

// A server refuses; its site is the nearest. Clients are served elsewhere and notice nothing, whether the connector is
// probed (and withdrawn for a while) or not.
TEST_F(NetworkSimTest, ClientsOfAServerThatRefusesAreServedElsewhere) {
  for (const bool probe : {false, true}) {
    NetworkPlan plan = line_of(4);
    const unsigned key = plan.add_key(Behaviour::kEcho);
    const unsigned near = plan.add_provider(key, 1, probe);
    plan.add_provider(key, 3, probe);
    NetworkWorld world(plan);
    come_up(world);
    expect_served_at(world, 0, key, 1);
    world.refuse(near);
    for (int i = 0; i < 3; ++i)
      expect_served_at(world, 0, key, 3);
    world.serve(near);
    ASSERT_TRUE(world.run_until(Duration::seconds(2), [&] { return world.converged(); })) << text_of(world.judge());
    expect_served_at(world, 0, key, 1);
    expect_rest(world);
  }
}

}  // namespace
}  // namespace fairlead::sim
