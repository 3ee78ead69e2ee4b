#include "tests/sim/network_plan.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace fairlead::sim {
namespace {

SidePlan draw_limits(Prng& prng, bool tight) {
  SidePlan limits;
  limits.shards = 1 + static_cast<unsigned>(prng.below(2));
  limits.receive_bundles = prng.below(2) == 0;
  limits.initial_window_bytes = pick(prng, {16U * 1024, 64U * 1024, 100'000U});
  limits.window_bytes_max = std::max(limits.initial_window_bytes, pick(prng, {16U * 1024, 256U * 1024}));
  limits.window_budget_bytes = pick(prng, {std::uint64_t{0}, std::uint64_t{100'000}, std::uint64_t{256} << 20});
  limits.edge_blocks = pick(prng, {16U, 40U, 64U});
  limits.link_blocks = pick(prng, {16U, 24U, 64U});
  limits.small_blocks = pick(prng, {256U, 1'024U});
  if (!tight) return limits;
  limits.streams_per_session_max = pick(prng, {1U, 2U, 5U, 1'024U});
  // A client that is served at its own site counts twice.
  limits.connections_per_shard_max = pick(prng, {2U, 3U, 10U, 1'024U});
  limits.edge_blocks = pick(prng, {2U, 4U, 32U});
  limits.link_blocks = 0;  // no more than its sessions need
  limits.small_blocks = pick(prng, {64U, 128U, 256U});
  return limits;
}

// Small, and often equal.
std::uint32_t draw_cost(Prng& prng) {
  return 1 + static_cast<std::uint32_t>(prng.below(prng.below(2) == 0 ? 3 : 12));
}

// Which uplink an edge site uses must not hang on a tie: each has costs of its own.
std::uint32_t draw_uplink_cost(Prng& prng, unsigned uplink) {
  return 1 + uplink + 2 * static_cast<std::uint32_t>(prng.below(5));
}

unsigned uplink_number(const NetworkPlan& plan, unsigned line) {
  unsigned number = 0;
  for (unsigned i = 0; i < line; ++i)
    number += plan.lines[i].from == plan.lines[line].from ? 1U : 0U;
  return number;
}

// All interior sites hang together; edge sites come last and have an uplink or two.
void draw_lines(Prng& prng, NetworkPlan& plan, unsigned interior) {
  const auto add = [&](unsigned a, unsigned b) {
    const bool turned = prng.below(2) == 0;
    plan.add_line(turned ? b : a, turned ? a : b, draw_cost(prng));
  };
  for (unsigned site = 1; site < interior; ++site)
    add(site, static_cast<unsigned>(prng.below(site)));
  const std::uint64_t more = prng.below(interior + 1);
  for (std::uint64_t i = 0; i < more; ++i) {
    const auto a = static_cast<unsigned>(prng.below(interior));
    const auto b = static_cast<unsigned>(prng.below(interior));
    if (a != b) add(a, b);  // perhaps beside another one
  }
  for (unsigned site = interior; site < plan.sites.size(); ++site) {
    const auto first = static_cast<unsigned>(prng.below(interior));
    plan.add_line(site, first, draw_uplink_cost(prng, 0));
    const auto second = static_cast<unsigned>(prng.below(interior));
    if (second != first) plan.add_line(site, second, draw_uplink_cost(prng, 1));
  }
}

// A shard takes a session for every four link blocks, and needs some to spare while a link is replaced.
void make_room_for_sessions(NetworkPlan& plan) {
  for (unsigned number = 0; number < plan.sites.size(); ++number) {
    SidePlan& limits = plan.sites[number].limits;
    unsigned sessions = 0;
    for (const NetworkPlan::Line& line : plan.lines) {
      if (line.from != number && line.to != number) continue;
      const unsigned other = plan.sites[line.from == number ? line.to : line.from].limits.shards;
      sessions += (std::max(other, limits.shards) + limits.shards - 1) / limits.shards;
    }
    limits.link_blocks = std::max(limits.link_blocks, 4 * (sessions + 2));
  }
}

void draw_services(Prng& prng, NetworkPlan& plan) {
  const std::uint64_t keys = 3 + prng.below(4);
  for (std::uint64_t i = 0; i < keys; ++i) {
    const unsigned key = plan.add_key(kBehaviours[prng.below(std::size(kBehaviours))]);
    std::set<unsigned> sites;
    const std::uint64_t count = 1 + prng.below(3);
    while (sites.size() < std::min<std::size_t>(count, plan.sites.size()))
      sites.insert(static_cast<unsigned>(prng.below(plan.sites.size())));
    for (const unsigned site : sites)
      plan.providers.push_back({key, site, 1 + static_cast<unsigned>(prng.below(2)), false});
  }
}

Disaster draw_disaster(Prng& prng, const NetworkPlan& plan) {
  Disaster disaster;
  static constexpr Disaster::Kind kKinds[] = {
      Disaster::Kind::kCutLink, Disaster::Kind::kCutLink, Disaster::Kind::kCutApps,    Disaster::Kind::kKill,
      Disaster::Kind::kKill,    Disaster::Kind::kRestart, Disaster::Kind::kDescriptors};
  disaster.kind = pick(prng, kKinds);
  disaster.side = static_cast<unsigned>(prng.below(plan.sites.size()));
  if (disaster.kind == Disaster::Kind::kCutLink) {
    const NetworkPlan::Line& line = plan.lines[prng.below(plan.lines.size())];
    disaster.side = line.from;
    disaster.other = line.to;
  }
  disaster.after = draw_duration(prng, plan.flows_within * 2);
  disaster.lasts = draw_duration(prng, prng.below(2) == 0 ? Duration::milliseconds(800) : Duration::seconds(4));
  return disaster;
}

void draw_events(Prng& prng, NetworkPlan& plan) {
  const std::uint64_t changes = prng.below(3) == 0 ? 0 : prng.below(6);
  for (std::uint64_t i = 0; i < changes; ++i) {
    const auto line = static_cast<unsigned>(prng.below(plan.lines.size()));
    const bool uplink = plan.sites[plan.lines[line].from].edge;
    const std::uint32_t cost = uplink ? draw_uplink_cost(prng, uplink_number(plan, line)) : draw_cost(prng);
    plan.cost_changes.push_back({line, cost, draw_duration(prng, plan.flows_within * 2)});
  }
  if (plan.calm) return;
  const std::uint64_t disasters = prng.below(6);
  for (std::uint64_t i = 0; i < disasters; ++i)
    plan.disasters.push_back(draw_disaster(prng, plan));
  const std::uint64_t refusals = prng.below(3);
  for (std::uint64_t i = 0; i < refusals; ++i) {
    const auto provider = static_cast<unsigned>(prng.below(plan.providers.size()));
    plan.refusals.push_back(
        {provider, draw_duration(prng, plan.flows_within * 2), draw_duration(prng, Duration::seconds(3))});
  }
}

}  // namespace

NetworkPlan NetworkPlan::draw(std::uint64_t seed) {
  // Apart from the world's own numbers, which begin with the same seed.
  Prng prng(seed ^ 0x6e6574);
  NetworkPlan plan;
  plan.seed = seed;
  plan.calm = prng.below(5) < 2;
  plan.tight = !plan.calm && prng.below(4) == 0;
  plan.faults = Faults::swarm(prng);
  if (plan.calm) calm_down(plan.faults);
  const auto interior = 2 + static_cast<unsigned>(prng.below(5));
  const auto edges = static_cast<unsigned>(prng.below(3)) + (interior < 3 ? 1 : 0);
  plan.sites.resize(std::min(interior + edges, kSitesMax));
  for (unsigned number = 0; number < plan.sites.size(); ++number) {
    plan.sites[number] = {draw_limits(prng, plan.tight), number >= interior, draw_duration(prng, Duration::seconds(2))};
  }
  draw_lines(prng, plan, interior);
  Prng protection(seed ^ 0x746c73);
  for (NetworkPlan::Site& site : plan.sites)
    draw_protection(protection, site.limits);
  for (NetworkPlan::Site& site : plan.sites)
    draw_cipher_suites(protection, site.limits);
  make_room_for_sessions(plan);
  draw_services(prng, plan);
  if (prng.below(3) == 0) {
    for (Provider& provider : plan.providers)
      provider.probe = prng.below(3) != 0;
  }
  plan.sizes = draw_sizes(prng, 200'000);
  plan.flows = 6 + static_cast<unsigned>(prng.below(30));
  plan.flows_within = pick(prng, {Duration::milliseconds(10), Duration::seconds(1), Duration::seconds(5)});
  draw_events(prng, plan);
  return plan;
}

unsigned NetworkPlan::add_key(Behaviour behaviour) {
  keys.push_back({behaviour, fmt::format("{}-{}", name_of(behaviour), keys.size())});
  return static_cast<unsigned>(keys.size() - 1);
}

unsigned NetworkPlan::add_provider(unsigned key, unsigned site, bool probe) {
  providers.push_back({.key = key, .site = site, .instances = 1, .probe = probe});
  return static_cast<unsigned>(providers.size() - 1);
}

std::string NetworkPlan::describe() const {
  std::string text = sim::describe(seed, calm, tight, flows, sizes);
  for (unsigned number = 0; number < sites.size(); ++number) {
    const Site& site = sites[number];
    text += fmt::format("  site {}{} after {} ms: {}\n", number, site.edge ? ", edge," : "",
                        site.starts_after.milliseconds(), sim::describe(site.limits));
  }
  for (unsigned number = 0; number < lines.size(); ++number)
    text += fmt::format("  link {}: from {} to {}, cost {}\n", number, lines[number].from, lines[number].to,
                        lines[number].cost);
  for (const Provider& provider : providers)
    text += fmt::format("  {} at site {}, {} servers{}\n", keys[provider.key].name, provider.site, provider.instances,
                        provider.probe ? ", probed" : "");
  text += sim::describe(faults);
  for (const Disaster& disaster : disasters)
    text += sim::describe(disaster);
  for (const CostChange& change : cost_changes)
    text += fmt::format("  at {} ms, link {}: cost {}\n", change.after.milliseconds(), change.line, change.cost);
  for (const Refusal& refusal : refusals)
    text += fmt::format("  at {} ms, {} at site {}: servers refuse for {} ms\n", refusal.after.milliseconds(),
                        keys[providers[refusal.provider].key].name, providers[refusal.provider].site,
                        refusal.lasts.milliseconds());
  return text;
}

}  // namespace fairlead::sim
