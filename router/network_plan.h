// Routes in a network that is described, not lived in: another site's view of this one, or a network that does not
// exist (yet). Builds what routers would tell each other, and asks the very RouteTable that they would use. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "router/network_view.h"

namespace fairlead {

struct NetworkModel {
  struct Site {
    std::string id;  // unlike any other
    std::string name;
    bool edge = false;
    ServedKeys keys;
  };

  // Between two interior sites, or an edge site and an interior one. Each pair once.
  struct Link {
    std::size_t a = 0;  // in `sites`
    std::size_t b = 0;
    std::uint32_t cost = 1;
  };

  // How many connections are open, by routing key and id of the site that they go to.
  using Open = std::map<std::pair<std::string, std::string>, std::uint32_t>;

  static constexpr std::size_t kNone = SIZE_MAX;

  std::vector<Site> sites;
  std::vector<Link> links;
  std::size_t self = kNone;  // the site whose view it is
  Open open;                 // there

  Link* find_link(std::size_t a, std::size_t b);
};

struct NetworkChange {
  enum class Kind : std::uint8_t { kCost, kWithoutLink, kWithoutSite };
  Kind kind = Kind::kCost;
  std::size_t a = 0;  // the site; or one end of the link
  std::size_t b = 0;
  std::uint32_t cost = 0;
};

// What it names is in the model.
void apply(const NetworkChange& change, NetworkModel& model);

struct PlannedRoute {
  bool load_known = false;  // what is open at the site is known, and counts; otherwise it is as if nothing were
  std::vector<NetworkView::Candidate> candidates;  // cheapest first; as from an edge site through its uplink
};

// Where a connection for `key` goes that comes in at site `from`.
PlannedRoute plan_route(const NetworkModel& model, std::size_t from, std::string_view key);

}  // namespace fairlead
