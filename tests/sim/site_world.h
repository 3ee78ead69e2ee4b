// SiteWorld: what worlds of whole sites have in common: each site with the machine of its applications, the loops that
// are stepped in seeded order, what happens at times of its own, and what has to hold whatever happens. GatewayWorld
// and NetworkWorld say which sites there are, how they are linked, and what is expected of them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/flow_ledger.h"
#include "tests/sim/gateway_site.h"
#include "tests/sim/sim_app.h"
#include "tests/sim/sim_world.h"
#include "tests/sim/site_plan.h"

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

// In a line, for people.
std::string describe(const Verdict& verdict);

class SiteWorld {
 public:
  SiteWorld(const SiteWorld&) = delete;
  SiteWorld& operator=(const SiteWorld&) = delete;

  SimWorld& world() noexcept { return world_; }

  FlowLedger& ledger() noexcept { return ledger_; }

  GatewaySite& site(unsigned number) noexcept { return *sides_[number].site; }

  AppHost& apps(unsigned number) noexcept { return *sides_[number].apps; }

  // Rounds of turns until `done()`; false if that does not come within `limit`, or something is wrong.
  bool run_until(Duration limit, const std::function<bool()>& done);
  void run_for(Duration time);
  void schedule_disaster(const Disaster& disaster);
  // Stalls end; every connection has to be over, and nothing may be left.
  void come_to_rest();
  void stop();
  const Verdict& judge();

 protected:
  // Bounds of what a healed world may take, in simulated time. A dial that was lost takes 5 s to be given up, a connect
  // of a connector 10 s, one of a client 15 s, and the pause between dials is at most 5 s.
  static constexpr Duration kLinkUpWithin = Duration::seconds(30);
  static constexpr Duration kFlowsOverWithin = Duration::seconds(60);
  static constexpr Duration kRestWithin = Duration::seconds(30);
  // After this long a session that had fallen silent has been given up.
  static constexpr Duration kSettle = Duration::seconds(3);

  // A site and the machine with its applications.
  struct Side {
    std::unique_ptr<GatewaySite> site;
    std::unique_ptr<AppHost> apps;
    Instant start_at = Instant::max();  // when the site, once it is down, is started again
  };

  // How hard this world is.
  struct Manners {
    bool calm = false;   // no application may notice anything
    bool tight = false;  // limits may be hit
  };

  SiteWorld(std::uint64_t seed, const Faults& faults, Manners manners, std::FILE* trace);
  virtual ~SiteWorld() = default;

  // Further things that have to hold at any time; fail() says what does not.
  virtual void check_more() {}

  void add_site(const std::string& name);
  void add_apps(unsigned number, const FlowSizes& sizes);
  void schedule(Duration after, std::function<void()> run);
  void start_at(Side& side, Instant when);
  void kill_side(Side& side, Duration lasts);
  // With everything that was scheduled, until all connections are over that do not stall.
  void live_through_faults();
  // Ends all faults, and starts what is down.
  void end_faults();

  bool failed() const noexcept { return !verdict_.failures.empty(); }

  void fail(const std::string& what);
  void demand_clean(std::size_t first, const char* when);
  bool over_but_held(std::size_t first) const;
  // New connections, from number `first` on, have to come to their end, and in order.
  void demand_flows(std::size_t first, const char* when);
  std::string describe_open() const;
  std::string leftovers();

  SimWorld world_;
  FlowLedger ledger_;
  Prng prng_;
  std::vector<Side> sides_;
  Verdict verdict_;

 private:
  struct Action {
    Instant when;
    std::function<void()> run;
  };

  struct Loop {
    SimKernel* kernel;
    std::function<void()> turn;
  };

  void round();
  void run_actions();
  void start_sites();
  std::vector<Loop> loops();
  void check_safety();
  std::vector<bool> held_ends() const;

  // For how many rounds a loop may be late.
  static constexpr unsigned kLateRoundsMax = 20;

  const Manners manners_;
  std::vector<Action> actions_;
  std::size_t late_loop_ = 0;
  unsigned late_rounds_ = 0;  // that are left for it
};

// "10.0.0.1"
std::string host_literal(const SimKernel& kernel);

// Of all sites, for the addresses of the first eight hosts of a world. Made once: its bytes are random, but their
// number is not, so replays agree.
std::shared_ptr<const Credentials> shared_credentials();
// Others, of the same CA.
std::shared_ptr<const Credentials> fresh_credentials();

}  // namespace fairlead::sim
