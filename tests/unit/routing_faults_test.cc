// Routing when things go wrong: routers that restart, with whatever clock; ids that are contested; messages that are
// lost; routers that are gone, and links that flap.
#include "router/routing/routing.h"

#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/routing_fixtures.h"

namespace fairlead {
namespace {

constexpr Duration kMoment = Duration::milliseconds(100);

// ---- restarts

// The last of a line of three starts anew with another incarnation and another key.
void restart_the_last(Bench& bench, std::uint64_t incarnation) {
  for (int i = 0; i < 3; ++i)
    bench.add(false, 100);
  bench.connect(0, 1);
  const std::size_t wire = bench.connect(1, 2);
  bench.routing(2).set_connectors(connectors_of({{"old", 1}}), bench.now);
  bench.pass(kMoment);
  bench.restart(2, incarnation);
  bench.routing(2).set_connectors(connectors_of({{"new", 1}}), bench.now);
  bench.reconnect(wire);
  bench.pass(kMoment);
  expect_agreement(bench, {0, 1, 2});
  EXPECT_FALSE(bench.routing(0).table()->reachable("old"));
  EXPECT_TRUE(bench.routing(0).table()->reachable("new"));
}

TEST(Routing, ARestartedRouterIsAcceptedAtOnce) {
  Bench bench;
  restart_the_last(bench, 200);
  EXPECT_EQ(bench.routing(2).counters().own_states_heard, 0U);
}

TEST(Routing, ARestartWithTheClockGoneBackIsAcceptedToo) {
  Bench bench;
  restart_the_last(bench, 50);
  EXPECT_EQ(bench.routing(0).topology().version_of(router_of(2)).incarnation, 100U);
  EXPECT_EQ(bench.pass(Duration::seconds(600)), 0U);
}

TEST(Routing, AClockGoneBackDoesNotSlowARouterOfManyNeighboursDown) {
  constexpr std::size_t kNeighbours = 20;
  Bench bench;
  const std::size_t hub = bench.add(false, 100);
  std::vector<std::size_t> wires;
  for (std::size_t i = 0; i < kNeighbours; ++i)
    wires.push_back(bench.connect(hub, bench.add(false, 100)));
  bench.pass(kMoment);
  bench.restart(hub, 50);
  for (const std::size_t wire : wires)
    bench.reconnect(wire);
  bench.pass(Duration::milliseconds(300));
  // All of them told it of its earlier life; what it says next must not wait for that.
  bench.routing(hub).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(Duration::milliseconds(300));
  for (std::size_t i = 1; i <= kNeighbours; ++i)
    EXPECT_TRUE(bench.routing(i).table()->reachable("key")) << i;
}

// A life that began again at a version which an earlier one had given to something else: half of them have a digest
// above the true one, which the owner must hear of, the others below, which it must not.
TEST(Routing, OneVersionIsNotGivenToTwoContents) {
  for (unsigned variant = 1; variant <= 16; ++variant) {
    Bench bench;
    for (int i = 0; i < 3; ++i)
      bench.add();
    bench.connect(1, 2);
    bench.routing(2).set_connectors(connectors_of({{"key", 1}}), bench.now);
    bench.pass(kMoment);
    LinkState other = state_of(2, bench.routing(2).topology().version_of(router_of(2)), {}, {{"gone", 1}});
    other.keys["gone"] = static_cast<std::uint16_t>(variant);
    // Router 0 meets somebody who knows the other life, and then the others.
    bench.routing(0).link_up(9, {site_of(3), "", LinkKind::kInterior, 1, 1}, bench.now);
    EXPECT_TRUE(bench.routing(0).receive(9, update_of(other), bench.now));
    bench.routing(0).link_down(9, bench.now);
    bench.connect(0, 1);
    bench.pass(kMoment);
    expect_agreement(bench, {0, 1, 2});
    EXPECT_TRUE(bench.routing(0).table()->reachable("key"));
    EXPECT_FALSE(bench.routing(0).table()->reachable("gone"));
  }
}

// Two sites were given one id, by a copied disk.
TEST(Routing, AContestedIdCostsABoundedNumberOfMessages) {
  Bench bench;
  for (int i = 0; i < 3; ++i)
    bench.add();
  bench.connect(0, 1);
  bench.pass(kMoment);
  // The second one with node 1's id lives on link 9 of node 2, which is wired to node 0.
  bench.connect(0, 2);
  struct Lost final : RoutingOutbox {
    void send(std::uint32_t, std::vector<std::uint8_t> message) override { sent.push_back(std::move(message)); }
    std::vector<std::vector<std::uint8_t>> sent;
  } outbox;
  Routing twin({site_of(1), "twin", 2, false}, outbox);
  twin.set_connectors(connectors_of({{"twin", 1}}), bench.now);
  bench.routing(2).link_up(9, {site_of(1), "twin", LinkKind::kInterior, 1, 1}, bench.now);
  twin.link_up(1, {site_of(2), "name-2", LinkKind::kInterior, 1, 1}, bench.now);
  bench.take_log();
  const auto exchange = [&] {
    // What node 2 sends on link 9 is on the bench's log, as of wire 8.
    for (bool any = true; any;) {
      any = false;
      for (auto& message : std::exchange(outbox.sent, {})) {
        EXPECT_TRUE(bench.routing(2).receive(9, message, bench.now));
        any = true;
      }
      bench.carry();
      for (const Bench::Sent& sent : bench.take_log()) {
        if (sent.wire != 8) continue;
        EXPECT_TRUE(twin.receive(1, sent.message, bench.now));
        any = true;
      }
    }
  };
  const auto run = [&](Duration time) {
    const std::uint64_t before = bench.routing(1).counters().originations + twin.counters().originations;
    const Instant until = bench.now + time;
    for (; bench.now < until; bench.now = bench.now + Duration::milliseconds(10)) {
      exchange();
      for (std::size_t i = 0; i < 3; ++i)
        bench.routing(i).tick(bench.now);
      twin.tick(bench.now);
    }
    exchange();
    return bench.routing(1).counters().originations + twin.counters().originations - before;
  };
  EXPECT_GT(run(Duration::seconds(10)), 2U) << "both insist";
  EXPECT_LE(run(Duration::seconds(100)), 2U * 21U) << "each at most every five seconds";
  EXPECT_GT(twin.counters().own_states_heard, 3U);
  // The twin is gone: the rightful one may speak at its usual pace again, if not at once.
  bench.routing(2).link_down(9, bench.now);
  bench.pass(Duration::seconds(60));
  bench.routing(1).set_connectors(connectors_of({{"a", 1}}), bench.now);
  bench.pass(kMoment);
  bench.routing(1).set_connectors(connectors_of({{"b", 1}}), bench.now);
  bench.pass(kMoment);
  EXPECT_TRUE(bench.routing(0).table()->reachable("b"));
}

TEST(Routing, AVersionAtTheEndOfItsRangeIsOvercome) {
  Bench bench;
  for (int i = 0; i < 3; ++i)
    bench.add();
  bench.connect(0, 1);
  bench.connect(1, 2);
  bench.routing(0).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  LinkState forged = state_of(0, {1, UINT64_MAX}, {});
  EXPECT_TRUE(bench.routing(1).receive(2, update_of(forged), bench.now));
  bench.pass(kMoment);
  expect_agreement(bench, {0, 1, 2});
  EXPECT_TRUE(bench.routing(2).table()->reachable("key"));
  EXPECT_EQ(bench.pass(Duration::seconds(600)), 0U);
}

// ---- lost messages

struct Lossy : testing::Test {
  void SetUp() override {
    for (int i = 0; i < 3; ++i)
      bench.add();
    bench.connect(0, 1);
    wire = bench.connect(1, 2);
    bench.pass(kMoment);
  }

  // The session that carried what `node` sends is gone: its end is told, the other is not.
  void reset(std::size_t node) {
    bench.lose(wire, false);
    bench.routing(node).link_reset(Bench::link_of(wire), bench.now);
    bench.pass(kMoment);
  }

  Bench bench;
  std::size_t wire = 0;
};

TEST_F(Lossy, AnUpdateIsToldAgain) {
  bench.lose(wire, true);
  bench.routing(0).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  EXPECT_FALSE(bench.routing(2).table()->reachable("key"));
  reset(1);
  EXPECT_TRUE(bench.routing(2).table()->reachable("key"));
  expect_agreement(bench, {0, 1, 2});
}

TEST_F(Lossy, ACostIsToldAgain) {
  bench.lose(wire, true);
  bench.set_cost(wire, 1, 8);
  bench.pass(kMoment);
  reset(1);
  EXPECT_EQ(bench.routing(2).link_cost(Bench::link_of(wire)), 8U);
  expect_agreement(bench, {0, 1, 2});
}

// The one end that lost messages had asked for something.
TEST_F(Lossy, ARequestIsMadeAgain) {
  bench.disconnect(wire);
  bench.routing(0).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  bench.reconnect(wire);
  // The summary of 1 reaches 2, the request of 2 does not reach 1, nor anything else of 2.
  std::vector<std::vector<std::uint8_t>> from_1;
  for (const Bench::Sent& sent : bench.take_log()) {
    if (sent.wire == wire && sent.from == 1) from_1.push_back(sent.message);
  }
  bench.lose(wire, true);
  for (const auto& message : from_1)
    EXPECT_TRUE(bench.routing(2).receive(Bench::link_of(wire), message, bench.now));
  bench.pass(kMoment);
  EXPECT_FALSE(bench.routing(2).table()->reachable("key"));
  reset(2);
  EXPECT_TRUE(bench.routing(2).table()->reachable("key"));
  expect_agreement(bench, {0, 1, 2});
}

TEST(Routing, AnOfferAndAListOfKeysAreToldAgain) {
  Bench bench;
  const std::size_t edge = bench.add(true);
  const std::size_t interior = bench.add();
  const std::size_t wire = bench.connect(edge, interior);
  bench.pass(kMoment);
  bench.lose(wire, true);
  bench.routing(edge).set_connectors(connectors_of({{"at-edge", 1}}), bench.now);
  bench.routing(interior).set_connectors(connectors_of({{"inside", 1}}), bench.now);
  bench.pass(kMoment);
  bench.lose(wire, false);
  bench.routing(edge).link_reset(1, bench.now);
  bench.pass(kMoment);
  EXPECT_TRUE(bench.routing(interior).table()->reachable("at-edge"));
  EXPECT_FALSE(bench.routing(edge).table()->reachable("inside"));
  bench.routing(interior).link_reset(1, bench.now);
  bench.pass(kMoment);
  EXPECT_TRUE(bench.routing(edge).table()->reachable("inside"));
}

// ---- limits

TEST(Routing, AnUnreachableRouterIsForgottenAfterAMinute) {
  Bench bench;
  for (int i = 0; i < 3; ++i)
    bench.add();
  const std::size_t wire = bench.connect(0, 1);
  bench.connect(1, 2);
  bench.pass(kMoment);
  bench.disconnect(wire);
  EXPECT_LE(bench.routing(0).due(), bench.now + Duration::seconds(60)) << "whether or not a table was asked for";
  bench.routing(0).table();
  bench.routing(1).table();
  bench.pass(Duration::seconds(59));
  EXPECT_EQ(bench.routing(0).topology().states().size(), 3U);
  bench.take_log();
  bench.pass(Duration::seconds(2));
  EXPECT_EQ(bench.routing(0).topology().states().size(), 1U);
  EXPECT_EQ(bench.routing(1).topology().states().size(), 2U);
  EXPECT_TRUE(bench.take_log().empty()) << "in silence";
  EXPECT_EQ(bench.routing(0).due(), Instant::max());
  bench.reconnect(wire);
  bench.pass(kMoment);
  expect_agreement(bench, {0, 1, 2});
}

TEST(Routing, ARouterThatComesBackInTimeIsNotForgotten) {
  Bench bench;
  bench.add();
  bench.add();
  const std::size_t wire = bench.connect(0, 1);
  for (int i = 0; i < 3; ++i) {
    bench.pass(kMoment);
    bench.disconnect(wire);
    bench.pass(Duration::seconds(40));
    bench.reconnect(wire);
  }
  bench.pass(Duration::seconds(100));
  expect_agreement(bench, {0, 1});
}

// Too far for a path, but part of the network all the same: others may need to hear of it from here.
TEST(Routing, ADistantRouterIsNotForgotten) {
  Bench bench;
  bench.add();
  const std::size_t routers = PathTree::kHopsMax + 10;
  Routing& first = bench.routing(0);
  first.link_up(1, {site_of(1), "", LinkKind::kInterior, 1, 1}, bench.now);
  for (std::size_t i = 1; i < routers; ++i) {
    std::vector<std::pair<std::size_t, std::uint32_t>> neighbours{{i - 1, 1}};
    if (i + 1 < routers) neighbours.emplace_back(i + 1, 1);
    EXPECT_TRUE(first.receive(1, update_of(state_of(i, {1, 1}, neighbours)), bench.now));
  }
  first.tick(bench.now);
  first.tick(bench.now + Duration::seconds(61));
  EXPECT_EQ(first.topology().states().size(), routers);
}

TEST(Routing, AFlappingLinkCostsABoundedNumberOfMessages) {
  Bench bench;
  for (int i = 0; i < 3; ++i)
    bench.add();
  const std::size_t wire = bench.connect(0, 1);
  bench.connect(1, 2);
  bench.pass(Duration::seconds(1));
  const std::uint64_t before = bench.routing(1).counters().originations;
  bench.take_log();
  for (int i = 0; i < 500; ++i) {
    bench.disconnect(wire);
    bench.pass(Duration::milliseconds(1));
    bench.reconnect(wire);
    bench.pass(Duration::milliseconds(1));
  }
  EXPECT_LE(bench.routing(1).counters().originations - before, 21U) << "one in 50 ms";
  std::size_t to_2 = 0;
  for (const Bench::Sent& sent : bench.take_log())
    to_2 += sent.wire == 1 && sent.from == 1 ? 1 : 0;
  EXPECT_LE(to_2, 2U * 21U) << "of 1 itself, and of 0";
  bench.pass(kMoment);
  expect_agreement(bench, {0, 1, 2});
}

}  // namespace
}  // namespace fairlead
