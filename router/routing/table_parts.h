// What a RouteTable is made of, as functions of what is known: Routing calls them for the network it lives in, planning
// for one that is described to it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "router/routing/message.h"
#include "router/routing/path.h"
#include "router/routing/route_table.h"
#include "router/routing/topology.h"

namespace fairlead {

// A link of the router whose table it is.
struct RouterLink {
  std::uint32_t link = 0;
  LinkKind kind = LinkKind::kInterior;
  RouterId router = kNoRouter;  // at the other end
  std::uint32_t cost = 1;       // the larger of what both ends configured
};

// By routing key and site.
using Loads = std::map<std::pair<std::string, RouterId>, LoadRef>;

// The uplink that an edge site uses: the cheapest, among equals that to the lower router id. Null if there is none.
const RouterLink* active_uplink(std::span<const RouterLink> links);

void add_links(RouteTable::Parts& parts, std::span<const RouterLink> links);

// For an interior router: every other site that serves a key and that a path leads to.
void add_interior_candidates(RouteTable::Parts& parts, const Topology& topology, const PathTree& paths, Loads& loads);
// For an edge router: what its interior router says can be reached.
void add_uplink_candidates(RouteTable::Parts& parts, const RouterLink& uplink, const ReachableKeys& reach,
                           Loads& loads);

// What an interior router with this table says to an edge site of its own.
ReachableKeys reach_for(const RouteTable& table, RouterId edge);

}  // namespace fairlead
