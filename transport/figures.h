// Figures that shards count and status shows. Plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "transport/base/duration_histogram.h"
#include "transport/wire/frame.h"

namespace fairlead {

// How many ended for which reason. Codes that this version does not know are counted as kNone.
class ResetCounts {
 public:
  void count(ResetCode code) noexcept { ++counts_[index_of(code)]; }

  std::uint64_t of(ResetCode code) const noexcept { return counts_[index_of(code)]; }

  ResetCounts& operator+=(const ResetCounts& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += other.counts_[i];
    return *this;
  }

  friend bool operator==(const ResetCounts&, const ResetCounts&) = default;

 private:
  static std::size_t index_of(ResetCode code) noexcept {
    const auto index = static_cast<std::size_t>(code);
    return index < kResetCodes ? index : 0;
  }

  std::array<std::uint64_t, kResetCodes> counts_{};
};

// What came of the application connections of one routing key, on one side.
struct KeyFigures {
  std::uint64_t open = 0;  // now
  std::uint64_t opened = 0;
  std::uint64_t bytes_in = 0;   // from applications
  std::uint64_t bytes_out = 0;  // to applications
  ResetCounts failed;
  // Clients: from when one was accepted until the first byte of its server was sent to it. Servers: until one was
  // connected, with its TLS handshake.
  DurationHistogram latency;

  friend bool operator==(const KeyFigures&, const KeyFigures&) = default;

  KeyFigures& operator+=(const KeyFigures& other) noexcept {
    open += other.open;
    opened += other.opened;
    bytes_in += other.bytes_in;
    bytes_out += other.bytes_out;
    failed += other.failed;
    latency += other.latency;
    return *this;
  }
};

enum class KeySide : std::uint8_t {
  kClients,  // came in at listeners
  kServers,  // connectors went out to
};

struct KeyStatus {
  std::string routing_key;
  KeySide side = KeySide::kClients;
  KeyFigures figures;
};

// What of a shard is in use now.
struct ShardUsage {
  std::uint32_t sessions = 0;
  std::uint32_t listeners = 0;
  std::uint32_t edges = 0;
  std::uint32_t streams = 0;
  std::uint32_t openings = 0;
  std::uint32_t edge_blocks = 0;  // beyond those lent to the kernel
  std::uint32_t link_blocks = 0;
  std::uint32_t small_blocks = 0;
  std::uint32_t slice_nodes = 0;
  std::uint32_t requests = 0;
  std::uint64_t window_growth_bytes = 0;
};

}  // namespace fairlead
