// Figures that shards count and status shows. Plain values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "transport/base/duration_histogram.h"
#include "transport/uring/kernel.h"
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

// System calls of one sort that moved something, and how much they moved: with what TLS adds, if user space does it.
struct Transfers {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;

  void add(std::uint32_t moved) noexcept {
    ++count;
    bytes += moved;
  }

  friend bool operator==(const Transfers&, const Transfers&) = default;
};

// What a shard's loop did since it began. How many turns it made, and how long each took, is in their histogram.
struct LoopFigures {
  Transfers link_sends;
  Transfers link_receives;
  Transfers edge_sends;  // to applications
  Transfers edge_receives;
  std::uint64_t completions = 0;
  ThreadUsage thread;

  friend bool operator==(const LoopFigures&, const LoopFigures&) = default;
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
