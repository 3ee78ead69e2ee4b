// Seeds that once failed, or that reach something rare. Each costs a fraction of a second, for ever.
#pragma once

#include <cstdint>

namespace fairlead::sim {

inline constexpr std::uint64_t kRegressionSeeds[] = {
    1,
    2,
    3,
    41,
    103,
    635,
};

// Of networks (1: a cost that is lowered; 4: windows that are not given back; 100013: with all buffers in the hands of
// applications that write before they read).
inline constexpr std::uint64_t kNetworkSeeds[] = {
    1,
    2,
    3,
    4,
    100013,
};

}  // namespace fairlead::sim
