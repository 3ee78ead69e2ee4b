#include "tests/sim/gateway_world.h"

#include <algorithm>

#include <fmt/format.h>

#include "transport/base/check.h"

namespace fairlead::sim {
namespace {

constexpr std::uint16_t kAccessPort = 5671;

constexpr unsigned kNewFlowsOfEachKind = 2;

std::uint16_t listener_port(unsigned server_side, Behaviour behaviour) {
  return static_cast<std::uint16_t>(7'000 + 100 * server_side + static_cast<unsigned>(behaviour));
}

std::uint16_t server_port(Behaviour behaviour) {
  return static_cast<std::uint16_t>(8'000 + static_cast<unsigned>(behaviour));
}

constexpr std::uint16_t kHopPorts = 1'000;

std::string routing_key(unsigned server_side, Behaviour behaviour) {
  return fmt::format("{}-of-{}", name_of(behaviour), server_side);
}

}  // namespace

GatewayWorld::GatewayWorld(const WorldPlan& plan, std::FILE* trace)
    : SiteWorld(plan.seed, plan.faults, {.calm = plan.calm, .tight = plan.tight}, trace), plan_(plan) {
  build();
}

Verdict simulate(std::uint64_t seed, std::FILE* trace) {
  return GatewayWorld(WorldPlan::draw(seed), trace).run();
}

// ---- building

void GatewayWorld::build() {
  for (unsigned side = 0; side < plan_.sides.size(); ++side) {
    add_site(side == 0 ? "west" : "east");
    add_apps(side, plan_.sizes);
  }
  for (unsigned side = 0; side < sides_.size(); ++side) {
    plan_site(side);
    for (const Behaviour behaviour : kBehaviours) {
      if (behaviour == Behaviour::kRefuse) continue;
      while (!sides_[side].apps->serve(server_port(behaviour), behaviour, routing_key(side, behaviour))) {
      }
    }
    CHECK(sides_[side].site->start());
  }
}

void GatewayWorld::plan_site(unsigned number) {
  SitePlan& site = sides_[number].site->plan();
  const SidePlan& side = plan_.sides[number];
  const std::string host = host_literal(sides_[number].site->kernel());
  apply(side, site);
  site.options.site_id = site.options.site_name = sides_[number].site->kernel().name();
  if (number == 0) {
    LinkConfig link;
    link.name = "to-east";
    link.endpoints = {{host_literal(sides_[1].site->kernel()), kAccessPort}};
    link.credentials = shared_credentials();
    site.links.push_back(std::move(link));
  } else {
    AccessConfig access;
    access.name = "access";
    access.role = "inter-router";
    access.bind_host = host;
    access.port = kAccessPort;
    access.credentials = shared_credentials();
    site.accesses.push_back(std::move(access));
    site.links_in = 1;
  }
  const std::string apps = host_literal(sides_[number].apps->kernel());
  for (const Behaviour behaviour : kBehaviours) {
    for (unsigned server_side = 0; server_side < sides_.size(); ++server_side) {
      const std::string key = routing_key(server_side, behaviour);
      site.listeners.push_back(
          {.name = "to-" + key, .routing_keys = key, .host = host, .port = listener_port(server_side, behaviour)});
    }
    const std::string key = routing_key(number, behaviour);
    // Without probes, which the servers would have to account for.
    ConnectorConfig to_server{
        .name = key, .routing_key = key, .host = apps, .port = server_port(behaviour), .probe = false, .options = {}};
    if (plan_.tls_edges || plan_.proxy_edges != ProxyProtocol::kNone) add_hop(site, host, to_server);
    site.connectors.push_back(std::move(to_server));
  }
}

// What would go to the server goes to a port of the same site instead, and from there to the server.
void GatewayWorld::add_hop(SitePlan& site, const std::string& host, ConnectorConfig& to_server) {
  ConnectorConfig hop = to_server;
  hop.host = host;
  hop.port = static_cast<std::uint16_t>(to_server.port + kHopPorts);
  hop.options.send_proxy = plan_.proxy_edges;
  if (plan_.tls_edges) {
    hop.options.credentials = shared_credentials();
    hop.options.verify_host = hop.options.client_certificate = true;
  }
  to_server.name = to_server.routing_key = "behind-" + to_server.name;
  ListenerConfig port{.name = "hop-" + hop.name, .routing_keys = to_server.routing_key, .host = host, .port = hop.port,
                      .options = {}};
  port.options.accept_proxy = plan_.proxy_edges != ProxyProtocol::kNone;
  if (plan_.tls_edges) {
    port.options.credentials = shared_credentials();
    port.options.client_certificate = true;
  }
  site.listeners.push_back(std::move(port));
  site.connectors.push_back(std::move(hop));
}

// ---- what happens

FlowEnd* GatewayWorld::start_flow(unsigned side, unsigned server_side, Behaviour behaviour, const FlowScript& script) {
  const Address listener = sides_[side].site->kernel().address(listener_port(server_side, behaviour));
  return sides_[side].apps->connect(listener, routing_key(server_side, behaviour), script);
}

void GatewayWorld::schedule_flows() {
  for (unsigned i = 0; i < plan_.flows; ++i) {
    const unsigned side = static_cast<unsigned>(prng_.below(2));
    // Most go over the link.
    const unsigned server_side = prng_.below(6) == 0 ? side : 1 - side;
    const Behaviour behaviour = kBehaviours[prng_.below(std::size(kBehaviours))];
    const Duration after{static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(plan_.flows_within.ns)))};
    schedule(after, [this, side, server_side, behaviour] {
      start_flow(side, server_side, behaviour, draw_client(prng_, behaviour, plan_.sizes));
    });
  }
}

void GatewayWorld::schedule_disasters() {
  for (const Disaster& disaster : plan_.disasters)
    schedule_disaster(disaster);
}

// ---- the phases

Verdict GatewayWorld::run() {
  come_up();
  if (!failed()) {
    schedule_flows();
    schedule_disasters();
    live_through_faults();
  }
  if (!failed()) heal();
  if (!failed()) (plan_.tight ? serve_one_by_one() : serve_new_flows());
  if (!failed()) come_to_rest();
  if (!failed()) stop();
  return judge();
}

void GatewayWorld::come_up() {
  const bool up =
      run_until(Duration::seconds(20), [&] { return sides_[0].site->links_up() && sides_[1].site->links_up(); });
  if (!up && plan_.calm && !failed()) fail("the link does not come up\n" + sides_[0].site->describe_links());
}

void GatewayWorld::heal() {
  end_faults();
  const bool up = run_until(kLinkUpWithin, [&] {
    return sides_[0].site->links_up() && sides_[1].site->links_up() && sides_[0].site->set_up_done() &&
           sides_[1].site->set_up_done();
  });
  if (failed()) return;
  if (!up)
    return fail("the link does not come up in a healed world\n" + sides_[0].site->describe_links() +
                sides_[1].site->describe_links());
  run_for(kSettle);
  if (failed()) return;
  const bool again = run_until(kLinkUpWithin, [&] { return sides_[0].site->links_up() && sides_[1].site->links_up(); });
  if (!again && !failed()) fail("the link does not stay up in a healed world\n" + sides_[0].site->describe_links());
}

void GatewayWorld::serve_new_flows() {
  const std::size_t first = ledger_.ends().size();
  FlowSizes sizes{
      .bytes_max = 100'000, .pause_max = Duration::milliseconds(20), .stall_percent = 0, .abort_percent = 0};
  for (Side& side : sides_)
    side.apps->sizes().stall_percent = 0;
  for (unsigned side = 0; side < sides_.size(); ++side) {
    for (const Behaviour behaviour : kBehaviours) {
      for (unsigned i = 0; i < kNewFlowsOfEachKind; ++i) {
        start_flow(side, i == 0 ? 1 - side : side, behaviour, draw_client(prng_, behaviour, sizes));
      }
    }
  }
  demand_flows(first, "in a healed world");
}

// Where limits refuse what comes at the same time, nothing may be refused that comes alone.
void GatewayWorld::serve_one_by_one() {
  for (Side& side : sides_)
    side.apps->release_stalls();
  FlowSizes sizes{
      .bytes_max = 100'000, .pause_max = Duration::milliseconds(20), .stall_percent = 0, .abort_percent = 0};
  for (const Behaviour behaviour : kBehaviours) {
    const bool rest =
        run_until(kRestWithin + kFlowsOverWithin, [&] { return ledger_.open_count() == 0 && leftovers().empty(); });
    if (failed()) return;
    if (!rest) return fail("no rest between connections\n" + describe_open() + leftovers());
    const std::size_t first = ledger_.ends().size();
    const unsigned side = static_cast<unsigned>(prng_.below(2));
    start_flow(side, 1 - side, behaviour, draw_client(prng_, behaviour, sizes));
    demand_flows(first, "alone in a healed world");
    if (failed()) return;
  }
}

}  // namespace fairlead::sim
