// PathTree: least-cost paths, against an oracle written differently (Floyd and Warshall) over all graphs of four
// routers with every single link failure, and over random larger ones; every path that it gives is walked. Then what
// counts as a link, limits, and the choice among equal paths.
#include "router/routing/path.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/path_oracle.h"
#include "tests/unit/routing_fixtures.h"
#include "transport/base/prng.h"

namespace fairlead {
namespace {

using sim::PathOracle;

struct GraphLink {
  std::size_t a;
  std::size_t b;
  std::uint32_t cost;
};

struct Graph {
  std::size_t size;
  std::vector<GraphLink> links;
};

std::vector<LinkState> states_of(const Graph& graph, std::uint64_t sequence) {
  std::vector<std::vector<std::pair<std::size_t, std::uint32_t>>> neighbours(graph.size);
  for (const GraphLink& link : graph.links) {
    neighbours[link.a].emplace_back(link.b, link.cost);
    neighbours[link.b].emplace_back(link.a, link.cost);
  }
  std::vector<LinkState> states;
  for (std::size_t i = 0; i < graph.size; ++i)
    states.push_back(state_of(i, {1, sequence}, neighbours[i]));
  return states;
}

PathOracle oracle_of(const Graph& graph) {
  PathOracle oracle(graph.size);
  for (const GraphLink& link : graph.links)
    oracle.link(link.a, link.b, link.cost);
  oracle.solve();
  return oracle;
}

PathTree tree_of(const Topology& topology, std::size_t root) {
  return {topology, *topology.find(router_of(root))};
}

void walk_paths(const PathTree& tree, const PathOracle& oracle, std::size_t root, std::size_t to,
                const std::map<RouterId, std::size_t>& numbers) {
  std::array<RouterId, PathTree::kHopsMax> path;
  const std::uint32_t node = tree.find(router_of(to));
  for (std::uint64_t choice = 0; choice < 8; ++choice) {
    const std::uint32_t hops = tree.path_to(node, choice, path);
    if (root == to || oracle.cost(root, to) == PathOracle::kUnreachable) {
      ASSERT_EQ(hops, 0U);
      return;
    }
    ASSERT_LE(hops, tree.hops_max(node));
    std::uint64_t cost = 0;
    std::size_t at = root;
    std::set<std::size_t> seen{root};
    for (std::uint32_t i = 0; i < hops; ++i) {
      const std::size_t next = numbers.at(path[i]);
      ASSERT_TRUE(seen.insert(next).second) << "a router twice";
      ASSERT_NE(oracle.link_cost(at, next), PathOracle::kUnreachable) << "no such link";
      cost += oracle.link_cost(at, next);
      at = next;
    }
    ASSERT_EQ(at, to);
    ASSERT_EQ(cost, oracle.cost(root, to));
  }
}

void check_tree(const PathTree& tree, const PathOracle& oracle, std::size_t root) {
  std::map<RouterId, std::size_t> numbers;
  for (std::size_t i = 0; i < oracle.size(); ++i)
    numbers[router_of(i)] = i;
  ASSERT_EQ(tree.size(), oracle.size());
  for (std::size_t to = 0; to < oracle.size(); ++to) {
    SCOPED_TRACE("from " + std::to_string(root) + " to " + std::to_string(to));
    const std::uint32_t node = tree.find(router_of(to));
    ASSERT_NE(node, PathTree::kNone);
    ASSERT_EQ(tree.cost(node), oracle.cost(root, to));
    // Exactly those from which the last hop completes a least-cost path.
    std::set<std::size_t> expected;
    for (std::size_t before = 0; before < oracle.size(); ++before) {
      if (to == root || oracle.cost(root, before) == PathOracle::kUnreachable) continue;
      if (oracle.link_cost(before, to) == PathOracle::kUnreachable) continue;
      if (oracle.cost(root, before) + oracle.link_cost(before, to) == oracle.cost(root, to)) expected.insert(before);
    }
    std::set<std::size_t> predecessors;
    for (const std::uint32_t before : tree.predecessors(node))
      predecessors.insert(numbers.at(tree.router(before)));
    ASSERT_EQ(predecessors, expected);
    walk_paths(tree, oracle, root, to, numbers);
    if (testing::Test::HasFatalFailure()) return;
  }
}

bool same_tree(const PathTree& a, const PathTree& b) {
  if (a.size() != b.size()) return false;
  std::array<RouterId, PathTree::kHopsMax> path_a;
  std::array<RouterId, PathTree::kHopsMax> path_b;
  for (std::uint32_t node = 0; node < a.size(); ++node) {
    if (a.router(node) != b.router(node) || a.cost(node) != b.cost(node)) return false;
    for (std::uint64_t choice = 0; choice < 4; ++choice) {
      const std::uint32_t hops = a.path_to(node, choice, path_a);
      if (b.path_to(node, choice, path_b) != hops) return false;
      if (!std::equal(path_a.begin(), path_a.begin() + hops, path_b.begin())) return false;
    }
  }
  return true;
}

// Four routers have six links, each absent or at cost 1 or 2.
Graph graph_of_four(unsigned number) {
  Graph graph{4, {}};
  for (std::size_t a = 0; a < 4; ++a) {
    for (std::size_t b = a + 1; b < 4; ++b, number /= 3) {
      if (number % 3 > 0) graph.links.push_back({a, b, number % 3});
    }
  }
  return graph;
}

void check_graph(const Graph& graph) {
  Topology topology;
  for (LinkState& state : states_of(graph, 1))
    topology.take(std::move(state));
  const PathOracle oracle = oracle_of(graph);
  for (std::size_t root = 0; root < graph.size; ++root)
    check_tree(tree_of(topology, root), oracle, root);
}

TEST(PathTree, EveryGraphOfFourAndEverySingleFailure) {
  unsigned graphs = 0;
  for (unsigned number = 0; number < 729; ++number) {
    SCOPED_TRACE("graph " + std::to_string(number));
    const Graph graph = graph_of_four(number);
    check_graph(graph);
    ++graphs;
    for (std::size_t failed = 0; failed < graph.links.size(); ++failed) {
      SCOPED_TRACE("without link " + std::to_string(failed));
      Graph rest = graph;
      rest.links.erase(rest.links.begin() + static_cast<std::ptrdiff_t>(failed));
      check_graph(rest);
      ++graphs;
    }
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_EQ(graphs, 729U + 6U * 2U * 243U);
}

// Link states before and after a failure, in every order of the routers and with old ones coming late.
TEST(PathTree, DoesNotDependOnTheOrderOfArrival) {
  Prng prng(7);
  for (unsigned number = 0; number < 729; ++number) {
    const Graph graph = graph_of_four(number);
    if (graph.links.empty()) continue;
    Graph rest = graph;
    rest.links.erase(rest.links.begin() + static_cast<std::ptrdiff_t>(prng.below(rest.links.size())));
    std::vector<LinkState> all = states_of(graph, 1);
    for (LinkState& state : states_of(rest, 2))
      all.push_back(std::move(state));
    std::vector<std::size_t> order{0, 1, 2, 3, 4, 5, 6, 7};
    std::vector<PathTree> first;
    for (int round = 0; round < 6; ++round) {
      for (std::size_t i = order.size() - 1; i > 0; --i)
        std::swap(order[i], order[prng.below(i + 1)]);
      Topology topology;
      for (const std::size_t i : order)
        topology.take(all[i]);
      for (std::size_t root = 0; root < 4; ++root) {
        PathTree tree = tree_of(topology, root);
        if (round == 0) {
          check_tree(tree, oracle_of(rest), root);
          first.push_back(std::move(tree));
        } else {
          ASSERT_TRUE(same_tree(tree, first[root])) << "graph " << number << ", root " << root;
        }
      }
    }
    ASSERT_FALSE(HasFailure()) << number;
  }
}

TEST(PathTree, RandomGraphsAgreeWithTheOracle) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    Graph graph{2 + prng.below(40), {}};
    const std::uint64_t cost_max = 1 + prng.below(20);
    std::set<std::pair<std::size_t, std::size_t>> taken;
    for (std::uint64_t n = prng.below(3 * graph.size); n > 0; --n) {
      const std::size_t a = prng.below(graph.size);
      const std::size_t b = prng.below(graph.size);
      if (a == b || !taken.insert(std::minmax(a, b)).second) continue;
      graph.links.push_back({a, b, static_cast<std::uint32_t>(1 + prng.below(cost_max))});
    }
    check_graph(graph);
    ASSERT_FALSE(HasFailure());
  }
}

TEST(PathTree, KnowsNothingOfAnEmptyTopology) {
  const PathTree none;
  EXPECT_EQ(none.size(), 0U);
  EXPECT_EQ(none.find(router_of(1)), PathTree::kNone);
  EXPECT_EQ(none.cost(router_of(1)), PathTree::kUnreachable);
  const PathTree unknown_root(Topology{}, state_of(1, {1, 1}, {}));
  EXPECT_EQ(unknown_root.size(), 0U);
}

TEST(PathTree, ALinkCountsIfBothEndsTellOfItAtTheLargerCost) {
  Topology topology;
  topology.take(state_of(0, {1, 1}, {{1, 3}, {2, 1}, {9, 1}}));  // of 9 nobody has heard
  topology.take(state_of(1, {1, 1}, {{0, 7}, {1, 1}}));          // ... and a link to itself
  topology.take(state_of(2, {1, 1}, {{1, 1}}));
  const PathTree tree = tree_of(topology, 0);
  EXPECT_EQ(tree.cost(router_of(0)), 0U);
  EXPECT_EQ(tree.cost(router_of(1)), 7U);
  EXPECT_EQ(tree.cost(router_of(2)), PathTree::kUnreachable);
  EXPECT_EQ(tree.cost(router_of(9)), PathTree::kUnreachable);
}

TEST(PathTree, TheRootKnowsItsOwnLinksFirst) {
  Topology topology;
  topology.take(state_of(0, {1, 1}, {{1, 1}}));
  topology.take(state_of(1, {1, 1}, {{0, 1}}));
  const PathTree tree(topology, state_of(0, {1, 1}, {{1, 5}}));
  EXPECT_EQ(tree.cost(router_of(1)), 5U);
  const PathTree cut(topology, state_of(0, {1, 1}, {}));
  EXPECT_EQ(cut.cost(router_of(1)), PathTree::kUnreachable);
}

TEST(PathTree, CostsAddUpBeyond32Bits) {
  Graph graph{4, {{0, 1, UINT32_MAX}, {1, 2, UINT32_MAX}, {2, 3, UINT32_MAX}}};
  Topology topology;
  for (LinkState& state : states_of(graph, 1))
    topology.take(std::move(state));
  EXPECT_EQ(tree_of(topology, 0).cost(router_of(3)), 3ULL * UINT32_MAX);
}

TEST(PathTree, APathHasAtMostAsManyHopsAsOpenCarries) {
  Graph line{PathTree::kHopsMax + 3, {}};
  for (std::size_t i = 1; i < line.size; ++i)
    line.links.push_back({i - 1, i, 1});
  Topology topology;
  for (LinkState& state : states_of(line, 1))
    topology.take(std::move(state));
  const PathTree tree = tree_of(topology, 0);
  const std::uint32_t last = tree.find(router_of(PathTree::kHopsMax));
  std::array<RouterId, PathTree::kHopsMax> path;
  EXPECT_EQ(tree.path_to(last, 0, path), PathTree::kHopsMax);
  EXPECT_EQ(path.front(), router_of(1));
  EXPECT_EQ(path.back(), router_of(PathTree::kHopsMax));
  const std::uint32_t beyond = tree.find(router_of(PathTree::kHopsMax + 1));
  EXPECT_EQ(tree.cost(beyond), PathTree::kUnreachable);
  EXPECT_EQ(tree.path_to(beyond, 0, path), 0U);
}

// A chain of diamonds: at each of them one of two ways.
TEST(PathTree, EqualPathsShareConnectionsWhicheverNumbersChoose) {
  constexpr std::size_t kDiamonds = 4;
  Graph graph{1 + 3 * kDiamonds, {}};
  for (std::size_t i = 0; i < kDiamonds; ++i) {
    for (const std::size_t way : {3 * i + 1, 3 * i + 2}) {
      graph.links.push_back({3 * i, way, 1});
      graph.links.push_back({way, 3 * i + 3, 1});
    }
  }
  Topology topology;
  for (LinkState& state : states_of(graph, 1))
    topology.take(std::move(state));
  const PathTree tree = tree_of(topology, 0);
  const std::uint32_t last = tree.find(router_of(3 * kDiamonds));
  Prng prng(1);
  // Counted up, in steps, and at random.
  const auto shares = [&](auto&& choice_of) {
    std::map<std::string, unsigned> seen;
    std::array<RouterId, PathTree::kHopsMax> path;
    for (std::uint64_t i = 0; i < 1600; ++i) {
      EXPECT_EQ(tree.path_to(last, choice_of(i), path), 2 * kDiamonds);
      std::string way;
      for (std::size_t d = 0; d < kDiamonds; ++d)
        way += path[2 * d] == router_of(3 * d + 1) ? 'a' : 'b';
      ++seen[way];
    }
    return seen;
  };
  for (const auto& seen : {shares([](std::uint64_t i) { return i; }), shares([](std::uint64_t i) { return 64 * i; }),
                           shares([&](std::uint64_t) { return prng.next(); })}) {
    EXPECT_EQ(seen.size(), 16U);
    for (const auto& [way, count] : seen) {
      EXPECT_GT(count, 50U) << way;
      EXPECT_LT(count, 200U) << way;
    }
  }
}

}  // namespace
}  // namespace fairlead
