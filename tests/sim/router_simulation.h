// What a seed makes of a RouterWorld: a network of some shape, a while of chaos in which some sorts of faults occur and
// others do not, and then the checks: agreement within a second, a minute of silence, and single changes one by one,
// each with a bound on the messages that it may cost.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "transport/base/time.h"

namespace fairlead::sim {

struct RouterVerdict {
  std::vector<std::string> failures;
  std::string network;
  std::uint64_t faults = 0;
  std::uint64_t events = 0;
  std::uint64_t messages = 0;
  std::uint64_t trace_hash = 0;
  Duration simulated{};

  bool ok() const noexcept { return failures.empty(); }
};

RouterVerdict simulate_routers(std::uint64_t seed, std::FILE* log = nullptr);

}  // namespace fairlead::sim
