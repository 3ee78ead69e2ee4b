// NetworkOracle: where connections of a NetworkPlan have to go once everybody knows what there is: worked out from the
// plan by PathOracle, so that nothing here follows from what routers believe.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "router/network_view.h"
#include "tests/sim/network_plan.h"
#include "tests/sim/path_oracle.h"

namespace fairlead::sim {

std::string site_name(unsigned number);

class NetworkOracle {
 public:
  // `plan` with the costs that its links have now; must live as long.
  explicit NetworkOracle(const NetworkPlan& plan);

  // Of the cheapest path. An edge site uses its cheapest uplink and no other.
  std::uint64_t cost(unsigned from, unsigned to) const noexcept;
  // The sites where a connection may end that comes when no other is open.
  std::vector<unsigned> nearest(unsigned from, unsigned key) const;

  bool reachable(unsigned from, unsigned key) const { return !nearest(from, key).empty(); }

  // What is wrong with how a site sees the network, in words; empty if nothing is.
  std::string complaints(unsigned site, const NetworkView& view) const;

 private:
  // A site that serves a key, as another one sees it. Of what lies behind an uplink only the sum is told.
  struct Candidate {
    std::string site;
    std::uint64_t cost = 0;
    std::uint32_t instances = 0;

    friend auto operator<=>(const Candidate&, const Candidate&) = default;
  };

  // The interior site where a site hangs, and what it costs to get there.
  struct Place {
    unsigned interior = 0;
    std::uint32_t cost = 0;
  };

  bool offered(const NetworkPlan::Provider& provider) const noexcept;
  std::vector<Candidate> candidates(unsigned from, unsigned key) const;
  Candidate behind_uplink(unsigned from, const std::vector<Candidate>& all) const;
  std::string complain_of_path(unsigned from, const NetworkView::Candidate& candidate) const;
  std::string complain_of_sites(unsigned from, const NetworkView& view) const;

  const NetworkPlan& plan_;
  PathOracle paths_;
  std::vector<Place> places_;
};

// Whether a path names a site twice, or the site that it begins at.
bool path_loops(const std::string& from, const std::vector<std::string>& path);

}  // namespace fairlead::sim
