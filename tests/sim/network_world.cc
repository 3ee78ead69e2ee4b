#include "tests/sim/network_world.h"

#include <algorithm>

#include <fmt/format.h>

#include "transport/base/check.h"

namespace fairlead::sim {
namespace {

constexpr std::uint16_t kInteriorPort = 5671;
constexpr std::uint16_t kEdgePort = 5672;
// Comparing what everybody sees takes longer than a round.
constexpr Duration kBetweenComparisons = Duration::milliseconds(10);
constexpr unsigned kFlowsOneByOne = 10;

std::uint16_t listener_port(unsigned key) {
  return static_cast<std::uint16_t>(7'000 + key);
}

std::uint16_t server_port(unsigned key, unsigned instance) {
  return static_cast<std::uint16_t>(8'000 + 100 * instance + key);
}

std::string link_name(unsigned line) {
  return fmt::format("link-{}", line);
}

}  // namespace

NetworkWorld::NetworkWorld(const NetworkPlan& plan, std::FILE* trace)
    : SiteWorld(plan.seed, plan.faults, {.calm = plan.calm, .tight = plan.tight}, trace), plan_(plan) {
  build();
}

Verdict simulate_network(std::uint64_t seed, std::FILE* trace) {
  return NetworkWorld(NetworkPlan::draw(seed), trace).run();
}

// ---- building

void NetworkWorld::build() {
  CHECK(plan_.sites.size() <= NetworkPlan::kSitesMax);
  // Sites before applications: the certificate names the first hosts of the world.
  for (unsigned number = 0; number < plan_.sites.size(); ++number)
    add_site(site_name(number));
  for (unsigned number = 0; number < plan_.sites.size(); ++number)
    add_apps(number, plan_.sizes);
  for (unsigned number = 0; number < plan_.sites.size(); ++number) {
    plan_site(number);
    start_at(sides_[number], world_.now() + plan_.sites[number].starts_after);
  }
  for (unsigned provider = 0; provider < plan_.providers.size(); ++provider)
    serve(provider);
}

void NetworkWorld::plan_site(unsigned number) {
  SitePlan& site = sides_[number].site->plan();
  apply(plan_.sites[number].limits, site);
  site.options.site_id = site.options.site_name = site_name(number);
  site.options.edge = plan_.sites[number].edge;
  plan_links(number);
  plan_services(number);
}

void NetworkWorld::plan_links(unsigned number) {
  SitePlan& site = sides_[number].site->plan();
  const bool edge = plan_.sites[number].edge;
  for (const bool for_edges : {false, true}) {
    if (edge) break;
    AccessConfig access;
    access.name = access.role = for_edges ? "edge" : "inter-router";
    access.bind_host = host_literal(site_kernel(number));
    access.port = for_edges ? kEdgePort : kInteriorPort;
    access.credentials = shared_credentials();
    site.accesses.push_back(std::move(access));
  }
  for (unsigned line = 0; line < plan_.lines.size(); ++line) {
    if (plan_.lines[line].to == number) ++site.links_in;
    if (plan_.lines[line].from != number) continue;
    LinkConfig link;
    link.name = link_name(line);
    link.cost = plan_.lines[line].cost;
    link.endpoints = {{host_literal(site_kernel(plan_.lines[line].to)), edge ? kEdgePort : kInteriorPort}};
    link.credentials = shared_credentials();
    site.links.push_back(std::move(link));
  }
  world_.shuffle(site.links);
}

void NetworkWorld::plan_services(unsigned number) {
  SitePlan& site = sides_[number].site->plan();
  const std::string host = host_literal(site_kernel(number));
  for (unsigned key = 0; key < plan_.keys.size(); ++key) {
    const std::string& name = plan_.keys[key].name;
    site.listeners.push_back({.name = "to-" + name, .routing_keys = name, .host = host, .port = listener_port(key)});
  }
  const std::string apps = host_literal(sides_[number].apps->kernel());
  for (const NetworkPlan::Provider& provider : plan_.providers) {
    if (provider.site != number) continue;
    for (unsigned i = 0; i < provider.instances; ++i) {
      const std::string& key = plan_.keys[provider.key].name;
      site.connectors.push_back({.name = fmt::format("{}-{}", key, i),
                                 .routing_key = key,
                                 .host = apps,
                                 .port = server_port(provider.key, i),
                                 .probe = provider.probe});
    }
  }
}

// ---- what happens

FlowEnd* NetworkWorld::start_flow(unsigned site, unsigned key, const FlowScript& script) {
  const Address listener = site_kernel(site).address(listener_port(key));
  return sides_[site].apps->connect(listener, plan_.keys[key].name, script);
}

void NetworkWorld::set_cost(unsigned line, std::uint32_t cost) {
  plan_.lines[line].cost = cost;
  sides_[plan_.lines[line].from].site->set_link_cost(link_name(line), cost);
}

void NetworkWorld::refuse(unsigned provider) {
  const NetworkPlan::Provider& of = plan_.providers[provider];
  for (unsigned i = 0; i < of.instances; ++i)
    sides_[of.site].apps->refuse(server_port(of.key, i));
}

void NetworkWorld::serve(unsigned provider) {
  const NetworkPlan::Provider& of = plan_.providers[provider];
  if (!plan_.serves(of)) return;
  const NetworkPlan::Key& key = plan_.keys[of.key];
  for (unsigned i = 0; i < of.instances; ++i) {
    // A socket may be refused by a fault of the world.
    while (!sides_[of.site].apps->serves(server_port(of.key, i)) &&
           !sides_[of.site].apps->serve(server_port(of.key, i), key.behaviour, key.name)) {
    }
  }
}

void NetworkWorld::cut(unsigned a, unsigned b) {
  world_.partition(site_kernel(a), site_kernel(b));
}

void NetworkWorld::kill(unsigned site, Duration lasts) {
  kill_side(sides_[site], lasts);
}

void NetworkWorld::schedule_flows() {
  for (unsigned i = 0; i < plan_.flows; ++i) {
    const auto site = static_cast<unsigned>(prng_.below(plan_.sites.size()));
    const auto key = static_cast<unsigned>(prng_.below(plan_.keys.size()));
    schedule(draw_duration(prng_, plan_.flows_within),
             [this, site, key] { start_flow(site, key, draw_client(prng_, plan_.keys[key].behaviour, plan_.sizes)); });
  }
}

void NetworkWorld::schedule_events() {
  for (const Disaster& disaster : plan_.disasters)
    schedule_disaster(disaster);
  for (const NetworkPlan::CostChange& change : plan_.cost_changes)
    schedule(change.after, [this, change] { set_cost(change.line, change.cost); });
  for (const NetworkPlan::Refusal& refusal : plan_.refusals) {
    schedule(refusal.after, [this, refusal] { refuse(refusal.provider); });
    schedule(refusal.after + refusal.lasts, [this, refusal] { serve(refusal.provider); });
  }
}

// ---- the phases

Verdict NetworkWorld::run() {
  come_up();
  if (!failed()) {
    schedule_flows();
    schedule_events();
    live_through_faults();
  }
  if (!failed()) heal();
  if (!failed() && !plan_.tight) serve_new_flows();
  if (!failed()) (plan_.tight ? serve_one_by_one() : serve_alone());
  if (!failed()) come_to_rest();
  if (!failed()) stop();
  return judge();
}

void NetworkWorld::come_up() {
  const bool up = run_until(Duration::seconds(20), [&] { return converged(); });
  if (!up && plan_.calm && !failed()) fail("the network does not come up\n" + complaints());
}

void NetworkWorld::heal() {
  end_faults();
  for (unsigned provider = 0; provider < plan_.providers.size(); ++provider)
    serve(provider);
  // What fell silent must have been noticed by now, so that the links that are up are there to stay.
  run_for(kSettle);
  const bool up = run_until(kLinkUpWithin, [&] { return converged(); });
  if (!up && !failed()) fail("the network does not come together in a healed world\n" + complaints());
}

bool NetworkWorld::converged() {
  if (world_.now() - compared_at_ < kBetweenComparisons) return false;
  const bool up = std::all_of(sides_.begin(), sides_.end(),
                              [](const Side& side) { return side.site->sessions_up() && side.site->set_up_done(); });
  if (!up) return false;
  compared_at_ = world_.now();
  return complaints().empty();
}

std::string NetworkWorld::complaints() {
  std::string text;
  const NetworkOracle oracle(plan_);
  for (unsigned number = 0; number < sides_.size(); ++number) {
    GatewaySite& site = *sides_[number].site;
    if (!site.sessions_up()) {
      text += site.describe_links();
      continue;
    }
    text += oracle.complaints(number, site.view());
    const auto status = site.transport().status();
    for (unsigned key = 0; key < status->listeners.size(); ++key) {
      const ListenerStatus& listener = status->listeners[key];
      if (listener.reachable_keys.empty() == oracle.reachable(number, key))
        text += fmt::format("{} does not know what there is for its listener {}\n", site_name(number), listener.name);
    }
    // A probe that was lost while there were faults takes its server out for a while longer.
    for (const ConnectorStatus& connector : status->connectors) {
      const auto serves = [&](const NetworkPlan::Key& key) {
        return key.name == connector.routing_key && key.behaviour != Behaviour::kRefuse;
      };
      if (connector.available || std::ranges::none_of(plan_.keys, serves)) continue;
      text += fmt::format("{} takes {} for unavailable\n", site_name(number), connector.name);
    }
  }
  return text;
}

// ---- new connections in a healed world

void NetworkWorld::serve_new_flows() {
  const std::size_t first = ledger_.ends().size();
  const FlowSizes sizes{
      .bytes_max = 50'000, .pause_max = Duration::milliseconds(20), .stall_percent = 0, .abort_percent = 0};
  for (Side& side : sides_)
    side.apps->sizes().stall_percent = 0;
  for (unsigned site = 0; site < sides_.size(); ++site) {
    for (const Wish& wish : wishes_of(site))
      start_flow(wish.site, wish.key, draw_client(prng_, plan_.keys[wish.key].behaviour, sizes));
  }
  demand_flows(first, "in a healed world");
}

std::vector<NetworkWorld::Wish> NetworkWorld::wishes_of(unsigned site) const {
  std::vector<Wish> wishes;
  for (unsigned key = 0; key < plan_.keys.size(); ++key)
    wishes.push_back({site, key});
  return wishes;
}

// Where load is counted, one connection for each key at a time, so that costs alone decide.
void NetworkWorld::serve_alone() {
  std::vector<Wish> interior;
  for (unsigned site = 0; site < sides_.size(); ++site) {
    const std::vector<Wish> wishes = wishes_of(site);
    if (!plan_.sites[site].edge) interior.insert(interior.end(), wishes.begin(), wishes.end());
  }
  serve_wave(interior);
  // An interior site decides, and counts, for its edge sites.
  for (unsigned site = 0; site < sides_.size() && !failed(); ++site) {
    if (plan_.sites[site].edge) serve_wave(wishes_of(site));
  }
}

// Where limits refuse what comes at the same time, nothing may be refused that comes alone.
void NetworkWorld::serve_one_by_one() {
  for (unsigned i = 0; i < kFlowsOneByOne && !failed(); ++i) {
    serve_wave(
        {{static_cast<unsigned>(prng_.below(sides_.size())), static_cast<unsigned>(prng_.below(plan_.keys.size()))}});
  }
}

void NetworkWorld::serve_wave(const std::vector<Wish>& wishes) {
  for (Side& side : sides_)
    side.apps->release_stalls();
  // The last one to end may have been lost while there were faults, and taken its server out with it.
  const bool rest = run_until(kRestWithin + kFlowsOverWithin,
                              [&] { return ledger_.open_count() == 0 && leftovers().empty() && converged(); });
  if (failed()) return;
  if (!rest) return fail("no rest between connections\n" + describe_open() + leftovers() + complaints());
  const std::size_t first = ledger_.ends().size();
  const FlowSizes sizes{
      .bytes_max = 2'000, .pause_max = Duration::milliseconds(5), .stall_percent = 0, .abort_percent = 0};
  for (const Wish& wish : wishes)
    start_flow(wish.site, wish.key, draw_client(prng_, plan_.keys[wish.key].behaviour, sizes));
  demand_flows(first, "alone in a healed world");
  if (!failed()) check_landing(first);
}

void NetworkWorld::check_landing(std::size_t first) {
  const NetworkOracle oracle(plan_);
  for (std::size_t i = first; i < ledger_.ends().size(); ++i) {
    const FlowEnd& end = ledger_.ends()[i];
    const unsigned landed = landed_at(end);
    if (!end.client || landed == sides_.size()) continue;
    const auto key = static_cast<unsigned>(
        std::find_if(plan_.keys.begin(), plan_.keys.end(), [&](const auto& k) { return k.name == end.routing_key; }) -
        plan_.keys.begin());
    const std::vector<unsigned> allowed = oracle.nearest(end.site, key);
    if (std::find(allowed.begin(), allowed.end(), landed) != allowed.end()) continue;
    fail(fmt::format("landed at site {}, at cost {} instead of {}: {}", landed, oracle.cost(end.site, landed),
                     oracle.cost(end.site, allowed.front()), FlowLedger::describe(end)));
  }
}

unsigned NetworkWorld::landed_at(const FlowEnd& client) const noexcept {
  const FlowEnd* server = ledger_.find(client.partner);
  return server != nullptr ? server->site : static_cast<unsigned>(sides_.size());
}

std::uint64_t NetworkWorld::streams_total(unsigned line) {
  const auto status = sides_[plan_.lines[line].from].site->transport().status();
  const auto at = std::find_if(status->links.begin(), status->links.end(),
                               [&](const LinkStatus& link) { return link.name == link_name(line); });
  return at != status->links.end() ? at->streams_total : 0;
}

// ---- judging

void NetworkWorld::check_more() {
  for (unsigned number = 0; number < sides_.size(); ++number) {
    GatewaySite& site = *sides_[number].site;
    if (!site.running()) continue;
    const SidePlan& limits = plan_.sites[number].limits;
    for (const auto& shard : site.transport().shards()) {
      const ShardUsage usage = shard->usage();
      if (usage.edge_blocks > limits.edge_blocks || usage.link_blocks > limits.link_blocks ||
          usage.small_blocks > limits.small_blocks)
        fail(fmt::format("{} holds more blocks than it has", site_name(number)));
    }
    for (const auto& [key, candidates] : site.view().keys) {
      for (const NetworkView::Candidate& line : candidates) {
        if (path_loops(site_name(number), line.path))
          fail(fmt::format("{} has a path to {} that loops", site_name(number), line.site_id));
      }
    }
  }
}

}  // namespace fairlead::sim
