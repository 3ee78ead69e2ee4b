// HELLO: the first frame each way on a session, sent by both ends as soon as the TLS handshake is complete. Pure.
//
// Payload: magic "FLD1" (4), version min (1), version max (1), session index (2), shard count (2), flags (2), cost (4),
// initial window (4), streams max (4), link id (8), incarnation (8), features (8), then site id and site name, each
// with a length byte in front. Bytes behind are for later versions and ignored.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "transport/base/error.h"

namespace fairlead {

struct Hello {
  static constexpr std::uint8_t kVersion = 1;
  static constexpr std::uint32_t kFixedSize = 48;
  static constexpr std::uint16_t kShardsMax = 256;
  // Flag: this session begins a new run of the link. Without it an acceptor takes only runs that it knows.
  static constexpr std::uint16_t kFlagBegin = 0x0001;
  // Flag: the sender is an edge site. Only diallers are.
  static constexpr std::uint16_t kFlagEdge = 0x0002;
  // Flag: this connection is to take the place of that of the session with its index. Said by both ends.
  static constexpr std::uint16_t kFlagReplace = 0x0004;
  // Feature: the sender follows a TLS KeyUpdate of the peer. Without it a session lives as long as its first keys.
  static constexpr std::uint64_t kFeatureKeyUpdates = 0x1;
  // Feature: the sender knows MOVE and RENEW.
  static constexpr std::uint64_t kFeatureMove = 0x2;

  std::uint8_t version_min = kVersion;
  std::uint8_t version_max = kVersion;
  std::uint16_t session_index = 0;  // which of the link's sessions this is; the acceptor repeats the dialler's
  std::uint16_t shards = 1;         // the link gets as many sessions as the larger of both ends
  std::uint16_t flags = 0;
  std::uint32_t cost = 1;
  std::uint32_t initial_window_bytes = 0;  // credit of each stream that the peer may use at once
  std::uint32_t streams_max = 0;           // that the peer may have open
  std::uint64_t link_id = 0;  // chosen by the dialler for each run of a link: sessions with it belong together
  std::uint64_t incarnation = 0;  // of the process: random, or later than the last
  std::uint64_t features = 0;     // bits of optional protocol parts
  std::string site_id;
  std::string site_name;

  // A whole frame, header included.
  std::vector<std::uint8_t> encode() const;
  // From a HELLO frame's payload.
  static Result<Hello> decode(std::span<const std::uint8_t> payload);
};

}  // namespace fairlead
