// RouteTable: where connections go, by hand, and against a plain search over random sites and keys.
#include "router/routing/route_table.h"

#include <map>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "transport/base/prng.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kFromListener = Forwarder::kFromListener;

TEST(RouteTable, KnowsNothingAtFirst) {
  const RouteTable table({}, {});
  EXPECT_EQ(table.route("key", kFromListener).kind, Route::Kind::kNone);
  EXPECT_EQ(table.route("", kFromListener).kind, Route::Kind::kNone);
  EXPECT_EQ(table.size(), 0U);
}

TEST(RouteTable, PrefersAConnectorOfThisSite) {
  const RouteTable table({{"key", {7}}}, {{1, {1, {{"key", 3}}}}});
  const Route route = table.route("key", kFromListener);
  EXPECT_EQ(route.kind, Route::Kind::kConnector);
  EXPECT_EQ(route.index, 7U);
}

TEST(RouteTable, TakesTurnsAmongConnectorsOfOneKey) {
  const RouteTable table({{"key", {4, 5, 6}}}, {});
  std::map<std::uint32_t, int> seen;
  for (int i = 0; i < 30; ++i)
    ++seen[table.route("key", kFromListener).index];
  EXPECT_EQ(seen, (std::map<std::uint32_t, int>{{4, 10}, {5, 10}, {6, 10}}));
}

TEST(RouteTable, TakesTheCheapestLink) {
  const RouteTable table({}, {{1, {5, {{"key", 1}}}}, {2, {3, {{"key", 1}}}}, {3, {4, {{"key", 1}}}}});
  const Route route = table.route("key", kFromListener);
  EXPECT_EQ(route.kind, Route::Kind::kLink);
  EXPECT_EQ(route.index, 2U);
}

TEST(RouteTable, TakesTheLowerLinkAmongEquals) {
  const RouteTable table({}, {{9, {3, {{"key", 1}}}}, {4, {3, {{"key", 50}}}}, {6, {3, {{"key", 1}}}}});
  EXPECT_EQ(table.route("key", kFromListener).index, 4U);
}

TEST(RouteTable, DoesNotSendOnOverALinkWhatCameOverOne) {
  const RouteTable table({{"here", {7}}}, {{1, {1, {{"there", 1}}}}, {2, {1, {{"there", 1}}}}});
  EXPECT_EQ(table.route("there", 1).kind, Route::Kind::kNone);
  EXPECT_EQ(table.route("there", 2).kind, Route::Kind::kNone);
  EXPECT_EQ(table.route("here", 1).kind, Route::Kind::kConnector);
}

TEST(RouteTable, ComparesKeysAsAWhole) {
  const RouteTable table({{"key", {1}}}, {});
  EXPECT_EQ(table.route("ke", kFromListener).kind, Route::Kind::kNone);
  EXPECT_EQ(table.route("key ", kFromListener).kind, Route::Kind::kNone);
  EXPECT_EQ(table.route("KEY", kFromListener).kind, Route::Kind::kNone);
  EXPECT_EQ(table.route(std::string("key\0", 4), kFromListener).kind, Route::Kind::kNone);
}

// The rule once more, in another way: look at all links, keep the least (cost, link).
Route search(const LocalConnectors& connectors, const Neighbours& neighbours, const std::string& key) {
  if (const auto at = connectors.find(key); at != connectors.end())
    return {Route::Kind::kConnector, at->second.front()};
  std::optional<std::pair<std::uint32_t, std::uint32_t>> best;
  for (const auto& [link, neighbour] : neighbours) {
    if (!neighbour.keys.contains(key)) continue;
    const std::pair candidate{neighbour.cost, link};
    if (!best || candidate < *best) best = candidate;
  }
  return best ? Route{Route::Kind::kLink, best->second} : Route{};
}

TEST(RouteTable, AgreesWithAPlainSearch) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    const auto random_key = [&] { return "key" + std::to_string(prng.below(20)); };
    LocalConnectors connectors;
    for (std::uint64_t n = prng.below(6); n > 0; --n) {
      connectors[random_key()] = {static_cast<std::uint32_t>(prng.below(100))};
    }
    Neighbours neighbours;
    for (std::uint64_t n = prng.below(8); n > 0; --n) {
      Neighbour& neighbour = neighbours[static_cast<std::uint32_t>(prng.below(50))];
      neighbour.cost = static_cast<std::uint32_t>(1 + prng.below(4));
      for (std::uint64_t k = prng.below(10); k > 0; --k)
        neighbour.keys[random_key()] = 1;
    }
    const RouteTable table(connectors, neighbours);
    for (int i = 0; i < 20; ++i) {
      const std::string key = "key" + std::to_string(i);
      const Route expected = search(connectors, neighbours, key);
      const Route route = table.route(key, kFromListener);
      ASSERT_EQ(route.kind, expected.kind) << key;
      ASSERT_EQ(route.index, expected.index) << key;
    }
  }
}

TEST(RouteTable, IsAskedByAllShardsAtOnce) {
  const RouteTable table({{"key", {4, 5}}}, {{1, {1, {{"there", 1}}}}});
  std::vector<std::thread> shards;
  for (int i = 0; i < 4; ++i) {
    shards.emplace_back([&] {
      for (int n = 0; n < 10'000; ++n) {
        const Route local = table.route("key", kFromListener);
        EXPECT_TRUE(local.index == 4 || local.index == 5);
        EXPECT_EQ(table.route("there", kFromListener).kind, Route::Kind::kLink);
      }
    });
  }
  for (std::thread& shard : shards)
    shard.join();
}

}  // namespace
}  // namespace fairlead
