// simulate: runs worlds of two sites by seed (command line: seed_runner.h). Without one: the regression seeds.
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
  return {WorldPlan::draw(seed).describe(), describe(verdict), verdict.failures};
}

}  // namespace
}  // namespace fairlead::sim

int main(int count, char** values) {
  using namespace fairlead::sim;
  return run_seeds(count, values, {std::begin(kRegressionSeeds), std::end(kRegressionSeeds)}, run);
}
