// NetworkPlan: everything about a simulated network of sites that is decided before it begins, drawn from a seed. A
// test may also fill one in by hand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/faults.h"
#include "tests/sim/flow_script.h"
#include "tests/sim/site_plan.h"
#include "transport/base/time.h"

namespace fairlead::sim {

struct NetworkPlan {
  // The certificate of all sites names as many hosts.
  static constexpr unsigned kSitesMax = 8;

  struct Site {
    SidePlan limits{};
    bool edge = false;
    Duration starts_after{};
  };

  // A link; `from` dials.
  struct Line {
    unsigned from = 0;
    unsigned to = 0;
    std::uint32_t cost = 1;
  };

  struct Key {
    Behaviour behaviour = Behaviour::kEcho;
    std::string name;  // begins with that of the behaviour
  };

  // Servers of a key at a site, each with a connector.
  struct Provider {
    unsigned key = 0;
    unsigned site = 0;
    unsigned instances = 1;
    bool probe = false;
  };

  struct CostChange {
    unsigned line = 0;
    std::uint32_t cost = 1;
    Duration after{};
  };

  // A provider's servers do not listen for a while.
  struct Refusal {
    unsigned provider = 0;
    Duration after{};
    Duration lasts{};
  };

  std::uint64_t seed = 0;  // of the world itself
  bool calm = true;
  bool tight = false;  // limits are so low that connections may be refused
  Faults faults;
  std::vector<Site> sites;
  std::vector<Line> lines;
  std::vector<Key> keys;
  std::vector<Provider> providers;
  FlowSizes sizes;
  unsigned flows = 20;
  Duration flows_within = Duration::seconds(2);
  std::vector<Disaster> disasters;
  std::vector<CostChange> cost_changes;
  std::vector<Refusal> refusals;

  static NetworkPlan draw(std::uint64_t seed);
  std::string describe() const;

  // For plans by hand; they return the number of what was added.
  unsigned add_key(Behaviour behaviour);

  void add_line(unsigned from, unsigned to, std::uint32_t cost = 1) { lines.push_back({from, to, cost}); }

  unsigned add_provider(unsigned key, unsigned site, bool probe = false);

  // Whether its servers ever listen.
  bool serves(const Provider& provider) const noexcept { return keys[provider.key].behaviour != Behaviour::kRefuse; }
};

}  // namespace fairlead::sim
