#include "router/routing/table_parts.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace fairlead {
namespace {

void add_candidate(RouteTable::Parts& parts, Loads& loads, const std::string& key, Candidate candidate) {
  LoadRef& load = loads[{key, candidate.site}];
  if (load.get() == nullptr) load = LoadRef::make();
  candidate.load = load;
  parts.candidates[key].push_back(std::move(candidate));
}

}  // namespace

const RouterLink* active_uplink(std::span<const RouterLink> links) {
  const RouterLink* best = nullptr;
  for (const RouterLink& link : links) {
    if (link.kind != LinkKind::kUplink) continue;
    if (best == nullptr || std::tie(link.cost, link.router) < std::tie(best->cost, best->router)) best = &link;
  }
  return best;
}

void add_links(RouteTable::Parts& parts, std::span<const RouterLink> links) {
  std::map<RouterId, std::uint32_t> least;
  for (const RouterLink& link : links) {
    parts.peers[link.link] = {link.kind, link.router};
    const auto [at, first] = least.emplace(link.router, link.cost);
    if (!first) at->second = std::min(at->second, link.cost);
  }
  const RouterLink* uplink = active_uplink(links);
  for (const RouterLink& link : links) {
    if (link.kind == LinkKind::kUplink ? &link == uplink : link.cost == least[link.router]) {
      parts.links[link.router].push_back(link.link);
    }
  }
}

void add_interior_candidates(RouteTable::Parts& parts, const Topology& topology, const PathTree& paths, Loads& loads) {
  for (std::uint32_t node = 0; node < paths.size(); ++node) {
    const std::uint64_t cost = paths.cost(node);
    if (cost == PathTree::kUnreachable) continue;
    const RouterId router = paths.router(node);
    const LinkState& state = *topology.find(router);
    if (router != parts.self) {
      for (const auto& [key, instances] : state.keys) {
        add_candidate(parts, loads, key, {.site = router, .cost = cost, .instances = instances, .via = router});
      }
    }
    for (const EdgeSite& edge : state.edges) {
      for (const auto& [key, instances] : edge.keys) {
        add_candidate(parts, loads, key,
                      {.site = router_id_of(edge.site_id),
                       .cost = cost + edge.cost,
                       .instances = instances,
                       .via = router,
                       .edge = true});
      }
    }
  }
}

void add_uplink_candidates(RouteTable::Parts& parts, const RouterLink& uplink, const ReachableKeys& reach,
                           Loads& loads) {
  for (const auto& [key, sum] : reach) {
    add_candidate(parts, loads, key,
                  {.site = uplink.router,
                   .cost = std::uint64_t{uplink.cost} + sum.cost,
                   .instances = sum.instances,
                   .via = uplink.router});
  }
}

ReachableKeys reach_for(const RouteTable& table, RouterId edge) {
  ReachableKeys reach;
  for (const std::string& key : table.keys()) {
    Reach sum{UINT32_MAX, 0};
    for (const Candidate& candidate : table.candidates(key)) {
      if (candidate.site == edge) continue;  // what it serves itself
      sum.cost = static_cast<std::uint32_t>(std::min<std::uint64_t>(candidate.cost, sum.cost));
      sum.instances =
          static_cast<std::uint16_t>(std::min<std::uint32_t>(sum.instances + candidate.instances, UINT16_MAX));
    }
    if (sum.instances > 0) reach.emplace(key, sum);
  }
  return reach;
}

}  // namespace fairlead
