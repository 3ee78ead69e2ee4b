#include "tests/sim/site_plan.h"

#include <fmt/format.h>

namespace fairlead::sim {

Duration draw_duration(Prng& prng, Duration most) noexcept {
  return {static_cast<std::int64_t>(prng.below(static_cast<std::uint64_t>(most.ns)))};
}

FlowSizes draw_sizes(Prng& prng, std::uint64_t largest) {
  FlowSizes sizes;
  sizes.bytes_max = pick(prng, {std::uint64_t{2'000}, std::uint64_t{50'000}, largest});
  sizes.pause_max = pick(prng, {Duration::milliseconds(5), Duration::milliseconds(200)});
  sizes.stall_percent = pick(prng, {0U, 5U, 25U});
  sizes.abort_percent = pick(prng, {0U, 10U, 40U});
  return sizes;
}

void draw_protection(Prng& prng, SidePlan& side) {
  side.tls.present = prng.below(4) != 0;
  side.tls.sends = prng.below(4) != 0;
  side.tls.receives = prng.below(4) != 0;
  side.tls.rekeys = prng.below(2) == 0;
  if (prng.below(4) == 0) side.record_protection = RecordProtection::kUser;
  side.records_per_key = pick(prng, {std::uint64_t{8}, std::uint64_t{50}, std::uint64_t{500}, kRecordsPerKey});
}

void draw_cipher_suites(Prng& prng, SidePlan& side) {
  std::swap(side.cipher_suites[0], side.cipher_suites[prng.below(side.cipher_suites.size())]);
  side.tls.nic = prng.below(4) == 0;
}

void calm_down(Faults& faults) noexcept {
  faults.connect_refused = faults.connect_slow = faults.connect_lost = 0;
  faults.reset = faults.silence = faults.tiny_send_buffer = 0;
  faults.socket_failure = 0;
  faults.clock_jump = faults.pause = 0;
}

void apply(const SidePlan& side, SitePlan& site) {
  site.receive_bundles = side.receive_bundles;
  site.options.shards = side.shards;
  site.options.silent_limit = side.silent_limit;
  site.options.initial_window_bytes = side.initial_window_bytes;
  site.options.window_bytes_max = side.window_bytes_max;
  site.options.window_budget_bytes = side.window_budget_bytes;
  site.options.streams_per_session_max = side.streams_per_session_max;
  site.options.connections_per_shard_max = side.connections_per_shard_max;
  site.options.edge_blocks = side.edge_blocks;
  site.options.link_blocks = side.link_blocks;
  site.options.small_blocks = side.small_blocks;
  site.tls = side.tls;
  site.options.record_protection = side.record_protection;
  site.options.records_per_key = side.records_per_key;
  site.options.cipher_suites = side.cipher_suites;
}

std::string describe(std::uint64_t seed, bool calm, bool tight, unsigned flows, const FlowSizes& sizes) {
  return fmt::format("seed {}: {}{}, {} flows of at most {} B, stalls {} %, aborts {} %\n", seed,
                     calm ? "calm" : "stormy", tight ? " and tight" : "", flows, sizes.bytes_max, sizes.stall_percent,
                     sizes.abort_percent);
}

namespace {

std::string describe_protection(const SidePlan& side) {
  const bool kernel = side.tls.present && side.record_protection != RecordProtection::kUser;
  return fmt::format("records sent by {}, received by {}{}, {} a key", kernel && side.tls.sends ? "kernel" : "user",
                     kernel && side.tls.receives ? "kernel" : "user", side.tls.rekeys ? " (rekeys)" : "",
                     side.records_per_key);
}

}  // namespace

std::string describe(const SidePlan& side) {
  return fmt::format("{} shards, windows {} to {} B (budget {}), streams {}, connections {}, blocks {}/{}/{}{}, {}",
                     side.shards, side.initial_window_bytes, side.window_bytes_max, side.window_budget_bytes,
                     side.streams_per_session_max, side.connections_per_shard_max, side.edge_blocks, side.link_blocks,
                     side.small_blocks, side.receive_bundles ? ", bundles" : "", describe_protection(side));
}

std::string describe(const Faults& f) {
  return fmt::format(
      "  faults in 10,000: short receive {} send {}, no buffers {}, accept {}, multishot end {}, late cancel {}, "
      "refused {}, "
      "sockets {}, connect refused {} slow {} lost {}, reset {}, silence {}, tiny {}, jump {}, pause {}, "
      "late loop {} completion {}\n"
      "  buffers {}/{} B, latency {} to {} us, request delay {} us, completion queue {}{}\n",
      f.short_receive, f.short_send, f.spurious_no_buffers, f.accept_failure, f.multishot_end, f.late_cancel,
      f.submission_refused, f.socket_failure, f.connect_refused, f.connect_slow, f.connect_lost, f.reset, f.silence,
      f.tiny_send_buffer, f.clock_jump, f.pause, f.late_loop, f.late_completion, f.send_buffer_bytes,
      f.receive_buffer_bytes, f.latency_min.microseconds(), f.latency_max.microseconds(),
      f.request_delay_max.microseconds(),
      f.completion_queue_entries, f.shuffle_completions ? ", shuffled" : "");
}

std::string describe(const Disaster& d) {
  static constexpr const char* kNames[] = {"cut between the sites", "cut from applications", "kill", "restart",
                                           "no descriptors"};
  const std::string other = d.kind == Disaster::Kind::kCutLink ? fmt::format(" and {}", d.other) : std::string();
  return fmt::format("  at {} ms, side {}{}: {} for {} ms\n", d.after.milliseconds(), d.side, other,
                     kNames[static_cast<unsigned>(d.kind)], d.lasts.milliseconds());
}

}  // namespace fairlead::sim
