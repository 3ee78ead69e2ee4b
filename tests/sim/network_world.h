// NetworkWorld: a network of whole sites, each with transport and router, joined by links with costs; applications at
// all of them, and a seed that decides everything else.
//
//   1. sites start in any order, and links come up
//   2. applications talk while faults, partitions, kills, restarts,                safety: FlowLedger, SimWorld, no
//      changes of costs and refusals happen                                        path that loops, memory in its bound
//   3. the world heals; all links have to come up, and every site has to see       liveness, in bounded simulated time
//      what NetworkOracle works out
//   4. new connections from everywhere have to complete, although old ones stall   no black hole
//   5. stalls end; connections that come alone have to end up at the nearest site  routing by cost
//   6. nothing may be left, and all gateways have to come to an end                conservation
//
// In a calm world (some seeds) there are only changes of costs and faults that an application must not notice: every
// connection whose script has no reset in it has to complete.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/sim/network_oracle.h"
#include "tests/sim/network_plan.h"
#include "tests/sim/site_world.h"

namespace fairlead::sim {

class NetworkWorld final : public SiteWorld {
 public:
  explicit NetworkWorld(const NetworkPlan& plan, std::FILE* trace = nullptr);

  Verdict run();

  // ---- what run() is made of, for tests that look at one thing

  // Until every site sees what there is.
  void come_up();
  // A client at a site.
  FlowEnd* start_flow(unsigned site, unsigned key, const FlowScript& script);
  void set_cost(unsigned line, std::uint32_t cost);
  void refuse(unsigned provider);
  void serve(unsigned provider);
  // Kills the gateway of a site, which starts again after a while.
  void kill(unsigned site, Duration lasts);
  // Between the sites themselves; their applications are machines of their own.
  void cut(unsigned a, unsigned b);
  void heal();
  bool converged();
  // Where the server of a client is, once the client has heard of it; the number of sites otherwise.
  unsigned landed_at(const FlowEnd& client) const noexcept;
  // How many streams a link has carried, as its dialling end tells a few times a second.
  std::uint64_t streams_total(unsigned line);

 private:
  // A connection to be.
  struct Wish {
    unsigned site = 0;
    unsigned key = 0;
  };

  void build();
  void plan_site(unsigned number);
  void plan_links(unsigned number);
  void plan_services(unsigned number);
  void schedule_flows();
  void schedule_events();
  void serve_new_flows();
  void serve_alone();
  void serve_one_by_one();
  void serve_wave(const std::vector<Wish>& wishes);
  std::vector<Wish> wishes_of(unsigned site) const;
  void check_landing(std::size_t first);
  void check_more() override;
  std::string complaints();

  SimKernel& site_kernel(unsigned number) noexcept { return sides_[number].site->kernel(); }

  NetworkPlan plan_;  // with the costs that links have now
  Instant compared_at_{};
};

// Draws the network of a seed and runs it.
Verdict simulate_network(std::uint64_t seed, std::FILE* trace = nullptr);

}  // namespace fairlead::sim
