// PathTree: the least-cost paths from one router to every other, all of the equal ones. Pure: the same topology gives
// the same tree on every machine.
//
// A link is used if both its ends tell of it, at the larger of the two costs they tell. Costs are at least 1, so the
// predecessors of a router are nearer than itself, and a path never meets a router twice.
//
// Immutable once computed; may be shared between threads.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "router/routing/router_id.h"
#include "router/routing/topology.h"

namespace fairlead {

class PathTree {
 public:
  static constexpr std::uint64_t kUnreachable = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  // Hops of the longest path that OPEN can carry; routers further away cannot be reached.
  static constexpr std::uint32_t kHopsMax = 254;

  PathTree() = default;
  // From the router that `root` tells of, which need not be in the topology in this very version: a router knows its
  // own links before it has told anybody. O((routers + links) log routers).
  PathTree(const Topology& topology, const LinkState& root);

  std::size_t size() const noexcept { return nodes_.size(); }

  RouterId router(std::uint32_t node) const noexcept { return nodes_[node].router; }

  // kNone if the router is not in the topology.
  std::uint32_t find(RouterId router) const noexcept;

  // Path cost; kUnreachable if no path leads there.
  std::uint64_t cost(std::uint32_t node) const noexcept { return nodes_[node].cost; }

  std::uint64_t cost(RouterId router) const noexcept {
    const std::uint32_t node = find(router);
    return node == kNone ? kUnreachable : cost(node);
  }

  // Whether links lead there at all, be it over too many hops for a path.
  bool connected(std::uint32_t node) const noexcept {
    return nodes_[node].cost == 0 || nodes_[node].predecessor_count > 0;
  }

  // How many hops the equal paths have at most.
  std::uint32_t hops_max(std::uint32_t node) const noexcept { return nodes_[node].hops_max; }

  // The routers from the first hop to `node` itself, of one of the equal paths: which one, `choice` decides. Returns
  // how many; 0 if the node is the root or cannot be reached. `path` has room for kHopsMax.
  std::uint32_t path_to(std::uint32_t node, std::uint64_t choice, std::span<RouterId> path) const noexcept;

  // The nodes before this one on equal paths, by router id.
  std::span<const std::uint32_t> predecessors(std::uint32_t node) const noexcept {
    return std::span(predecessors_).subspan(nodes_[node].predecessors_at, nodes_[node].predecessor_count);
  }

 private:
  struct Node {
    RouterId router = kNoRouter;
    std::uint64_t cost = kUnreachable;
    std::uint32_t predecessors_at = 0;
    std::uint32_t predecessor_count = 0;
    std::uint32_t hops_max = 0;
  };

  struct Edge {
    std::uint32_t to;
    std::uint32_t cost;
  };

  // Edges of node i are those from starts[i] to starts[i + 1].
  struct Graph {
    std::vector<std::uint32_t> starts;
    std::vector<Edge> edges;
  };

  Graph make_graph(const Topology& topology, const LinkState& root) const;
  std::vector<std::uint32_t> settle_costs(const Graph& graph, std::uint32_t root);
  void link_predecessors(const Graph& graph, std::span<const std::uint32_t> by_cost);

  std::vector<Node> nodes_;  // by router id
  std::vector<std::uint32_t> predecessors_;
};

}  // namespace fairlead
