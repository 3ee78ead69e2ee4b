// simulate: runs worlds by seed, and prints the line that replays a failure.
//
//   simulate                      the regression seeds, and a new one if --commit gives it
//   simulate --commit HASH        ... made from a commit
//   simulate --seed N [--log]     one; with --log every event of it
//   simulate --seeds N [--from M] [--seconds S]
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "tests/sim/gateway_world.h"
#include "tests/sim/regression_seeds.h"
#include "transport/base/log.h"

namespace fairlead::sim {
namespace {

// Told even when production code ends the process.
char g_replay[128];

void tell_seed(int signal) {
  static_cast<void>(write(STDERR_FILENO, g_replay, std::strlen(g_replay)) == 0);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

struct Arguments {
  std::optional<std::uint64_t> seed;
  std::uint64_t seeds = 0;
  std::uint64_t from = 1;
  long seconds = 0;
  std::uint64_t commit = 0;
  bool log = false;
};

std::optional<Arguments> parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = values[i];
    if (name == "--log") {
      arguments.log = true;
      continue;
    }
    if (++i == count) return std::nullopt;
    char* rest = nullptr;
    const int base = name == "--commit" ? 16 : 10;
    // Of a commit hash, as much as a number holds.
    const std::string text = std::string(values[i]).substr(0, base == 16 ? 15 : 20);
    const std::uint64_t value = std::strtoull(text.c_str(), &rest, base);
    if (*rest != 0) return std::nullopt;
    if (name == "--seed") {
      arguments.seed = value;
    } else if (name == "--seeds") {
      arguments.seeds = value;
    } else if (name == "--from") {
      arguments.from = value;
    } else if (name == "--seconds") {
      arguments.seconds = static_cast<long>(value);
    } else if (name == "--commit") {
      arguments.commit = value;
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

bool run_seed(std::uint64_t seed, const Arguments& arguments, const char* program) {
  std::snprintf(g_replay, sizeof g_replay, "replay with: %s --seed %" PRIu64 " --log\n", program, seed);
  const Verdict verdict = simulate(seed, arguments.log ? stdout : nullptr);
  if (verdict.ok() && arguments.seed) {
    std::printf("seed %" PRIu64 ": %zu of %zu connection ends in order, %" PRIu64
                " rounds, %.3f s simulated, trace %016" PRIx64 "\n",
                seed, verdict.clean, verdict.ends, verdict.rounds, static_cast<double>(verdict.simulated.ns) / 1e9,
                verdict.trace_hash);
  }
  if (verdict.ok()) return true;
  std::printf("\nFAILED %s", WorldPlan::draw(seed).describe().c_str());
  for (const std::string& failure : verdict.failures)
    std::printf("%s\n", failure.c_str());
  std::printf("%s", g_replay);
  std::fflush(stdout);
  return false;
}

int run(const Arguments& arguments, const char* program) {
  set_log_level(arguments.log ? LogLevel::kDebug : LogLevel::kError);
  std::signal(SIGABRT, tell_seed);
  std::vector<std::uint64_t> seeds(std::begin(kRegressionSeeds), std::end(kRegressionSeeds));
  if (arguments.commit != 0) seeds.push_back(arguments.commit);
  if (arguments.seed) seeds = {*arguments.seed};
  if (arguments.seeds > 0) seeds.clear();
  for (std::uint64_t i = 0; i < arguments.seeds; ++i)
    seeds.push_back(arguments.from + i);
  const std::time_t begin = std::time(nullptr);
  std::size_t run_count = 0;
  std::size_t failed = 0;
  for (const std::uint64_t seed : seeds) {
    if (arguments.seconds > 0 && std::time(nullptr) - begin >= arguments.seconds) break;
    ++run_count;
    if (!run_seed(seed, arguments, program)) ++failed;
  }
  std::printf("%zu of %zu seeds failed\n", failed, run_count);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fairlead::sim

int main(int count, char** values) {
  const auto arguments = fairlead::sim::parse(count, values);
  if (!arguments) {
    std::fprintf(stderr, "usage: %s [--commit HASH] | --seed N [--log] | --seeds N [--from M] [--seconds S]\n",
                 values[0]);
    return 2;
  }
  return fairlead::sim::run(*arguments, values[0]);
}
