// Topology: of each router the newest link state is kept, in whatever order they come.
#include "router/routing/topology.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/routing_fixtures.h"

namespace fairlead {
namespace {

using Taken = Topology::Taken;

TEST(Topology, KeepsTheNewest) {
  Topology topology;
  EXPECT_EQ(topology.find(router_of(1)), nullptr);
  EXPECT_EQ(topology.version_of(router_of(1)), LinkStateVersion{});
  EXPECT_EQ(topology.take(state_of(1, {5, 5, 5}, {})), Taken::kNewer);
  EXPECT_EQ(topology.take(state_of(1, {5, 5, 5}, {{2, 1}})), Taken::kKnown);
  EXPECT_EQ(topology.take(state_of(1, {5, 5, 4}, {{2, 1}})), Taken::kOlder);
  EXPECT_EQ(topology.take(state_of(1, {5, 4, 9}, {{2, 1}})), Taken::kOlder);
  EXPECT_EQ(topology.take(state_of(1, {4, 9, 9}, {{2, 1}})), Taken::kOlder);
  EXPECT_TRUE(topology.find(router_of(1))->neighbours.empty());
  EXPECT_EQ(topology.take(state_of(1, {5, 5, 6}, {{2, 1}})), Taken::kNewer);
  EXPECT_EQ(topology.take(state_of(1, {5, 6, 1}, {{2, 1}})), Taken::kSame);
  EXPECT_EQ(topology.take(state_of(1, {6, 0, 0}, {})), Taken::kNewer);
  EXPECT_EQ(topology.version_of(router_of(1)), (LinkStateVersion{6, 0, 0}));
  topology.forget(router_of(1));
  EXPECT_EQ(topology.find(router_of(1)), nullptr);
  EXPECT_EQ(topology.take(state_of(1, {1, 1}, {})), Taken::kNewer) << "what is forgotten is no measure any more";
}

TEST(Topology, DoesNotDependOnTheOrderOfArrival) {
  std::vector<LinkState> states{state_of(1, {1, 9, 1}, {}), state_of(1, {2, 1, 1}, {{2, 1}}),
                                state_of(1, {2, 1, 2}, {{3, 1}}), state_of(1, {2, 2, 0}, {{2, 5}})};
  std::vector<std::size_t> order{0, 1, 2, 3};
  do {
    Topology topology;
    for (const std::size_t i : order)
      topology.take(states[i]);
    EXPECT_TRUE(topology.find(router_of(1))->same_content(states[3]));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Topology, SummarisesByRouterId) {
  Topology topology;
  for (std::size_t i = 0; i < 50; ++i)
    topology.take(state_of(i, {i + 1, 2, 3}, {}));
  const SummaryMessage summary = topology.summary();
  ASSERT_EQ(summary.lines.size(), 50U);
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_TRUE(i == 0 || summary.lines[i - 1].router < summary.lines[i].router);
    EXPECT_EQ(summary.lines[i].version, topology.version_of(summary.lines[i].router));
  }
}

TEST(Topology, RefusesMoreRoutersThanItHasRoomFor) {
  Topology topology;
  for (std::size_t i = 0; i < Topology::kRoutersMax; ++i)
    ASSERT_EQ(topology.take(state_of(i, {1, 1}, {})), Taken::kNewer);
  EXPECT_EQ(topology.take(state_of(Topology::kRoutersMax, {1, 1}, {})), Taken::kRefused);
  EXPECT_EQ(topology.take(state_of(5, {2, 1}, {{1, 1}})), Taken::kNewer) << "those that are known go on";
  topology.forget(router_of(7));
  EXPECT_EQ(topology.take(state_of(Topology::kRoutersMax, {1, 1}, {})), Taken::kNewer);
}

TEST(LinkStateVersion, TheNextOneIsHigher) {
  EXPECT_EQ((LinkStateVersion{1, 2, 3}.next()), (LinkStateVersion{1, 3, 0}));
  EXPECT_GT((LinkStateVersion{1, UINT64_MAX, UINT64_MAX}.next()), (LinkStateVersion{1, UINT64_MAX, UINT64_MAX}));
  EXPECT_GT((LinkStateVersion{2, 0, 0}), (LinkStateVersion{1, 9, 9}));
  EXPECT_GT((LinkStateVersion{1, 1, 0}), (LinkStateVersion{1, 0, 9}));
}

TEST(RouterId, IsNeverNobodyAndDiffersEverywhere) {
  EXPECT_NE(router_id_of(""), kNoRouter);
  std::vector<RouterId> ids;
  for (std::size_t i = 0; i < 10'000; ++i)
    ids.push_back(router_of(i));
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

}  // namespace
}  // namespace fairlead
