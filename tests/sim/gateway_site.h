// GatewaySite: one site of a simulation: the unchanged gateway (transport and router) on a simulated host, started,
// stopped, killed and started again, and stepped loop by loop. What it serves is a plan that every life sets up anew.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "router/router.h"
#include "tests/sim/flow_ledger.h"
#include "tests/sim/sim_kernel.h"
#include "transport/transport.h"

namespace fairlead::sim {

struct SitePlan {
  TransportOptions options;
  std::vector<AccessConfig> accesses;
  std::vector<LinkConfig> links;
  std::vector<ListenerConfig> listeners;
  std::vector<ConnectorConfig> connectors;
  std::size_t links_in = 0;  // that others dial
  bool receive_bundles = true;
  SimTlsOptions tls{};
};

class GatewaySite {
 public:
  GatewaySite(SimWorld& world, FlowLedger& ledger, unsigned number, const std::string& name);
  ~GatewaySite();
  GatewaySite(const GatewaySite&) = delete;
  GatewaySite& operator=(const GatewaySite&) = delete;

  SimKernel& kernel() noexcept { return kernel_; }

  SitePlan& plan() noexcept { return plan_; }

  bool running() const noexcept { return transport_ != nullptr; }

  Transport& transport() noexcept { return *transport_; }

  // The network as this site sees it.
  NetworkView view() { return router_->view(); }

  // Begins a life; false if the host has not the descriptors for it.
  [[nodiscard]] bool start();
  // Adds what is planned and not there yet; what fails (no descriptor, say) is tried again with the next call.
  void set_up();
  bool set_up_done() const noexcept;

  // The loops: the control thread's and each shard's.
  unsigned loop_count() const noexcept {
    return running() ? 1 + static_cast<unsigned>(transport_->shards().size()) : 0;
  }

  void turn(unsigned loop);

  // Live, and for further lives.
  void set_link_cost(const std::string& link, std::uint32_t cost);
  // Live only.
  void set_connector(const ConnectorConfig& connector);
  // Of all links and accesses.
  void set_credentials(const std::shared_ptr<const Credentials>& credentials);

  void drain();

  bool draining() const noexcept { return draining_; }

  // Ends in order; the site stays running() until all its loops are done.
  void stop();
  // Like SIGKILL. Empty, or what is wrong with how the gateway took it.
  std::string kill();

  // Whether all links are up with all their sessions.
  bool sessions_up() const;
  // ... and every listener knows where its connections go.
  bool links_up() const;
  std::string describe_links() const;
  std::uint64_t counter(const std::string& name) const;
  // What is left although no application is connected, in words; empty if nothing is.
  std::string leftovers();

 private:
  void end_life();
  std::string shard_leftovers(Shard& shard, std::size_t index) const;

  SimWorld& world_;
  FlowLedger& ledger_;
  const unsigned number_;
  SimKernel kernel_;
  SitePlan plan_;
  std::uint64_t lives_ = 0;
  std::unique_ptr<Router> router_;
  std::unique_ptr<Transport> transport_;
  std::vector<bool> loop_done_;
  bool draining_ = false;
  std::size_t accesses_done_ = 0;
  std::size_t links_done_ = 0;
  std::size_t listeners_done_ = 0;
  std::size_t connectors_done_ = 0;
};

}  // namespace fairlead::sim
