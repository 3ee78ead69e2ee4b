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
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/flow_ledger.h"
#include "tests/sim/gateway_plan.h"
#include "tests/sim/gateway_site.h"
#include "tests/sim/sim_app.h"
#include "tests/sim/sim_world.h"

namespace fairlead::sim {

struct Verdict {
  std::vector<std::string> failures;
  std::uint64_t trace_hash = 0;
  std::uint64_t rounds = 0;
  std::size_t ends = 0;   // of application connections
  std::size_t clean = 0;  // that ended in order
  Duration simulated{};

  bool ok() const noexcept { return failures.empty(); }
};

class GatewayWorld {
 public:
  explicit GatewayWorld(const WorldPlan& plan, std::FILE* trace = nullptr);

  Verdict run();

  // ---- what run() is made of, for tests that look at one thing

  SimWorld& world() noexcept { return world_; }

  FlowLedger& ledger() noexcept { return ledger_; }

  GatewaySite& site(unsigned side) noexcept { return *sides_[side].site; }

  AppHost& apps(unsigned side) noexcept { return *sides_[side].apps; }

  void come_up();
  // A client at `side` of a server at `server_side`.
  FlowEnd* start_flow(unsigned side, unsigned server_side, Behaviour behaviour, const FlowScript& script);
  // Rounds of turns until `done()`; false if that does not come within `limit`, or something is wrong.
  bool run_until(Duration limit, const std::function<bool()>& done);
  void heal();
  void come_to_rest();
  void stop();
  const Verdict& judge();

 private:
  // A site and the machine with its applications.
  struct Side {
    std::unique_ptr<GatewaySite> site;
    std::unique_ptr<AppHost> apps;
    Instant start_at = Instant::max();  // when the site, once it is down, is started again
  };

  struct Action {
    Instant when;
    std::function<void()> run;
  };

  struct Loop {
    SimKernel* kernel;
    std::function<void()> turn;
  };

  void build();
  void plan_site(unsigned number);
  void schedule(Duration after, std::function<void()> run);
  void schedule_flows();
  void schedule_disasters();
  void schedule_disaster(const Disaster& disaster);
  void live_through_faults();
  void serve_new_flows();
  void serve_one_by_one();
  void round();
  void run_actions();
  void start_sites();
  std::vector<Loop> loops();

  bool failed() const noexcept { return !verdict_.failures.empty(); }

  void fail(const std::string& what);
  void check_safety();
  void demand_clean(std::size_t first, const char* when);
  bool over_but_held(std::size_t first) const;
  std::vector<bool> held_ends() const;
  std::string describe_open() const;
  std::string leftovers();

  const WorldPlan plan_;
  SimWorld world_;
  FlowLedger ledger_;
  Prng prng_;
  std::vector<Side> sides_;
  std::vector<Action> actions_;
  Verdict verdict_;
};

// Draws the world of a seed and runs it.
Verdict simulate(std::uint64_t seed, std::FILE* trace = nullptr);

}  // namespace fairlead::sim
