#include "router/routing/path.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace fairlead {
namespace {

// For each fork another number (splitmix64), so that all combinations of forks come up, also if the choices differ in
// few bits: numbers that are counted up, or even ones only.
std::uint64_t next_choice(std::uint64_t choice) noexcept {
  choice += 0x9e3779b97f4a7c15;
  choice = (choice ^ (choice >> 30)) * 0xbf58476d1ce4e5b9;
  choice = (choice ^ (choice >> 27)) * 0x94d049bb133111eb;
  return choice ^ (choice >> 31);
}

}  // namespace

PathTree::PathTree(const Topology& topology, const LinkState& root_state) {
  nodes_.reserve(topology.states().size());
  for (const auto& known : topology.states())
    nodes_.push_back({known.first});
  const std::uint32_t root = find(root_state.router());
  if (root == kNone) return;
  const Graph graph = make_graph(topology, root_state);
  link_predecessors(graph, settle_costs(graph, root));
}

std::uint32_t PathTree::find(RouterId router) const noexcept {
  const auto at = std::lower_bound(nodes_.begin(), nodes_.end(), router,
                                   [](const Node& node, RouterId wanted) { return node.router < wanted; });
  if (at == nodes_.end() || at->router != router) return kNone;
  return static_cast<std::uint32_t>(at - nodes_.begin());
}

PathTree::Graph PathTree::make_graph(const Topology& topology, const LinkState& root) const {
  const auto cost_back = [](const LinkState& state, RouterId router) -> std::uint32_t {
    const auto at = std::lower_bound(state.neighbours.begin(), state.neighbours.end(), router,
                                     [](const Adjacency& link, RouterId wanted) { return link.router < wanted; });
    return at != state.neighbours.end() && at->router == router ? at->cost : 0;
  };
  std::vector<const LinkState*> states;
  states.reserve(nodes_.size());
  for (const auto& known : topology.states())
    states.push_back(known.first == root.router() ? &root : &known.second);
  Graph graph;
  graph.starts.reserve(nodes_.size() + 1);
  for (std::uint32_t node = 0; node < nodes_.size(); ++node) {
    graph.starts.push_back(static_cast<std::uint32_t>(graph.edges.size()));
    for (const Adjacency& link : states[node]->neighbours) {
      const std::uint32_t to = find(link.router);
      if (to == kNone || to == node) continue;
      const std::uint32_t back = cost_back(*states[to], nodes_[node].router);
      if (back != 0) graph.edges.push_back({to, std::max(link.cost, back)});
    }
  }
  graph.starts.push_back(static_cast<std::uint32_t>(graph.edges.size()));
  return graph;
}

// Dijkstra. Returns the nodes that can be reached, nearest first.
std::vector<std::uint32_t> PathTree::settle_costs(const Graph& graph, std::uint32_t root) {
  using Entry = std::pair<std::uint64_t, std::uint32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  std::vector<std::uint32_t> by_cost;
  by_cost.reserve(nodes_.size());
  nodes_[root].cost = 0;
  queue.emplace(0, root);
  while (!queue.empty()) {
    const auto [cost, node] = queue.top();
    queue.pop();
    if (cost > nodes_[node].cost) continue;  // a cheaper way was found since
    by_cost.push_back(node);
    for (std::uint32_t i = graph.starts[node]; i < graph.starts[node + 1]; ++i) {
      const Edge& edge = graph.edges[i];
      if (cost + edge.cost >= nodes_[edge.to].cost) continue;
      nodes_[edge.to].cost = cost + edge.cost;
      queue.emplace(nodes_[edge.to].cost, edge.to);
    }
  }
  return by_cost;
}

void PathTree::link_predecessors(const Graph& graph, std::span<const std::uint32_t> by_cost) {
  // Links are the same both ways, so who is before a node is among those it has links to.
  for (const std::uint32_t node : by_cost) {
    Node& at = nodes_[node];
    at.predecessors_at = static_cast<std::uint32_t>(predecessors_.size());
    for (std::uint32_t i = graph.starts[node]; i < graph.starts[node + 1]; ++i) {
      const Node& before = nodes_[graph.edges[i].to];
      if (before.cost + graph.edges[i].cost != at.cost) continue;
      predecessors_.push_back(graph.edges[i].to);
      ++at.predecessor_count;
      at.hops_max = std::max(at.hops_max, before.hops_max + 1);
    }
  }
  for (Node& node : nodes_) {
    if (node.hops_max > kHopsMax) node.cost = kUnreachable;
  }
}

std::uint32_t PathTree::path_to(std::uint32_t node, std::uint64_t choice, std::span<RouterId> path) const noexcept {
  if (nodes_[node].cost == kUnreachable) return 0;
  std::uint32_t hops = 0;
  for (std::uint32_t at = node; nodes_[at].predecessor_count > 0;) {
    path[hops++] = nodes_[at].router;
    choice = next_choice(choice);
    at = predecessors_[nodes_[at].predecessors_at + choice % nodes_[at].predecessor_count];
  }
  std::reverse(path.begin(), path.begin() + hops);
  return hops;
}

}  // namespace fairlead
