// simulate_routers: runs worlds of routers by seed, and prints the line that replays a failure.
//
//   simulate_routers --seed N [--log]                    one; with --log every event of it
//   simulate_routers [--seeds N] [--from M] [--seconds S]
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include <unistd.h>

#include "tests/sim/router_simulation.h"

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
  std::uint64_t seeds = 1000;
  std::uint64_t from = 1;
  long seconds = 0;
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
    const std::uint64_t value = std::strtoull(values[i], &rest, 10);
    if (*rest != 0) return std::nullopt;
    if (name == "--seed") {
      arguments.seed = value;
    } else if (name == "--seeds") {
      arguments.seeds = value;
    } else if (name == "--from") {
      arguments.from = value;
    } else if (name == "--seconds") {
      arguments.seconds = static_cast<long>(value);
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

bool run_seed(std::uint64_t seed, const Arguments& arguments, const char* program) {
  std::snprintf(g_replay, sizeof g_replay, "replay with: %s --seed %" PRIu64 " --log\n", program, seed);
  const RouterVerdict verdict = simulate_routers(seed, arguments.log ? stdout : nullptr);
  if (arguments.seed) {
    std::printf("seed %" PRIu64 ": %s, %" PRIu64 " faults, %" PRIu64 " events, %" PRIu64
                " messages, %.3f s simulated, trace %016" PRIx64 "\n",
                seed, verdict.network.c_str(), verdict.faults, verdict.events, verdict.messages,
                static_cast<double>(verdict.simulated.ns) / 1e9, verdict.trace_hash);
  }
  if (verdict.ok()) return true;
  std::printf("\nFAILED seed %" PRIu64 ": %s\n", seed, verdict.network.c_str());
  for (const std::string& failure : verdict.failures)
    std::printf("%s\n", failure.c_str());
  std::printf("%s", g_replay);
  std::fflush(stdout);
  return false;
}

int run(const Arguments& arguments, const char* program) {
  std::signal(SIGABRT, tell_seed);
  std::signal(SIGSEGV, tell_seed);
  if (arguments.seed) return run_seed(*arguments.seed, arguments, program) ? 0 : 1;
  const std::time_t begin = std::time(nullptr);
  std::uint64_t run_count = 0;
  std::uint64_t failed = 0;
  for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
    if (arguments.seconds > 0 && std::time(nullptr) - begin >= arguments.seconds) break;
    ++run_count;
    if (!run_seed(arguments.from + i, arguments, program)) ++failed;
  }
  std::printf("%" PRIu64 " of %" PRIu64 " seeds failed\n", failed, run_count);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fairlead::sim

int main(int count, char** values) {
  const auto arguments = fairlead::sim::parse(count, values);
  if (!arguments) {
    std::fprintf(stderr, "usage: %s --seed N [--log] | [--seeds N] [--from M] [--seconds S]\n", values[0]);
    return 2;
  }
  return fairlead::sim::run(*arguments, values[0]);
}
