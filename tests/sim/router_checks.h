// RouterChecks: what must hold of a RouterWorld, told as sentences; none if all is well. The truth is worked out from
// the world itself, paths by PathOracle, so that nothing here follows from what the machines believe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/path_oracle.h"
#include "tests/sim/router_world.h"

namespace fairlead::sim {

class RouterChecks {
 public:
  // The truth as it is now.
  explicit RouterChecks(RouterWorld& world);

  // ---- once everybody can know what happened

  // Topology: every router knows exactly what the others of its component are connected to and serve.
  // Optimal: costs of paths are the oracle's. Keys: reachable if and only if somebody in the component serves them, at
  // the least cost, with all candidates. Loop-free: from every site, for every candidate, route tables are walked hop
  // by hop to the connector, over links that are up, and the links' true costs add up to the cost that was claimed.
  // Deterministic: the same link states in another order give the same paths.
  std::vector<std::string> all();
  // Only the costs of paths between routers: quick enough to ask often.
  bool paths_agree();
  // All that nobody vouches for is forgotten.
  std::vector<std::string> forgotten();

  // ---- at any time

  // A connection gets somewhere or nowhere, but never to a router twice.
  void walk_some(unsigned count);

 private:
  struct Uplink {
    std::size_t router = 0;
    std::uint64_t cost = 0;
  };

  struct Provider {
    std::size_t site = 0;
    std::size_t via = 0;
    std::uint64_t cost = 0;
    unsigned instances = 0;

    friend auto operator<=>(const Provider&, const Provider&) = default;
  };

  struct Walk {
    bool arrived = false;
    std::size_t at = 0;
    std::uint64_t cost = 0;
    unsigned hops = 0;
    std::string trouble;
  };

  std::vector<Provider> providers(std::size_t from, const std::string& key) const;
  Walk walk(std::size_t from, const std::string& key, std::uint64_t choice, std::vector<std::uint64_t> tried);
  void check_topology(std::size_t site);
  void check_state(std::size_t of, const LinkState& state, const std::string& where);
  void check_paths(std::size_t site);
  void check_key(std::size_t site, const std::string& key);
  void check_key_of_edge(std::size_t site, const std::string& key);
  void check_walk(std::size_t site, const std::string& key, const Provider& to, const std::vector<Provider>& all);
  void check_order(std::size_t site);
  void complain(std::string what);

  RouterWorld& world_;
  PathOracle oracle_;
  std::vector<std::optional<Uplink>> uplinks_;
  std::vector<std::string> keys_;
  std::vector<std::string> complaints_;
};

}  // namespace fairlead::sim
