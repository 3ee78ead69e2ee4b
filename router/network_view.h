// NetworkView: what this site knows of the network, for people and programs to look at. Plain values; a snapshot.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "router/routing/link_state.h"
#include "router/routing/route_table.h"
#include "router/routing/topology.h"
#include "transport/base/time.h"

namespace fairlead {

struct NetworkView {
  struct Neighbour {
    std::string site_id;  // of the other end; of a router that is not known by now: empty
    std::string site_name;
    std::uint32_t cost = 0;
    bool up = true;       // both ends tell of it; otherwise it does not count
    bool active = true;   // of an edge site's uplinks the one that it uses
  };

  struct Site {
    std::string id;
    std::string name;
    bool edge = false;
    bool reachable = true;           // a path leads there
    std::uint64_t cost = 0;          // of that path
    std::vector<Neighbour> links;    // of an edge site: its uplinks
    ServedKeys keys;
  };

  // One site that serves a key, as the site sees it that asks.
  struct Candidate {
    std::string site_id;
    std::string site_name;
    std::uint64_t cost = 0;
    std::uint32_t instances = 0;
    std::uint32_t open = 0;          // connections from here to there for this key
    double value = 0;                // what balancing compares: the least is chosen
    bool chosen = false;             // for the next connection
    bool uplink = false;             // whatever can be reached over the uplink to this site: an edge site knows no more
    std::vector<std::string> path;   // names of the sites on the way, the last one included; one of the equal paths
  };

  std::string self_id;
  std::vector<Site> sites;                             // an edge site knows itself only
  std::map<std::string, std::vector<Candidate>> keys;  // cheapest first
};

// What interior sites measure and tell only when asked. Who did not answer is not there.
struct NetworkSurvey {
  struct Link {
    std::string site_id;  // of the other end
    Duration round_trip{};
  };

  struct Load {
    std::string routing_key;
    std::string site_id;     // where the connections go to
    std::uint32_t open = 0;  // none are left out
  };

  struct Site {
    std::string id;
    std::vector<Link> links;
    std::vector<Load> loads;
  };

  std::vector<Site> sites;  // without this one
  bool done = false;        // all have answered, or the time is over
};

struct SiteName {
  std::string id;
  std::string name;
};

using SiteNames = std::map<RouterId, SiteName>;

// Of the sites that the topology tells of, edge sites included.
SiteNames names_of(const Topology& topology);

// What the table says of a key, and which candidate it would choose for a connection that arrives there. `open_here`:
// connections to this site's own connectors.
std::vector<NetworkView::Candidate> view_of(const RouteTable& table, std::string_view key, const SiteNames& names,
                                            RouterId self, std::uint32_t open_here,
                                            std::uint32_t arrived_on = RouteQuery::kFromListener);

}  // namespace fairlead
