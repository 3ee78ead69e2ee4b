// What plans of worlds are made of (gateway_plan.h, network_plan.h): the limits of a site, what happens to it, and how
// such things are drawn from a seed and told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/faults.h"
#include "tests/sim/flow_script.h"
#include "tests/sim/gateway_site.h"
#include "transport/base/prng.h"
#include "transport/base/time.h"

namespace fairlead::sim {

// Something that happens to sites or network on purpose.
struct Disaster {
  enum class Kind : std::uint8_t {
    kCutLink,      // the sites cannot reach each other for a while
    kCutApps,      // a site and its applications cannot
    kKill,         // a gateway dies, and is started again after a while
    kRestart,      // a gateway is drained, stopped in order and started again
    kDescriptors,  // a gateway can open no more descriptors for a while
  };
  Kind kind = Kind::kCutLink;
  unsigned side = 0;
  unsigned other = 1;  // of kCutLink: the site at the other end
  Duration after{};
  Duration lasts{};
};

struct SidePlan {
  unsigned shards = 1;
  bool receive_bundles = true;
  Duration silent_limit = Duration::milliseconds(400);
  std::uint32_t initial_window_bytes = 64 * 1024;
  std::uint32_t window_bytes_max = 64 * 1024 * 1024;
  std::uint64_t window_budget_bytes = 256 * 1024 * 1024;
  std::uint32_t streams_per_session_max = 1'024;
  std::uint32_t connections_per_shard_max = 1'024;
  std::uint32_t edge_blocks = 256;
  std::uint32_t link_blocks = 64;
  std::uint32_t small_blocks = 4'096;
  SimTlsOptions tls{};
  RecordProtection record_protection = RecordProtection::kAuto;
  std::uint64_t records_per_key = kRecordsPerKey;
  std::vector<CipherSuite> cipher_suites = default_suites();
};

template <class T, std::size_t N>
T pick(Prng& prng, const T (&values)[N]) {
  return values[prng.below(N)];
}

Duration draw_duration(Prng& prng, Duration most) noexcept;
// `largest`: of the most bytes that a flow may have, the largest choice.
FlowSizes draw_sizes(Prng& prng, std::uint64_t largest);
// What the kernel offers of TLS, what is wanted of it, and how soon keys are used up.
void draw_protection(Prng& prng, SidePlan& side);
// The suite it wants most, and whether a network card does the kernel's work.
void draw_cipher_suites(Prng& prng, SidePlan& side);
// Takes away what an application must not notice.
void calm_down(Faults& faults) noexcept;

// Into the options of a site.
void apply(const SidePlan& side, SitePlan& site);

// The first line of what a plan says of itself.
std::string describe(std::uint64_t seed, bool calm, bool tight, unsigned flows, const FlowSizes& sizes);
std::string describe(const SidePlan& side);
std::string describe(const Faults& faults);
std::string describe(const Disaster& disaster);

}  // namespace fairlead::sim
