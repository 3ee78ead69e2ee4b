// WorldPlan: everything about a simulated world that is decided before it begins, drawn from a seed. A test may also
// fill one in by hand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/faults.h"
#include "tests/sim/flow_script.h"
#include "tests/sim/site_plan.h"
#include "transport/base/time.h"
#include "transport/wire/proxy_protocol.h"

namespace fairlead::sim {

struct WorldPlan {
  std::uint64_t seed = 0;  // of the world itself
  bool calm = true;
  // Connections leave and enter a gateway once more before they reach their server: with TLS, with the PROXY protocol,
  // or both.
  bool tls_edges = false;
  ProxyProtocol proxy_edges = ProxyProtocol::kNone;
  bool tight = false;      // limits are so low that connections may be refused
  Faults faults;
  std::vector<SidePlan> sides{2};
  FlowSizes sizes;
  unsigned flows = 20;
  Duration flows_within = Duration::seconds(2);
  std::vector<Disaster> disasters;

  static WorldPlan draw(std::uint64_t seed);
  std::string describe() const;
};

}  // namespace fairlead::sim
