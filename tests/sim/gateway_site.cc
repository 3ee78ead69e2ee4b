#include "tests/sim/gateway_site.h"

#include <algorithm>

#include <fmt/format.h>

#include "transport/base/check.h"

namespace fairlead::sim {
namespace {

// Turns that a killed gateway may take until nothing is in flight any more: its requests are all cancelled.
constexpr unsigned kKilledTurnsMax = 20'000;

}  // namespace

GatewaySite::GatewaySite(SimWorld& world, FlowLedger& ledger, unsigned number, const std::string& name)
    : world_(world), ledger_(ledger), number_(number), kernel_(world, name) {}

GatewaySite::~GatewaySite() {
  if (running()) kill();
}

// ---- a life

namespace {

KernelTlsFeatures tls_features(const SimTlsOptions& tls) {
  KernelTlsFeatures features;
  for (KernelTlsFeatures::Suite& suite : features.suites)
    suite = {tls.present && tls.sends, tls.present && tls.receives};
  features.rekeys = tls.present && tls.rekeys;
  if (!tls.present) features.lacking = "this simulated kernel has no TLS";
  return features;
}

}  // namespace

bool GatewaySite::start() {
  CHECK(!running());
  if (kernel_.dead()) kernel_.restart();
  kernel_.options().receive_bundles = plan_.receive_bundles;
  kernel_.options().tls = plan_.tls;
  TransportOptions options = plan_.options;
  options.incarnation = 1'000 * (number_ + 1) + ++lives_;
  router_ = std::make_unique<Router>(options);
  auto opened = Transport::open(
      kernel_, options, {.receive_bundles = plan_.receive_bundles, .release = "simulated", .lacking = {}},
      tls_features(plan_.tls), *router_);
  if (!opened) return false;
  transport_ = std::move(*opened);
  router_->attach(*transport_);
  CHECK(transport_->enable_control().has_value());
  for (const auto& shard : transport_->shards())
    CHECK(shard->enable().has_value());
  draining_ = false;
  loop_done_.assign(loop_count(), false);
  accesses_done_ = links_done_ = listeners_done_ = connectors_done_ = 0;
  ledger_.site_started(number_, kernel_.next_port());
  set_up();
  return true;
}

void GatewaySite::set_credentials(const std::shared_ptr<const Credentials>& credentials) {
  for (LinkConfig& link : plan_.links) {
    link.credentials = credentials;
    if (running()) CHECK(transport_->set_link_credentials(link.name, credentials).has_value());
  }
  for (AccessConfig& access : plan_.accesses) {
    access.credentials = credentials;
    if (running()) CHECK(transport_->set_access_credentials(access.name, credentials).has_value());
  }
}

void GatewaySite::drain() {
  draining_ = true;
  transport_->drain();
}

void GatewaySite::stop() {
  draining_ = true;
  transport_->begin_stop();
}

void GatewaySite::set_up() {
  if (!running() || draining_) return;
  while (accesses_done_ < plan_.accesses.size() && transport_->add_access(plan_.accesses[accesses_done_]))
    ++accesses_done_;
  while (listeners_done_ < plan_.listeners.size() && transport_->add_listener(plan_.listeners[listeners_done_]))
    ++listeners_done_;
  while (links_done_ < plan_.links.size() && transport_->add_link(plan_.links[links_done_]))
    ++links_done_;
  while (connectors_done_ < plan_.connectors.size()) {
    const auto id = transport_->add_connector(plan_.connectors[connectors_done_]);
    if (!id) return;
    const ConnectorConfig& connector = plan_.connectors[connectors_done_];
    router_->connector_added(connector.routing_key, *id, !connector.probe);
    ++connectors_done_;
  }
}

bool GatewaySite::set_up_done() const noexcept {
  return accesses_done_ == plan_.accesses.size() && listeners_done_ == plan_.listeners.size() &&
         links_done_ == plan_.links.size() && connectors_done_ == plan_.connectors.size();
}

void GatewaySite::set_link_cost(const std::string& link, std::uint32_t cost) {
  for (LinkConfig& planned : plan_.links) {
    if (planned.name == link) planned.cost = cost;
  }
  if (!running()) return;
  // One that is not there yet comes with the plan.
  if (const auto id = transport_->set_link_cost(link, cost)) router_->set_link_cost(*id, cost);
}

void GatewaySite::set_connector(const ConnectorConfig& connector) {
  const auto id = transport_->set_connector(connector);
  CHECK(id.has_value());
  if (*id) router_->connector_added(connector.routing_key, **id, !connector.probe);
}

void GatewaySite::turn(unsigned loop) {
  if (!running()) return;
  if (loop == 0) {
    // The control loop goes on for as long as a shard may have something to tell it.
    loop_done_[0] = !transport_->control_turn(Duration::max());
  } else if (!loop_done_[loop]) {
    loop_done_[loop] = !transport_->shards()[loop - 1]->turn(Duration::max());
  }
  if (std::find(loop_done_.begin(), loop_done_.end(), false) == loop_done_.end()) end_life();
}

void GatewaySite::end_life() {
  transport_.reset();
  router_.reset();
  const std::size_t open = world_.descriptors_of(kernel_.host());
  if (open > 0) world_.violate(fmt::format("{} ended with {} descriptors open", kernel_.name(), open));
}

std::string GatewaySite::kill() {
  ledger_.site_killed(number_);
  kernel_.kill();
  transport_->begin_stop();
  for (unsigned i = 0; i < kKilledTurnsMax && running(); ++i) {
    // Nobody waits for a dead process, but its own timers may be what ends it.
    if (i % 100 == 99) world_.spend(Duration::milliseconds(1));
    turn(i % loop_count());
  }
  return running() ? kernel_.name() + " was killed and does not come to an end\n" + kernel_.describe() : std::string();
}

// ---- what it looks like

bool GatewaySite::links_up() const {
  if (!sessions_up()) return false;
  const auto status = transport_->status();
  return std::all_of(status->listeners.begin(), status->listeners.end(),
                     [](const ListenerStatus& listener) { return !listener.reachable_keys.empty(); });
}

bool GatewaySite::sessions_up() const {
  if (!running()) return false;
  const auto status = transport_->status();
  return status->links.size() == plan_.links.size() + plan_.links_in &&
         std::all_of(status->links.begin(), status->links.end(), [](const LinkStatus& link) {
           return link.state == LinkPhase::kUp && link.sessions_up == link.sessions_wanted;
         });
}

std::string GatewaySite::describe_links() const {
  if (!running()) return kernel_.name() + " is not running\n";
  std::string text;
  for (const LinkStatus& link : transport_->status()->links) {
    text += fmt::format("{} link {}: state {}, {} of {} sessions, {}\n", kernel_.name(), link.name,
                        static_cast<int>(link.state), link.sessions_up, link.sessions_wanted,
                        link.last_error ? link.last_error->message : "no error");
  }
  for (const ListenerStatus& listener : transport_->status()->listeners) {
    if (listener.reachable_keys.empty())
      text += fmt::format("{} listener {} has no route\n", kernel_.name(), listener.name);
  }
  return text.empty() ? kernel_.name() + " has no link\n" : text;
}

std::uint64_t GatewaySite::counter(const std::string& name) const {
  std::uint64_t value = 0;
  for (const NamedCount& count : transport_->status()->counters) {
    if (count.name == name) value = count.value;
  }
  return value;
}

std::string GatewaySite::leftovers() {
  std::string text;
  std::size_t descriptors = 2 + plan_.accesses.size();
  for (std::size_t i = 0; i < transport_->shards().size(); ++i) {
    Shard& shard = *transport_->shards()[i];
    const ShardUsage usage = shard.usage();
    descriptors += 1 + usage.listeners + usage.sessions;
    text += shard_leftovers(shard, i);
  }
  if (const std::size_t open = world_.descriptors_of(kernel_.host()); open != descriptors) {
    text += fmt::format("{}: {} descriptors are open and not {}\n", kernel_.name(), open, descriptors);
  }
  const unsigned requests = transport_->ring().in_flight();
  if (requests > 1 + plan_.accesses.size())
    text += fmt::format("{}: {} requests of the control thread\n", kernel_.name(), requests);
  return text;
}

std::string GatewaySite::shard_leftovers(Shard& shard, std::size_t index) const {
  const ShardUsage usage = shard.usage();
  std::string text;
  const auto expect = [&](const char* what, std::uint64_t value, std::uint64_t most) {
    if (value > most)
      text += fmt::format("{} shard {}: {} {}, at most {} expected\n", kernel_.name(), index, value, what, most);
  };
  expect("application connections", usage.edges, 0);
  expect("streams", usage.streams, 0);
  expect("edge blocks that are not lent", usage.edge_blocks, 0);
  expect("link blocks", usage.link_blocks, 2 * usage.sessions);
  // One that is being filled; a PING may be on its way in another.
  expect("small blocks", usage.small_blocks, 1 + usage.sessions);
  expect("queued slices", usage.slice_nodes, usage.sessions);
  expect("bytes of window growth", usage.window_growth_bytes, 0);
  expect("requests in flight", usage.requests, 1 + usage.listeners + 2 * usage.sessions);
  return text;
}

}  // namespace fairlead::sim
