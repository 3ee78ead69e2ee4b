#include "router/routing/route_table.h"

#include <algorithm>
#include <tuple>

#include "transport/wire/frame.h"

namespace fairlead {
namespace {

constexpr std::size_t kHopSize = 8;

bool was_tried(const RouteQuery& query, std::uint64_t destination) noexcept {
  return std::find(query.tried.begin(), query.tried.end(), destination) != query.tried.end();
}

}  // namespace

RouteTable::RouteTable(Parts parts) : parts_(std::move(parts)) {
  for (auto& [key, connectors] : parts_.connectors) {
    if (connectors.empty()) continue;
    Entry& entry = entries_[key];
    entry.candidates.push_back({.site = parts_.self, .instances = static_cast<std::uint32_t>(connectors.size())});
    entry.connectors = std::move(connectors);
  }
  for (auto& [key, candidates] : parts_.candidates) {
    Entry& entry = entries_[key];
    entry.candidates.insert(entry.candidates.end(), std::make_move_iterator(candidates.begin()),
                            std::make_move_iterator(candidates.end()));
    // An edge site that has just changed its uplink may be told of twice.
    std::sort(entry.candidates.begin(), entry.candidates.end(), [](const Candidate& a, const Candidate& b) {
      return std::tuple(a.cost, a.site, a.via) < std::tuple(b.cost, b.site, b.via);
    });
  }
  parts_.connectors.clear();
  parts_.candidates.clear();
}

std::uint64_t RouteTable::value_of(const Candidate& candidate) noexcept {
  const std::uint64_t open = candidate.load.open();
  return (candidate.cost << 16) + (open << 16) / std::max<std::uint32_t>(candidate.instances, 1);
}

bool RouteTable::reachable(std::string_view routing_key) const noexcept {
  return entries_.find(routing_key) != entries_.end();
}

const std::vector<Candidate>& RouteTable::candidates(std::string_view routing_key) const noexcept {
  static const std::vector<Candidate> none;
  const auto at = entries_.find(routing_key);
  return at == entries_.end() ? none : at->second.candidates;
}

std::span<const std::uint32_t> RouteTable::links_to(RouterId neighbour) const noexcept {
  const auto at = parts_.links.find(neighbour);
  return at == parts_.links.end() ? std::span<const std::uint32_t>() : std::span(at->second);
}

std::vector<std::string> RouteTable::keys() const {
  std::vector<std::string> keys;
  for (const auto& entry : entries_)
    keys.push_back(entry.first);
  std::sort(keys.begin(), keys.end());
  return keys;
}

Route RouteTable::route(const RouteQuery& query, PathBuffer& buffer) const noexcept {
  if (!query.path.empty()) return route_along_path(query);
  const auto at = entries_.find(query.routing_key);
  if (at == entries_.end()) return {};
  const Entry& entry = at->second;
  if (query.arrived_on == RouteQuery::kFromListener) {
    const Candidate* best = choose(entry, query, kNoRouter);
    return best == nullptr ? Route{} : route_to(*best, entry, query, buffer);
  }
  const auto peer = parts_.peers.find(query.arrived_on);
  if (peer != parts_.peers.end() && peer->second.first == LinkKind::kEdge) {
    // For an edge site we decide as for our own clients, but never lead its connections back to it.
    const Candidate* best = choose(entry, query, peer->second.second);
    return best == nullptr ? Route{} : route_to(*best, entry, query, buffer);
  }
  return route_to_connector(entry, query);
}

// The path was decided where the connection came in: here only the next hop is looked up.
Route RouteTable::route_along_path(const RouteQuery& query) const noexcept {
  if (query.path.size() % kHopSize != 0) return {};
  const RouterId next{wire::load<std::uint64_t>(query.path.data())};
  const auto at = parts_.links.find(next);
  const auto peer = parts_.peers.find(query.arrived_on);
  // Only interior routers know paths, and none leads back to where it came from.
  if (at == parts_.links.end() || peer == parts_.peers.end()) return {};
  if (peer->second.first != LinkKind::kInterior || peer->second.second == next) return {};
  Route route;
  route.kind = Route::Kind::kLink;
  route.links = at->second;
  route.path = query.path.subspan(kHopSize);
  return route;
}

const Candidate* RouteTable::choose(const Entry& entry, const RouteQuery& query,
                                    RouterId arrived_from) const noexcept {
  const Candidate* best = nullptr;
  std::uint64_t best_value = 0;
  for (const Candidate& candidate : entry.candidates) {
    if (candidate.site == arrived_from) continue;
    if (was_tried(query, fairlead::value_of(candidate.site))) continue;
    // They come cheapest first, so nothing that follows can be better.
    if (best != nullptr && (query.strategy == Strategy::kLowestCost ? candidate.cost > best->cost
                                                                    : candidate.cost << 16 >= best_value)) {
      break;
    }
    std::uint64_t value = value_of(candidate);
    if (candidate.via == kNoRouter) {
      // Of this site's own connectors the least loaded would be taken.
      const LocalConnector* least = least_loaded(entry, query);
      if (least == nullptr) continue;
      value += std::uint64_t{least->load.open()} << 16;
    }
    if (best != nullptr && value >= best_value) continue;
    best = &candidate;
    best_value = value;
  }
  return best;
}

const LocalConnector* RouteTable::least_loaded(const Entry& entry, const RouteQuery& query) noexcept {
  const LocalConnector* least = nullptr;
  for (const LocalConnector& connector : entry.connectors) {
    if (was_tried(query, connector.id)) continue;
    if (least == nullptr || connector.load.open() < least->load.open()) least = &connector;
  }
  return least;
}

Route RouteTable::route_to_connector(const Entry& entry, const RouteQuery& query) const noexcept {
  const LocalConnector* least = least_loaded(entry, query);
  if (least == nullptr) return {};
  Route route;
  route.kind = Route::Kind::kConnector;
  route.connector = least->id;
  route.destination = least->id;
  route.load = least->load.get();
  return route;
}

Route RouteTable::route_to(const Candidate& candidate, const Entry& entry, const RouteQuery& query,
                           PathBuffer& buffer) const noexcept {
  Route route;
  if (candidate.via == kNoRouter) {
    route = route_to_connector(entry, query);
    route.decided_here = true;
    return route;
  }
  route.decided_here = true;
  route.destination = fairlead::value_of(candidate.site);
  route.load = candidate.load.get();
  std::array<RouterId, PathTree::kHopsMax + 1> path;
  std::uint32_t hops = 0;
  if (parts_.paths == nullptr) {
    path[hops++] = candidate.via;  // an edge site: its interior router knows the rest
  } else {
    if (candidate.via != parts_.self) {
      const std::uint32_t node = parts_.paths->find(candidate.via);
      if (node != PathTree::kNone) hops = parts_.paths->path_to(node, query.choice, path);
      if (hops == 0) return {};
    }
    if (candidate.edge) path[hops++] = candidate.site;
  }
  const auto next = parts_.links.find(path[0]);
  if (next == parts_.links.end()) return {};
  route.kind = Route::Kind::kLink;
  route.links = next->second;
  for (std::uint32_t i = 1; i < hops; ++i)
    wire::store<std::uint64_t>(&buffer[(i - 1) * kHopSize], fairlead::value_of(path[i]));
  route.path = std::span(buffer).first((hops - 1) * kHopSize);
  return route;
}

}  // namespace fairlead
