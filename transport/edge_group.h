// EdgeGroup: the connections of one listener or connector on one shard, counted. Plain values of the shard's thread.
#pragma once

#include <cstdint>

namespace fairlead {

struct EdgeGroup {
  std::uint64_t open = 0;
  std::uint64_t total = 0;
  std::uint64_t failed = 0;  // connects that failed
  int last_errno = 0;        // of the last failure
};

}  // namespace fairlead
