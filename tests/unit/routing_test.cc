// Routing: two, three or a few machines that are wired together by hand: what is sent on which event, and what follows.
// Whole networks with delays and faults: tests/sim/router_world_test.cc.
#include "router/routing/routing.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/routing_fixtures.h"

namespace fairlead {
namespace {

constexpr Duration kMoment = Duration::milliseconds(100);

// Which kinds of messages, in order: s(ummary), r(equest), u(pdate), c(ost), o(ffer), reac(h).
std::string kinds_of(const std::vector<Bench::Sent>& log) {
  std::string kinds;
  for (const Bench::Sent& sent : log)
    kinds += "?srucoh"[sent.message.at(1) < 7 ? sent.message[1] : 0];
  return kinds;
}

std::uint64_t cost_of(Bench& bench, std::size_t from, const char* key) {
  const auto table = bench.routing(from).table();
  const auto& candidates = table->candidates(key);
  return candidates.empty() ? 0 : candidates.front().cost;
}

TEST(Routing, AloneItIsSilent) {
  Bench bench;
  bench.add();
  bench.routing(0).set_connectors(connectors_of({{"key", 2}}), bench.now);
  bench.pass(Duration::seconds(600));
  EXPECT_TRUE(bench.take_log().empty());
  EXPECT_EQ(bench.routing(0).counters().messages_sent, 0U);
  EXPECT_EQ(bench.routing(0).due(), Instant::max());
  EXPECT_TRUE(bench.routing(0).table()->reachable("key"));
  EXPECT_EQ(bench.routing(0).topology().states().size(), 1U);
}

TEST(Routing, TwoTellEachOtherWhatTheyHaveAndFallSilent) {
  Bench bench;
  bench.add();
  bench.add();
  bench.routing(1).set_connectors(connectors_of({{"key", 3}}), bench.now);
  bench.connect(0, 1, 2, 5);
  bench.pass(kMoment);
  expect_agreement(bench, {0, 1});
  const auto table = bench.routing(0).table();
  ASSERT_EQ(table->candidates("key").size(), 1U);
  const Candidate& candidate = table->candidates("key").front();
  EXPECT_EQ(candidate.site, router_of(1));
  EXPECT_EQ(candidate.cost, 5U) << "the larger of both ends";
  EXPECT_EQ(candidate.instances, 3U);
  EXPECT_FALSE(candidate.edge);
  EXPECT_EQ(bench.routing(0).link_cost(1), 5U);
  // A summary each, what was asked for, and the link states that changed.
  EXPECT_LE(bench.take_log().size(), 10U);
  EXPECT_EQ(bench.pass(Duration::seconds(600)), 0U);
  EXPECT_EQ(bench.routing(0).table(), table) << "nothing changed, so neither did the table";
}

TEST(Routing, AChangeTravelsAlongTheLineOnce) {
  Bench bench;
  for (int i = 0; i < 4; ++i)
    bench.add();
  for (std::size_t i = 0; i < 3; ++i)
    bench.connect(i, i + 1, static_cast<std::uint32_t>(i + 1));
  bench.pass(kMoment);
  bench.take_log();
  bench.routing(3).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  EXPECT_EQ(kinds_of(bench.take_log()), "uuu");
  EXPECT_EQ(cost_of(bench, 0, "key"), 6U);
  bench.routing(3).set_connectors({}, bench.now);
  bench.pass(kMoment);
  EXPECT_EQ(kinds_of(bench.take_log()), "uuu");
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_FALSE(bench.routing(i).table()->reachable("key")) << i;
}

TEST(Routing, WhatDoesNotChangeIsNotTold) {
  Bench bench;
  bench.add();
  bench.add();
  const std::size_t wire = bench.connect(0, 1, 3, 3);
  bench.routing(0).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  bench.take_log();
  bench.routing(0).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.set_cost(wire, 0, 3);
  bench.pass(kMoment);
  EXPECT_EQ(kinds_of(bench.take_log()), "");
  bench.set_cost(wire, 0, 2);  // the larger one stays
  bench.pass(kMoment);
  EXPECT_EQ(kinds_of(bench.take_log()), "c");
}

TEST(Routing, ACostCountsFromBothEnds) {
  Bench bench;
  bench.add();
  bench.add();
  const std::size_t wire = bench.connect(0, 1, 1, 1);
  bench.routing(1).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  EXPECT_EQ(cost_of(bench, 0, "key"), 1U);
  bench.set_cost(wire, 1, 9);
  EXPECT_EQ(bench.routing(1).link_cost(1), 9U) << "at once, where it was configured";
  bench.pass(kMoment);
  EXPECT_EQ(cost_of(bench, 0, "key"), 9U);
  EXPECT_EQ(bench.routing(0).link_cost(1), 9U);
  bench.set_cost(wire, 0, 20);
  bench.pass(kMoment);
  EXPECT_EQ(cost_of(bench, 0, "key"), 20U);
  bench.set_cost(wire, 1, 1);
  bench.set_cost(wire, 0, 1);
  bench.pass(kMoment);
  EXPECT_EQ(cost_of(bench, 0, "key"), 1U);
}

TEST(Routing, OfParallelLinksTheCheapestCountsAndIsUsed) {
  Bench bench;
  bench.add();
  bench.add();
  bench.connect(0, 1, 4);
  const std::size_t second = bench.connect(0, 1, 2);
  const std::size_t third = bench.connect(0, 1, 2);
  bench.routing(1).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  EXPECT_EQ(cost_of(bench, 0, "key"), 2U);
  PathBuffer buffer;
  const auto links_of = [&](const RouteTable& table) {
    const Route route = table.route(query_of("key"), buffer);
    return std::vector<std::uint32_t>(route.links.begin(), route.links.end());
  };
  EXPECT_EQ(links_of(*bench.routing(0).table()), (std::vector<std::uint32_t>{2, 3}));
  bench.disconnect(second);
  bench.disconnect(third);
  bench.pass(kMoment);
  EXPECT_EQ(cost_of(bench, 0, "key"), 4U);
  EXPECT_EQ(links_of(*bench.routing(0).table()), (std::vector<std::uint32_t>{1}));
}

// ---- edge sites

TEST(Routing, AnEdgeSiteOffersWhatItServesAndHearsWhatItCanReach) {
  Bench bench;
  const std::size_t edge = bench.add(true);
  const std::size_t near = bench.add();
  const std::size_t far = bench.add();
  bench.routing(edge).set_connectors(connectors_of({{"at-edge", 2}, {"everywhere", 1}}), bench.now);
  bench.routing(far).set_connectors(connectors_of({{"far", 3}, {"everywhere", 4}}), bench.now);
  bench.connect(edge, near, 2, 3);
  bench.connect(near, far, 10);
  bench.pass(kMoment);

  EXPECT_EQ(bench.routing(edge).topology().states().size(), 0U) << "it takes no part in routing";
  EXPECT_EQ(bench.routing(far).topology().states().size(), 2U) << "an edge site is no router";
  const auto at_far = bench.routing(far).table();
  ASSERT_EQ(at_far->candidates("at-edge").size(), 1U);
  const Candidate& candidate = at_far->candidates("at-edge").front();
  EXPECT_TRUE(candidate.edge);
  EXPECT_EQ(candidate.site, router_of(edge));
  EXPECT_EQ(candidate.via, router_of(near));
  EXPECT_EQ(candidate.cost, 13U);
  EXPECT_EQ(candidate.instances, 2U);

  const auto at_edge = bench.routing(edge).table();
  EXPECT_EQ(at_edge->candidates("far").front().cost, 13U);
  EXPECT_EQ(at_edge->candidates("far").front().instances, 3U);
  EXPECT_EQ(at_edge->candidates("far").front().via, router_of(near));
  ASSERT_EQ(at_edge->candidates("everywhere").size(), 2U);
  EXPECT_EQ(at_edge->candidates("everywhere").front().via, kNoRouter) << "its own first";
  EXPECT_EQ(at_edge->candidates("everywhere").back().instances, 4U) << "its own are not told back to it";
  EXPECT_EQ(at_edge->candidates("at-edge").size(), 1U);
  EXPECT_EQ(bench.pass(Duration::seconds(600)), 0U);

  bench.routing(edge).set_connectors({}, bench.now);
  bench.routing(far).set_connectors({}, bench.now);
  bench.pass(kMoment);
  for (const std::size_t node : {edge, near, far})
    EXPECT_TRUE(bench.routing(node).table()->keys().empty()) << node;
}

TEST(Routing, TheCheapestUplinkCarriesAndTheOthersStandBy) {
  Bench bench;
  const std::size_t edge = bench.add(true);
  const std::size_t one = bench.add();
  const std::size_t two = bench.add();
  bench.connect(one, two);
  const std::size_t first = bench.connect(edge, one, 5);
  const std::size_t second = bench.connect(edge, two, 7);
  bench.routing(edge).set_connectors(connectors_of({{"at-edge", 1}}), bench.now);
  bench.routing(two).set_connectors(connectors_of({{"at-two", 1}}), bench.now);
  const auto via = [&](std::size_t node, const char* key) {
    const auto table = bench.routing(node).table();
    const auto& candidates = table->candidates(key);
    return candidates.size() == 1 ? candidates.front().via : kNoRouter;
  };
  bench.pass(kMoment);
  EXPECT_EQ(via(two, "at-edge"), router_of(one));
  EXPECT_EQ(via(edge, "at-two"), router_of(one));
  EXPECT_EQ(cost_of(bench, edge, "at-two"), 6U);
  // The other becomes cheaper, at its far end.
  bench.set_cost(first, one, 9);
  const auto ways = [&] { return bench.routing(one).table()->candidates("at-edge").size(); };
  for (int i = 0; i < 50; ++i) {
    bench.pass(Duration::milliseconds(1));
    EXPECT_GE(ways(), 1U) << "out of reach while the news travels";
  }
  EXPECT_EQ(ways(), 2U);
  EXPECT_EQ(via(edge, "at-two"), router_of(two)) << "what begins at the edge site goes the new way at once";
  bench.pass(Duration::seconds(1));
  EXPECT_EQ(via(one, "at-edge"), router_of(two));
  EXPECT_EQ(via(edge, "at-two"), router_of(two));
  EXPECT_EQ(cost_of(bench, edge, "at-two"), 7U);
  bench.disconnect(second);
  bench.pass(kMoment);
  EXPECT_EQ(via(two, "at-edge"), router_of(one));
  EXPECT_EQ(cost_of(bench, two, "at-edge"), 10U);
  bench.disconnect(first);
  bench.pass(kMoment);
  EXPECT_FALSE(bench.routing(two).table()->reachable("at-edge"));
  EXPECT_FALSE(bench.routing(edge).table()->reachable("at-two"));
}

TEST(Routing, TwoEdgeSitesReachEachOther) {
  Bench bench;
  const std::size_t hub = bench.add();
  const std::size_t left = bench.add(true);
  const std::size_t right = bench.add(true);
  bench.connect(left, hub, 2);
  bench.connect(right, hub, 3);
  bench.routing(right).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  EXPECT_EQ(cost_of(bench, left, "key"), 5U);
  EXPECT_TRUE(bench.routing(hub).table()->reachable("key"));
}

// ---- what a peer may not say

TEST(Routing, AMessageThatAPeerMayNotSendIsRefused) {
  Bench bench;
  const std::size_t interior = bench.add();
  const std::size_t other = bench.add();
  const std::size_t edge = bench.add(true);
  const std::size_t wire = bench.connect(interior, other);
  const std::size_t uplink = bench.connect(edge, interior);
  bench.routing(interior).set_connectors(connectors_of({{"key", 1}}), bench.now);
  bench.pass(kMoment);
  bench.take_log();
  const LinkState state = state_of(7, {1, 1}, {});
  const auto update = update_of(state);
  const auto summary = encode(SummaryMessage{{{router_of(7), {1, 1}}}});
  const auto request = encode(RequestMessage{{router_of(interior)}});
  const auto offer = encode(OfferMessage{true, {{"stolen", 1}}});
  const auto reach = encode(ReachMessage{{{"stolen", {1, 1}}}});
  const auto refused = [&](std::size_t node, std::size_t on, const std::vector<std::uint8_t>& message) {
    const std::uint64_t before = bench.routing(node).counters().messages_refused;
    return !bench.routing(node).receive(Bench::link_of(on), message, bench.now) &&
           bench.routing(node).counters().messages_refused == before + 1;
  };
  for (const auto& message : {update, summary, request, reach})
    EXPECT_TRUE(refused(interior, uplink, message)) << "from an edge site";
  for (const auto& message : {offer, reach})
    EXPECT_TRUE(refused(interior, wire, message)) << "from an interior router";
  for (const auto& message : {update, summary, request, offer})
    EXPECT_TRUE(refused(edge, uplink, message)) << "from an uplink";
  EXPECT_TRUE(refused(interior, wire, {1}));
  EXPECT_TRUE(refused(interior, wire, {}));
  EXPECT_TRUE(refused(interior, wire, {2, 1, 0, 0, 0, 0})) << "a version of later times";
  EXPECT_FALSE(refused(interior, wire, {1, 200, 3})) << "a kind of later times is ignored";
  EXPECT_FALSE(refused(interior, 20, {1})) << "of a link that is gone";
  EXPECT_EQ(bench.pass(kMoment), 0U);
  EXPECT_TRUE(bench.take_log().empty());
  EXPECT_EQ(bench.routing(interior).table()->keys(), std::vector<std::string>{"key"});
}

// Two site ids that hash alike. They are as good as any others, so one of them has to give way: the later one.
TEST(Routing, ASecondSiteOfTheSameRouterIdIsRefused) {
  const std::string one = "8yn0iYCKYHlIj4-BwPqk";
  const std::string two = "GReLUrM4wMqfg9yzV3KQ";
  ASSERT_EQ(router_id_of(one), router_id_of(two));
  Bench bench;
  bench.add();
  bench.add();
  bench.connect(0, 1);
  bench.pass(kMoment);
  LinkState state = state_of(5, {1, 1}, {});
  state.site_id = one;
  EXPECT_TRUE(bench.routing(0).receive(1, update_of(state), bench.now));
  state.site_id = two;
  state.version = {2, 1};
  EXPECT_TRUE(bench.routing(0).receive(1, update_of(state), bench.now));
  EXPECT_EQ(bench.routing(0).counters().states_refused, 1U);
  EXPECT_EQ(bench.routing(0).topology().find(router_id_of(one))->site_id, one);
}

}  // namespace
}  // namespace fairlead
