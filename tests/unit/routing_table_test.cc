// RouteTable: the choice among those who serve a key, by cost and load; the path that OPEN gets, and what becomes of it
// on the way; what is never done. Then the counters of open connections, also from several threads.
#include "router/routing/route_table.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/routing_fixtures.h"
#include "transport/base/prng.h"
#include "transport/wire/frame.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kLinkTo1 = 11;       // interior router 1, twice
constexpr std::uint32_t kLinkTo1Too = 12;
constexpr std::uint32_t kLinkTo2 = 21;       // interior router 2
constexpr std::uint32_t kLinkToEdge8 = 81;   // edge sites
constexpr std::uint32_t kLinkToEdge9 = 91;

// The table of router 0:   0 ══ 1 ── 3 ── 5,  0 ── 2 ── 3,  edge sites 8 and 9 here, 7 at router 5; all links cost 1.
class Tables : public testing::Test {
 protected:
  Tables() {
    parts_.self = router_of(0);
    Topology topology;
    topology.take(state_of(0, {1, 1}, {{1, 1}, {2, 1}}));
    topology.take(state_of(1, {1, 1}, {{0, 1}, {3, 1}}));
    topology.take(state_of(2, {1, 1}, {{0, 1}, {3, 1}}));
    topology.take(state_of(3, {1, 1}, {{1, 1}, {2, 1}, {5, 1}}));
    topology.take(state_of(5, {1, 1}, {{3, 1}}));
    parts_.paths = std::make_shared<PathTree>(topology, *topology.find(router_of(0)));
    parts_.links[router_of(1)] = {kLinkTo1, kLinkTo1Too};
    parts_.links[router_of(2)] = {kLinkTo2};
    parts_.links[router_of(8)] = {kLinkToEdge8};
    parts_.links[router_of(9)] = {kLinkToEdge9};
    parts_.peers[kLinkTo1] = parts_.peers[kLinkTo1Too] = {LinkKind::kInterior, router_of(1)};
    parts_.peers[kLinkTo2] = {LinkKind::kInterior, router_of(2)};
    parts_.peers[kLinkToEdge8] = {LinkKind::kEdge, router_of(8)};
    parts_.peers[kLinkToEdge9] = {LinkKind::kEdge, router_of(9)};
  }

  void connectors(const char* key, std::vector<std::uint32_t> ids) {
    for (const std::uint32_t id : ids)
      parts_.connectors[key].push_back({id, LoadRef::make()});
  }

  // An interior site that serves the key.
  void remote(const char* key, std::size_t site, std::uint64_t cost, std::uint32_t instances = 1) {
    parts_.candidates[key].push_back({router_of(site), cost, instances, router_of(site), false, LoadRef::make()});
  }

  void edge(const char* key, std::size_t site, std::size_t via, std::uint64_t cost) {
    parts_.candidates[key].push_back({router_of(site), cost, 1, router_of(via), true, LoadRef::make()});
  }

  const RouteTable& table() {
    if (!table_) table_.emplace(std::move(parts_));
    return *table_;
  }

  Route route(const RouteQuery& query) { return table().route(query, buffer_); }

  // Opens this many connections, and keeps them. How many went where: by connector id, or site.
  std::map<std::uint64_t, unsigned> open(const RouteQuery& query, unsigned count) {
    std::map<std::uint64_t, unsigned> shares;
    for (unsigned i = 0; i < count; ++i) {
      const Route taken = route(query);
      if (taken.kind == Route::Kind::kNone) break;
      open_.emplace_back(taken.load);
      ++shares[taken.destination];
    }
    return shares;
  }

  static std::vector<RouterId> routers_of(std::span<const std::uint8_t> path) {
    std::vector<RouterId> routers;
    for (std::size_t at = 0; at < path.size(); at += 8)
      routers.push_back(RouterId{wire::load<std::uint64_t>(&path[at])});
    return routers;
  }

  static std::vector<std::uint8_t> path_of(std::vector<std::size_t> sites) {
    std::vector<std::uint8_t> path(8 * sites.size());
    for (std::size_t i = 0; i < sites.size(); ++i)
      wire::store<std::uint64_t>(&path[8 * i], value_of(router_of(sites[i])));
    return path;
  }

  static std::uint64_t site(std::size_t number) { return value_of(router_of(number)); }

  RouteTable::Parts parts_;
  std::optional<RouteTable> table_;
  PathBuffer buffer_;
  std::vector<LoadShare> open_;
};

using Shares = std::map<std::uint64_t, unsigned>;

TEST_F(Tables, NobodyServesAKeyThatNobodyServes) {
  connectors("here", {7});
  connectors("none", {});
  EXPECT_EQ(route(query_of("other")).kind, Route::Kind::kNone);
  EXPECT_EQ(route(query_of("")).kind, Route::Kind::kNone);
  EXPECT_EQ(route(query_of("HERE")).kind, Route::Kind::kNone);
  EXPECT_EQ(route(query_of("her")).kind, Route::Kind::kNone);
  EXPECT_EQ(route(query_of(std::string_view("here\0", 5))).kind, Route::Kind::kNone);
  EXPECT_EQ(route(query_of("none")).kind, Route::Kind::kNone);
  EXPECT_TRUE(table().reachable("here"));
  EXPECT_FALSE(table().reachable("none"));
  EXPECT_FALSE(table().reachable("other"));
  EXPECT_TRUE(table().candidates("other").empty());
  EXPECT_EQ(table().keys(), std::vector<std::string>{"here"});
  const RouteTable empty({});
  EXPECT_EQ(empty.route(query_of("here"), buffer_).kind, Route::Kind::kNone);
}

// ---- balance

TEST_F(Tables, OfItsOwnConnectorsTheLeastLoadedIsTaken) {
  connectors("key", {4, 5, 6});
  EXPECT_EQ(open(query_of("key"), 30), (Shares{{4, 10}, {5, 10}, {6, 10}}));
  // Those of one of them end.
  open_.erase(open_.begin() + 1);
  EXPECT_EQ(open(query_of("key"), 1), (Shares{{5, 1}}));
}

TEST_F(Tables, ACostIsAThresholdOfLoad) {
  connectors("key", {4});
  remote("key", 1, 5);
  // Value of the connector: what it has open. Of the other: five, and then more. Ties go to the lower cost.
  EXPECT_EQ(open(query_of("key"), 6), (Shares{{4, 6}}));
  EXPECT_EQ(open(query_of("key"), 1), (Shares{{site(1), 1}}));
  EXPECT_EQ(open(query_of("key"), 100), (Shares{{4, 50}, {site(1), 50}}));
}

TEST_F(Tables, InstancesAreWeights) {
  connectors("key", {4});
  remote("key", 1, 5, 2);
  remote("key", 3, 10, 1);
  // What all of them would be worth in the end: v = a = 5 + b/2 = 10 + c with a + b + c = 100.
  const Shares shares = open(query_of("key"), 100);
  EXPECT_NEAR(shares.at(4), 30, 1);
  EXPECT_NEAR(shares.at(site(1)), 50, 2);
  EXPECT_NEAR(shares.at(site(3)), 20, 1);
}

TEST_F(Tables, SeveralConnectorsOfItsOwnCountAsSeveralInstances) {
  connectors("key", {4, 5});
  remote("key", 1, 10);
  // v = a/2 = 10 + b, a + b = 100.
  const Shares shares = open(query_of("key"), 100);
  EXPECT_NEAR(shares.at(4), 37, 1);
  EXPECT_NEAR(shares.at(5), 37, 1);
  EXPECT_NEAR(shares.at(site(1)), 27, 1);
}

// A provider that is cheap by far keeps everything, however much it is.
TEST_F(Tables, ThereIsNoCapacityAtWhichCostsStopCounting) {
  connectors("key", {4});
  remote("key", 1, 1000);
  EXPECT_EQ(open(query_of("key"), 1001), (Shares{{4, 1001}}));
  EXPECT_EQ(open(query_of("key"), 1), (Shares{{site(1), 1}}));
}

TEST_F(Tables, ManyInstancesShareFractionsOfAUnit) {
  remote("key", 1, 1, 1000);
  remote("key", 2, 1, 3000);
  const Shares shares = open(query_of("key"), 400);
  EXPECT_NEAR(shares.at(site(1)), 100, 1);
  EXPECT_NEAR(shares.at(site(2)), 300, 1);
}

TEST_F(Tables, LowestCostNeverSpills) {
  remote("key", 3, 2);
  remote("key", 1, 1);
  remote("key", 2, 1);
  RouteQuery query = query_of("key");
  query.strategy = Strategy::kLowestCost;
  EXPECT_EQ(open(query, 1000), (Shares{{site(1), 500}, {site(2), 500}}));
  // Unless the cheapest ones refused.
  const std::vector<std::uint64_t> one{site(1)};
  query.tried = one;
  EXPECT_EQ(open(query, 10), (Shares{{site(2), 10}}));
  const std::vector<std::uint64_t> two{site(2), site(1)};
  query.tried = two;
  EXPECT_EQ(open(query, 10), (Shares{{site(3), 10}}));
}

TEST_F(Tables, LowestCostStaysAtThisSite) {
  connectors("key", {4});
  remote("key", 1, 1);
  RouteQuery query = query_of("key");
  query.strategy = Strategy::kLowestCost;
  EXPECT_EQ(open(query, 100), (Shares{{4, 100}}));
}

TEST_F(Tables, CandidatesComeCheapestFirstThenByRouterId) {
  remote("key", 3, 2);
  remote("key", 2, 1);
  remote("key", 1, 1);
  connectors("key", {4});
  const auto& candidates = table().candidates("key");
  ASSERT_EQ(candidates.size(), 4U);
  EXPECT_EQ(candidates[0].site, router_of(0));
  EXPECT_EQ(candidates[0].via, kNoRouter);
  EXPECT_EQ(candidates[1].site, std::min(router_of(1), router_of(2)));
  EXPECT_EQ(candidates[2].site, std::max(router_of(1), router_of(2)));
  EXPECT_EQ(candidates[3].site, router_of(3));
}

// The choice once more, in another way: look at all of them.
TEST_F(Tables, TheChoiceAgreesWithAPlainSearch) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Prng prng(seed);
    RouteTable::Parts parts;
    parts.self = router_of(0);
    parts.paths = parts_.paths;
    parts.links = parts_.links;
    std::vector<Candidate> all;
    for (const std::size_t number : {1U, 2U, 3U, 5U}) {
      if (prng.chance(30)) continue;
      all.push_back({router_of(number), 1 + prng.below(6), static_cast<std::uint32_t>(1 + prng.below(3)),
                     router_of(number), false, LoadRef::make()});
    }
    parts.candidates["key"] = all;
    const RouteTable table(std::move(parts));
    std::vector<LoadShare> shares;
    for (int i = 0; i < 50 && !all.empty(); ++i) {
      // Hundredths are enough for one, two or three instances.
      const Candidate* best = nullptr;
      const auto rank = [](const Candidate& c) {
        return std::tuple(c.cost * 6 + c.load.open() * 6 / c.instances, c.cost, c.site);
      };
      for (const Candidate& candidate : all) {
        if (best == nullptr || rank(candidate) < rank(*best)) best = &candidate;
      }
      const Route route = table.route(query_of("key"), buffer_);
      ASSERT_EQ(route.destination, value_of(best->site)) << "seed " << seed << ", connection " << i;
      shares.emplace_back(route.load);
      if (prng.chance(30)) shares.erase(shares.begin() + static_cast<std::ptrdiff_t>(prng.below(shares.size())));
    }
  }
}

// ---- tried

TEST_F(Tables, WhoRefusedIsNotAskedAgain) {
  connectors("key", {4, 5});
  remote("key", 1, 3);
  edge("key", 8, 0, 9);
  std::vector<std::uint64_t> tried;
  std::vector<std::uint64_t> order;
  for (;;) {
    RouteQuery query = query_of("key");
    query.tried = tried;
    const Route taken = route(query);
    if (taken.kind == Route::Kind::kNone) break;
    EXPECT_TRUE(taken.decided_here);
    order.push_back(taken.destination);
    tried.push_back(taken.destination);
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{4, 5, site(1), site(8)}));
}

TEST_F(Tables, ATriedConnectorDoesNotStandForTheOthers) {
  connectors("key", {4, 5});
  remote("key", 1, 3);
  const std::vector<std::uint64_t> tried{4};
  RouteQuery query = query_of("key");
  query.tried = tried;
  // 5 alone, until it is worth more than the other site.
  EXPECT_EQ(open(query, 4), (Shares{{5, 4}}));
  EXPECT_EQ(open(query, 1), (Shares{{site(1), 1}}));
}

// ---- ways

TEST_F(Tables, ADirectNeighbourNeedsNoPath) {
  remote("key", 1, 1);
  const Route taken = route(query_of("key"));
  EXPECT_EQ(taken.kind, Route::Kind::kLink);
  EXPECT_TRUE(taken.decided_here);
  EXPECT_EQ(std::vector(taken.links.begin(), taken.links.end()), (std::vector{kLinkTo1, kLinkTo1Too}));
  EXPECT_TRUE(taken.path.empty());
  EXPECT_EQ(taken.destination, site(1));
}

TEST_F(Tables, EqualPathsAreBothUsed) {
  remote("key", 3, 2);
  std::map<std::uint32_t, unsigned> first_links;
  for (std::uint64_t choice = 0; choice < 100; ++choice) {
    RouteQuery query = query_of("key");
    query.choice = choice;
    const Route taken = route(query);
    ++first_links[taken.links.front()];
    EXPECT_EQ(routers_of(taken.path), std::vector{router_of(3)});
  }
  EXPECT_GT(first_links[kLinkTo1], 25U);
  EXPECT_GT(first_links[kLinkTo2], 25U);
}

TEST_F(Tables, AnEdgeSiteFarAwayIsTheEndOfThePath) {
  edge("key", 7, 5, 9);
  const Route taken = route(query_of("key"));
  EXPECT_EQ(routers_of(taken.path), (std::vector{router_of(3), router_of(5), router_of(7)}));
  EXPECT_EQ(taken.destination, site(7));
}

TEST_F(Tables, AnEdgeSiteOfOursNeedsNoPath) {
  edge("key", 8, 0, 2);
  const Route taken = route(query_of("key"));
  EXPECT_EQ(std::vector(taken.links.begin(), taken.links.end()), std::vector{kLinkToEdge8});
  EXPECT_TRUE(taken.path.empty());
}

TEST_F(Tables, WhatComesFromARouterGoesAlongItsPath) {
  connectors("key", {4});
  remote("key", 1, 1);
  RouteQuery query = query_of("key", kLinkTo1);
  const auto path = path_of({2, 3, 5});
  query.path = path;
  const Route taken = route(query);
  EXPECT_EQ(taken.kind, Route::Kind::kLink);
  EXPECT_FALSE(taken.decided_here);
  EXPECT_EQ(taken.load, nullptr) << "it counts where it came in";
  EXPECT_EQ(std::vector(taken.links.begin(), taken.links.end()), std::vector{kLinkTo2});
  EXPECT_EQ(routers_of(taken.path), (std::vector{router_of(3), router_of(5)}));
  // Its last hop may be an edge site.
  const auto to_edge = path_of({8});
  query.path = to_edge;
  EXPECT_EQ(route(query).links.front(), kLinkToEdge8);
  EXPECT_TRUE(route(query).path.empty());
}

TEST_F(Tables, AtTheEndOfItsPathItGoesToAConnectorOrNowhere) {
  connectors("key", {4, 5});
  remote("key", 2, 1);
  remote("elsewhere", 2, 1);
  edge("elsewhere", 8, 0, 1);
  const Route taken = route(query_of("key", kLinkTo1));
  EXPECT_EQ(taken.kind, Route::Kind::kConnector);
  EXPECT_FALSE(taken.decided_here);
  EXPECT_EQ(open(query_of("key", kLinkTo1), 100), (Shares{{4, 50}, {5, 50}})) << "others are no longer asked";
  EXPECT_EQ(route(query_of("elsewhere", kLinkTo1)).kind, Route::Kind::kNone);
}

TEST_F(Tables, APathThatCannotBeFollowedLeadsNowhere) {
  connectors("key", {4});
  const auto follow = [&](const std::vector<std::uint8_t>& path, std::uint32_t arrived_on) {
    RouteQuery query = query_of("key", arrived_on);
    query.path = path;
    return route(query).kind;
  };
  EXPECT_EQ(follow(path_of({2}), kLinkTo1), Route::Kind::kLink);
  EXPECT_EQ(follow(path_of({3}), kLinkTo1), Route::Kind::kNone) << "not a neighbour";
  EXPECT_EQ(follow(path_of({0}), kLinkTo1), Route::Kind::kNone) << "this one itself";
  EXPECT_EQ(follow(path_of({1}), kLinkTo1), Route::Kind::kNone) << "back";
  EXPECT_EQ(follow(path_of({1, 3}), kLinkTo1Too), Route::Kind::kNone) << "back over another link";
  EXPECT_EQ(follow(path_of({2}), kLinkToEdge8), Route::Kind::kNone) << "an edge site knows no paths";
  EXPECT_EQ(follow(path_of({2}), 99), Route::Kind::kNone) << "a link that is gone";
  EXPECT_EQ(follow(path_of({2}), RouteQuery::kFromListener), Route::Kind::kNone);
  EXPECT_EQ(follow({1, 2, 3}, kLinkTo1), Route::Kind::kNone) << "not a whole router";
  std::vector<std::uint8_t> uneven = path_of({2});
  uneven.push_back(0);
  EXPECT_EQ(follow(uneven, kLinkTo1), Route::Kind::kNone);
}

// ---- edge sites

TEST_F(Tables, WhatComesFromAnEdgeSiteIsDecidedHere) {
  connectors("key", {4});
  edge("key", 9, 0, 2);
  remote("far", 5, 3);
  Route taken = route(query_of("key", kLinkToEdge8));
  EXPECT_EQ(taken.kind, Route::Kind::kConnector);
  EXPECT_TRUE(taken.decided_here);
  taken = route(query_of("far", kLinkToEdge8));
  EXPECT_EQ(taken.kind, Route::Kind::kLink);
  EXPECT_TRUE(taken.decided_here);
  EXPECT_EQ(routers_of(taken.path), (std::vector{router_of(3), router_of(5)}));
  EXPECT_EQ(open(query_of("key", kLinkToEdge8), 100).size(), 2U) << "balanced as for our own clients";
}

TEST_F(Tables, ItNeverGoesBackToTheEdgeSiteItCameFrom) {
  edge("key", 8, 0, 1);
  edge("both", 8, 0, 1);
  edge("both", 9, 0, 7);
  EXPECT_EQ(route(query_of("key", kLinkToEdge8)).kind, Route::Kind::kNone);
  EXPECT_EQ(route(query_of("key", kLinkToEdge9)).links.front(), kLinkToEdge8);
  EXPECT_EQ(open(query_of("both", kLinkToEdge8), 100), (Shares{{site(9), 100}}));
}

TEST(EdgeTable, AnEdgeSiteHasItsConnectorsAndItsUplink) {
  RouteTable::Parts parts;
  parts.self = router_of(8);
  parts.connectors = connectors_of({{"key", 1}, {"own", 1}});
  parts.candidates["key"].push_back({router_of(0), 3, 2, router_of(0), false, LoadRef::make()});
  parts.candidates["far"].push_back({router_of(0), 9, 1, router_of(0), false, LoadRef::make()});
  parts.links[router_of(0)] = {5};
  parts.peers[5] = {LinkKind::kUplink, router_of(0)};
  const RouteTable table(std::move(parts));
  PathBuffer buffer;
  const Route far = table.route(query_of("far"), buffer);
  EXPECT_EQ(far.kind, Route::Kind::kLink);
  EXPECT_EQ(far.links.front(), 5U);
  EXPECT_TRUE(far.path.empty()) << "its interior router knows the rest";
  EXPECT_EQ(table.route(query_of("key"), buffer).kind, Route::Kind::kConnector);
  EXPECT_EQ(table.route(query_of("own", 5), buffer).kind, Route::Kind::kConnector);
  EXPECT_EQ(table.route(query_of("far", 5), buffer).kind, Route::Kind::kNone) << "no transit";
  std::vector<std::uint8_t> path(8);
  wire::store<std::uint64_t>(path.data(), value_of(router_of(0)));
  RouteQuery query = query_of("far", 5);
  query.path = path;
  EXPECT_EQ(table.route(query, buffer).kind, Route::Kind::kNone);
}

TEST(RouteTableLimits, TheLongestPathFitsIntoOpen) {
  Topology topology;
  const std::size_t last = PathTree::kHopsMax;
  for (std::size_t i = 0; i <= last; ++i) {
    std::vector<std::pair<std::size_t, std::uint32_t>> neighbours;
    if (i > 0) neighbours.emplace_back(i - 1, 1);
    if (i < last) neighbours.emplace_back(i + 1, 1);
    topology.take(state_of(i, {1, 1}, neighbours));
  }
  RouteTable::Parts parts;
  parts.self = router_of(0);
  parts.paths = std::make_shared<PathTree>(topology, *topology.find(router_of(0)));
  parts.links[router_of(1)] = {1};
  parts.candidates["key"].push_back({router_of(1000), last, 1, router_of(last), true, LoadRef::make()});
  const RouteTable table(std::move(parts));
  PathBuffer buffer;
  const Route route = table.route(query_of("key"), buffer);
  ASSERT_EQ(route.kind, Route::Kind::kLink);
  EXPECT_EQ(route.path.size(), 8 * last);
  EXPECT_EQ(wire::load<std::uint64_t>(&route.path[8 * (last - 1)]), value_of(router_of(1000)));
}

// ---- the counters

TEST(Load, CountsWhatIsOpen) {
  LoadRef load = LoadRef::make();
  EXPECT_EQ(load.open(), 0U);
  {
    LoadShare one(load.get());
    LoadShare two(load.get());
    EXPECT_EQ(load.open(), 2U);
    LoadShare moved(std::move(one));
    EXPECT_EQ(load.open(), 2U);
    two = std::move(moved);
    EXPECT_EQ(load.open(), 2U) << "what it had is at the end of its life somewhere else";
  }
  EXPECT_EQ(load.open(), 0U);
  const LoadShare none;
  const LoadShare nobody(nullptr);
  EXPECT_EQ(LoadRef().open(), 0U);
}

TEST(Load, OutlivesTheTable) {
  LoadShare share;
  {
    LoadRef load = LoadRef::make();
    EXPECT_TRUE(load.unique());
    const LoadRef copy = load;
    EXPECT_FALSE(load.unique());
    share = LoadShare(load.get());
  }
  // The last one that knows of the counter; its end is the counter's.
  share = LoadShare();
  LoadRef other = LoadRef::make();
  LoadRef& same = other;
  other = same;
  EXPECT_TRUE(other.unique());
  EXPECT_FALSE(LoadRef().unique());
}

TEST(Load, IsCountedByAllShardsAtOnce) {
  RouteTable::Parts parts;
  parts.self = router_of(0);
  parts.connectors = connectors_of({{"key", 3}});
  auto table = std::make_shared<const RouteTable>(std::move(parts));
  std::vector<LoadRef> loads;
  {
    PathBuffer buffer;
    std::vector<LoadShare> shares;
    for (int i = 0; i < 3; ++i) {
      loads.emplace_back(table->route(query_of("key"), buffer).load);
      ASSERT_NE(loads.back().get(), nullptr);
      shares.emplace_back(loads.back().get());
    }
  }
  std::vector<std::thread> shards;
  for (std::uint64_t shard = 0; shard < 4; ++shard) {
    shards.emplace_back([shard, table] {
      PathBuffer buffer;
      Prng prng(shard);
      std::vector<LoadShare> open;
      for (int i = 0; i < 20'000; ++i) {
        const Route route = table->route(query_of("key"), buffer);
        open.emplace_back(route.load);
        if (open.size() > 20) {
          std::swap(open[prng.below(open.size())], open.back());
          open.pop_back();
        }
      }
    });
  }
  table.reset();
  for (std::thread& shard : shards)
    shard.join();
  for (const LoadRef& load : loads) {
    EXPECT_EQ(load.open(), 0U);
    EXPECT_TRUE(load.unique());
  }
}

}  // namespace
}  // namespace fairlead
