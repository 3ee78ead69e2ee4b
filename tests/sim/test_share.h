// How much of a long test this build can bear.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace fairlead::sim {

// As many as usual, or as large a share of them as FAIRLEAD_TEST_PERCENT says (less with sanitizers), but never less
// than `least`.
inline std::uint64_t share_of(std::uint64_t usual, std::uint64_t least = 0) {
  const char* percent = std::getenv("FAIRLEAD_TEST_PERCENT");
  return percent == nullptr ? usual : std::max(least, usual * std::strtoul(percent, nullptr, 10) / 100);
}

}  // namespace fairlead::sim
