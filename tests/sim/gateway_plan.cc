#include "tests/sim/gateway_plan.h"

#include <algorithm>

#include <fmt/format.h>

namespace fairlead::sim {
namespace {

SidePlan draw_side(Prng& prng, bool tight) {
  SidePlan side;
  side.shards = 1 + static_cast<unsigned>(prng.below(3));
  side.receive_bundles = prng.below(2) == 0;
  side.initial_window_bytes = pick(prng, {16U * 1024, 64U * 1024, 100'000U});
  side.window_bytes_max = std::max(side.initial_window_bytes, pick(prng, {16U * 1024, 256U * 1024, 64U * 1024 * 1024}));
  side.window_budget_bytes = pick(prng, {std::uint64_t{0}, std::uint64_t{100'000}, std::uint64_t{256} << 20});
  // A bundle takes as many buffers as the pool has lent.
  side.edge_blocks = pick(prng, {4U, 16U, 32U, 40U, 256U});
  side.link_blocks = pick(prng, {16U, 24U, 64U});
  side.small_blocks = pick(prng, {256U, 1'024U, 4'096U});
  if (!tight) return side;
  side.streams_per_session_max = pick(prng, {1U, 2U, 5U, 1'024U});
  side.connections_per_shard_max = pick(prng, {1U, 3U, 10U, 1'024U});
  side.edge_blocks = pick(prng, {2U, 4U, 32U});
  side.link_blocks = pick(prng, {8U, 10U, 16U});
  side.small_blocks = pick(prng, {32U, 64U, 256U});
  return side;
}

Disaster draw_disaster(Prng& prng, Duration within) {
  Disaster disaster;
  static constexpr Disaster::Kind kKinds[] = {Disaster::Kind::kCutLink, Disaster::Kind::kCutApps, Disaster::Kind::kKill,
                                              Disaster::Kind::kRestart, Disaster::Kind::kDescriptors};
  disaster.kind = pick(prng, kKinds);
  disaster.side = static_cast<unsigned>(prng.below(2));
  disaster.other = 1 - disaster.side;
  disaster.after = draw_duration(prng, within);
  disaster.lasts = draw_duration(prng, prng.below(2) == 0 ? Duration::milliseconds(800) : Duration::seconds(4));
  return disaster;
}

}  // namespace

WorldPlan WorldPlan::draw(std::uint64_t seed) {
  // Apart from the world's own numbers, which begin with the same seed.
  Prng prng(seed ^ 0x706c616e);
  WorldPlan plan;
  plan.seed = seed;
  plan.calm = prng.below(5) < 2;
  plan.tight = !plan.calm && prng.below(3) == 0;
  plan.faults = Faults::swarm(prng);
  if (plan.calm) calm_down(plan.faults);
  for (SidePlan& side : plan.sides)
    side = draw_side(prng, plan.tight);
  // A shard takes a session for every four link blocks; a link has as many sessions as the larger side has shards.
  const unsigned sessions = std::max(plan.sides[0].shards, plan.sides[1].shards);
  for (SidePlan& side : plan.sides)
    side.link_blocks = std::max(side.link_blocks, 4 * ((sessions + side.shards - 1) / side.shards));
  Prng protection(seed ^ 0x746c73);
  for (SidePlan& side : plan.sides)
    draw_protection(protection, side);
  for (SidePlan& side : plan.sides)
    draw_cipher_suites(protection, side);
  plan.tls_edges = !plan.tight && protection.below(6) == 0;
  if (!plan.tight && protection.below(6) == 0) {
    plan.proxy_edges = protection.below(2) == 0 ? ProxyProtocol::kV1 : ProxyProtocol::kV2;
  }
  plan.sizes = draw_sizes(prng, 300'000);
  plan.flows = 4 + static_cast<unsigned>(prng.below(28));
  plan.flows_within = pick(prng, {Duration::milliseconds(10), Duration::seconds(1), Duration::seconds(5)});
  if (plan.calm) return plan;
  const std::uint64_t disasters = prng.below(5);
  for (std::uint64_t i = 0; i < disasters; ++i)
    plan.disasters.push_back(draw_disaster(prng, plan.flows_within * 2));
  return plan;
}

std::string WorldPlan::describe() const {
  std::string text = sim::describe(seed, calm, tight, flows, sizes);
  for (const SidePlan& side : sides)
    text += "  site: " + sim::describe(side) + "\n";
  text += sim::describe(faults);
  for (const Disaster& disaster : disasters)
    text += sim::describe(disaster);
  return text;
}

}  // namespace fairlead::sim
