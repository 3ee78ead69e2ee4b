// NetworkView: what this site knows of the network, for people and programs to look at. Plain values; a snapshot.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "router/routing/link_state.h"

namespace fairlead {

struct NetworkView {
  struct Neighbour {
    std::string site_id;  // of the other end; of a router that is not known by now: empty
    std::string site_name;
    std::uint32_t cost = 0;
  };

  struct Site {
    std::string id;
    std::string name;
    bool edge = false;
    bool reachable = true;           // a path leads there; always of edge sites
    std::uint64_t cost = 0;          // of that path
    std::vector<Neighbour> links;    // of an edge site: to the interior site that told of it
    ServedKeys keys;
  };

  // One site that serves a key, as this one sees it.
  struct Candidate {
    std::string site_id;
    std::string site_name;
    std::uint64_t cost = 0;
    std::uint32_t instances = 0;
    std::uint32_t open = 0;          // connections from here to there for this key
    double value = 0;                // what balancing compares: the least is chosen
    std::vector<std::string> path;   // names of the sites on the way, the last one included; one of the equal paths
  };

  std::string self_id;
  std::vector<Site> sites;                             // an edge site knows itself only
  std::map<std::string, std::vector<Candidate>> keys;  // cheapest first
};

}  // namespace fairlead
