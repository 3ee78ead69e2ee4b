// GatewayWorld: two sites with a link between them, applications on both sides, and a seed that decides everything
// else: shards, limits, faults, what the applications do, and what happens to sites and network meanwhile.
//
//   1. the link comes up
//   2. applications talk while faults, partitions, kills and restarts happen       safety: FlowLedger, SimWorld
//   3. the world heals; what is down is started; the link has to come up           liveness, in bounded simulated time
//   4. new connections have to complete, although some old ones still stall        no head-of-line blocking
//   5. stalls end; every connection has to be over, and nothing may be left        conservation
//   6. both gateways stop, and have to come to an end
//
// In a calm world (some seeds) there are only faults that an application must not notice: every connection whose script
// has no reset in it has to complete. In the others connections may be cut, but never in silence.
#pragma once

#include <cstdint>
#include <cstdio>

#include "tests/sim/gateway_plan.h"
#include "tests/sim/site_world.h"

namespace fairlead::sim {

class GatewayWorld final : public SiteWorld {
 public:
  explicit GatewayWorld(const WorldPlan& plan, std::FILE* trace = nullptr);

  Verdict run();

  // ---- what run() is made of, for tests that look at one thing

  void come_up();
  // A client at `side` of a server at `server_side`.
  FlowEnd* start_flow(unsigned side, unsigned server_side, Behaviour behaviour, const FlowScript& script);
  void heal();

 private:
  void build();
  void plan_site(unsigned number);
  void add_hop(SitePlan& site, const std::string& host, ConnectorConfig& to_server);
  void schedule_flows();
  void schedule_disasters();
  void serve_new_flows();
  void serve_one_by_one();

  const WorldPlan plan_;
};

// Draws the world of a seed and runs it.
Verdict simulate(std::uint64_t seed, std::FILE* trace = nullptr);

}  // namespace fairlead::sim
