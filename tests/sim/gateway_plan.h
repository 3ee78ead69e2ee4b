// WorldPlan: everything about a simulated world that is decided before it begins, drawn from a seed. A test may also
// fill one in by hand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/faults.h"
#include "tests/sim/flow_script.h"
#include "transport/base/time.h"
#include "transport/config.h"

namespace fairlead::sim {

// Something that happens to sites or network on purpose.
struct Disaster {
  enum class Kind : std::uint8_t {
    kCutLink,      // the sites cannot reach each other for a while
    kCutApps,      // a site and its applications cannot
    kKill,         // a gateway dies, and is started again after a while
    kRestart,      // a gateway is drained, stopped in order and started again
    kDescriptors,  // a gateway can open no more descriptors for a while
  };
  Kind kind = Kind::kCutLink;
  unsigned side = 0;
  Duration after{};
  Duration lasts{};
};

struct SidePlan {
  unsigned shards = 1;
  bool receive_bundles = true;
  Duration silent_limit = Duration::milliseconds(400);
  std::uint32_t initial_window_bytes = 64 * 1024;
  std::uint32_t window_bytes_max = 16 * 1024 * 1024;
  std::uint64_t window_budget_bytes = 256 * 1024 * 1024;
  std::uint32_t streams_per_session_max = 1'024;
  std::uint32_t connections_per_shard_max = 1'024;
  std::uint32_t edge_blocks = 256;
  std::uint32_t link_blocks = 64;
  std::uint32_t small_blocks = 4'096;
};

struct WorldPlan {
  std::uint64_t seed = 0;  // of the world itself
  bool calm = true;
  bool tight = false;  // limits are so low that connections may be refused
  Faults faults;
  std::vector<SidePlan> sides{2};
  FlowSizes sizes;
  unsigned flows = 20;
  Duration flows_within = Duration::seconds(2);
  std::vector<Disaster> disasters;

  static WorldPlan draw(std::uint64_t seed);
  std::string describe() const;
};

}  // namespace fairlead::sim
