// What one run of the load measured, as the program prints it: a line of JSON.
#pragma once

#include <cstdint>

#include "bench/load/histogram.h"

namespace fairlead::load {

struct LoadResult {
  double seconds = 0;
  std::uint64_t bytes = 0;     // bulk: counted by the server
  std::uint64_t requests = 0;  // answered
  std::uint64_t errors = 0;    // connections that broke or answered wrongly
  Histogram latency;
};

}  // namespace fairlead::load
