// The keys of a listener: which one a client gets.
#include "transport/routing_keys.h"

#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

class Served final : public Forwarder {
 public:
  explicit Served(std::set<std::string, std::less<>> keys) : keys_(std::move(keys)) {}

  Route route(const RouteQuery&, PathBuffer&) const noexcept override { return {}; }

  bool reachable(std::string_view routing_key) const noexcept override { return keys_.contains(routing_key); }

 private:
  std::set<std::string, std::less<>> keys_;
};

using Choice = RoutingKeys::Choice;

TEST(RoutingKeys, OfOneKeyThereIsNoChoice) {
  const RoutingKeys keys(std::string("db"));
  EXPECT_EQ(keys.choose(Served({"db", "web"}), 0), "db");
  EXPECT_TRUE(keys.choose(Served({"web"}), 0).empty());
  EXPECT_FALSE(keys.reachable(Served({"web"})));
}

TEST(RoutingKeys, ByPriorityTheFirstThatIsServed) {
  const RoutingKeys keys(Choice::kPriority, {{"a", 1}, {"b", 1}, {"c", 1}});
  for (std::uint64_t client = 0; client < 100; ++client) {
    EXPECT_EQ(keys.choose(Served({"c", "b", "a"}), client), "a");
    EXPECT_EQ(keys.choose(Served({"c", "b"}), client), "b");
    EXPECT_EQ(keys.choose(Served({"c"}), client), "c");
    EXPECT_TRUE(keys.choose(Served({}), client).empty());
  }
  EXPECT_TRUE(keys.reachable(Served({"c"})));
  EXPECT_FALSE(keys.reachable(Served({"d"})));
}

std::map<std::string, int> shares(const RoutingKeys& keys, const Served& served) {
  std::map<std::string, int> count;
  for (std::uint64_t client = 0; client < 10'000; ++client)
    ++count[std::string(keys.choose(served, client))];
  return count;
}

TEST(RoutingKeys, WeightsAreSharesAmongThoseServed) {
  const RoutingKeys keys(Choice::kWeighted, {{"a", 70}, {"b", 20}, {"c", 10}});
  auto all = shares(keys, Served({"a", "b", "c"}));
  EXPECT_NEAR(all["a"], 7'000, 200);
  EXPECT_NEAR(all["b"], 2'000, 200);
  EXPECT_NEAR(all["c"], 1'000, 200);
  auto without = shares(keys, Served({"b", "c"}));
  EXPECT_EQ(without.count("a"), 0U);
  EXPECT_NEAR(without["b"], 6'667, 200);
  EXPECT_NEAR(without["c"], 3'333, 200);
  EXPECT_EQ(shares(keys, Served({})), (std::map<std::string, int>{{"", 10'000}}));
}

TEST(RoutingKeys, TheLargestWeightsDoNotOverflow) {
  std::vector<RoutingKeys::Key> many;
  for (int i = 0; i < 256; ++i)
    many.push_back({"key-" + std::to_string(i), INT32_MAX});
  const RoutingKeys keys(Choice::kWeighted, many);
  std::set<std::string, std::less<>> served;
  for (const auto& key : many)
    served.insert(key.name);
  EXPECT_GT(shares(keys, Served(served)).size(), 250U);
}

}  // namespace
}  // namespace fairlead
