// simulate: runs worlds of two sites by seed (command line: seed_runner.h). Without one: the regression seeds.
#include <cinttypes>
#include <iterator>

#include "tests/sim/gateway_world.h"
#include "tests/sim/regression_seeds.h"
#include "tests/sim/seed_runner.h"
#include "transport/base/log.h"

namespace fairlead::sim {
namespace {

SeedResult run(std::uint64_t seed, std::FILE* log) {
  set_log_level(log != nullptr ? LogLevel::kDebug : LogLevel::kError);
  const Verdict verdict = simulate(seed, log);
  char summary[160];
  std::snprintf(summary, sizeof summary,
                "%zu of %zu connection ends in order, %" PRIu64 " rounds, %.3f s simulated, trace %016" PRIx64,
                verdict.clean, verdict.ends, verdict.rounds, static_cast<double>(verdict.simulated.ns) / 1e9,
                verdict.trace_hash);
  return {WorldPlan::draw(seed).describe(), summary, verdict.failures};
}

}  // namespace
}  // namespace fairlead::sim

int main(int count, char** values) {
  using namespace fairlead::sim;
  return run_seeds(count, values, {std::begin(kRegressionSeeds), std::end(kRegressionSeeds)}, run);
}
