#include "tests/sim/seed_runner.h"

#include <cinttypes>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>

#include <unistd.h>

namespace fairlead::sim {
namespace {

char g_replay[256];

void tell_seed(int signal) {
  static_cast<void>(write(STDERR_FILENO, g_replay, std::strlen(g_replay)) == 0);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

struct Arguments {
  std::optional<std::uint64_t> seed;
  std::uint64_t seeds = 0;
  std::uint64_t from = 1;
  std::uint64_t seconds = 0;
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
    if (rest == text.c_str() || *rest != 0) return std::nullopt;
    if (name == "--seed") {
      arguments.seed = value;
    } else if (name == "--seeds") {
      arguments.seeds = value;
    } else if (name == "--from") {
      arguments.from = value;
    } else if (name == "--seconds") {
      arguments.seconds = value;
    } else if (name == "--commit") {
      arguments.commit = value;
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

std::vector<std::uint64_t> chosen(const Arguments& arguments, const std::vector<std::uint64_t>& always) {
  if (arguments.seed) return {*arguments.seed};
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t i = 0; i < arguments.seeds; ++i)
    seeds.push_back(arguments.from + i);
  if (!seeds.empty()) return seeds;
  seeds = always;
  if (arguments.commit != 0) seeds.push_back(arguments.commit);
  return seeds;
}

bool run_seed(std::uint64_t seed, const Arguments& arguments, const char* program, RunSeed run) {
  std::snprintf(g_replay, sizeof g_replay, "replay with: %s --seed %" PRIu64 " --log\n", program, seed);
  const SeedResult result = run(seed, arguments.log ? stdout : nullptr);
  if (arguments.seed) std::printf("seed %" PRIu64 ": %s\n", seed, result.summary.c_str());
  if (result.failures.empty()) return true;
  std::printf("\nFAILED %s\n", result.world.c_str());
  for (const std::string& failure : result.failures)
    std::printf("%s\n", failure.c_str());
  std::printf("%s", g_replay);
  std::fflush(stdout);
  return false;
}

}  // namespace

int run_seeds(int count, char** values, const std::vector<std::uint64_t>& always, RunSeed run) {
  const auto arguments = parse(count, values);
  if (!arguments) {
    std::fprintf(stderr, "usage: %s --seed N [--log] | --seeds N [--from M] [--seconds S] | [--commit HASH]\n",
                 values[0]);
    return 2;
  }
  std::signal(SIGABRT, tell_seed);
  std::signal(SIGSEGV, tell_seed);
  const std::time_t begin = std::time(nullptr);
  std::size_t run_count = 0;
  std::size_t failed = 0;
  for (const std::uint64_t seed : chosen(*arguments, always)) {
    if (arguments->seconds > 0 && static_cast<std::uint64_t>(std::time(nullptr) - begin) >= arguments->seconds) break;
    ++run_count;
    if (!run_seed(seed, *arguments, values[0], run)) ++failed;
  }
  std::printf("%zu of %zu seeds failed\n", failed, run_count);
  return failed == 0 ? 0 : 1;
}

}  // namespace fairlead::sim
