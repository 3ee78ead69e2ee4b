// The network of a status document as nodes and links, each once, for whoever shows it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace fairlead {

struct NetworkGraph {
  struct Site {
    std::string id;
    std::string name;
    bool edge = false;
    bool self = false;
    bool reachable = true;
    bool described = true;          // otherwise known from a link only
    std::vector<std::string> keys;  // "db", "db:3" of several instances
  };

  enum class State : std::uint8_t {
    kUp,
    kDown,     // only one end tells of it: it does not count
    kActive,   // the uplink that an edge site uses
    kStandby,  // another one
  };

  struct Link {
    std::size_t a = 0;  // in `sites`; an edge site is always `a`
    std::size_t b = 0;
    std::uint64_t cost = 0;
    std::string rtt;  // empty: not known here
    State state = State::kUp;
  };

  std::vector<Site> sites;  // in the document's order
  std::vector<Link> links;
};

NetworkGraph graph_of(const nlohmann::ordered_json& network);

// The order in which people look for things: interior sites by name, then edge sites.
std::vector<std::size_t> sorted_sites(const NetworkGraph& graph);

}  // namespace fairlead
