// simulate_routers: runs worlds of routers by seed (command line: seed_runner.h). Without one: seeds 1 to 1,000.
#include <cinttypes>
#include <numeric>

#include "tests/sim/router_simulation.h"
#include "tests/sim/seed_runner.h"

namespace fairlead::sim {
namespace {

SeedResult run(std::uint64_t seed, std::FILE* log) {
  RouterVerdict verdict = simulate_routers(seed, log);
  char summary[240];
  std::snprintf(summary, sizeof summary,
                "%s, %" PRIu64 " faults, %" PRIu64 " events, %" PRIu64 " messages, %.3f s simulated, trace %016" PRIx64,
                verdict.network.c_str(), verdict.faults, verdict.events, verdict.messages,
                static_cast<double>(verdict.simulated.ns) / 1e9, verdict.trace_hash);
  return {"seed " + std::to_string(seed) + ": " + verdict.network, summary, std::move(verdict.failures)};
}

}  // namespace
}  // namespace fairlead::sim

int main(int count, char** values) {
  std::vector<std::uint64_t> always(1000);
  std::iota(always.begin(), always.end(), 1);
  return fairlead::sim::run_seeds(count, values, always, fairlead::sim::run);
}
