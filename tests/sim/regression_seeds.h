// Seeds that once failed, or that reach something rare. Each costs a fraction of a second, for ever.
#pragma once

#include <cstdint>

namespace fairlead::sim {

inline constexpr std::uint64_t kRegressionSeeds[] = {
    1,
    2,
    3,
    41,
    635,
};

// Of networks.
inline constexpr std::uint64_t kNetworkSeeds[] = {
    1,
    2,
    3,
};

}  // namespace fairlead::sim
