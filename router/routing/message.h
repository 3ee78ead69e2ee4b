// RouterMessage: what routers say to the neighbour at the other end of a link: the payload of CONTROL frames. Pure.
//
//   version (1) = 1, kind (1), then by kind:
//
//   between interior routers
//     1 summary  count (4), then router (8), incarnation (8), sequence (8), digest (8): the newest that the sender has
//                of each
//     2 request  count (4), then router (8): send me what you have of these
//     3 update   count (4), then link states (link_state.cc)
//   between an edge router and its interior one
//     5 offer    active (1), keys: what the edge site serves, and whether this is the uplink it uses
//     6 reach    count (2), then key, cost (4), instances (2): what can be reached through the interior router
//   on any link
//     4 cost     u32: what the sender has configured for the link from now on
//
// A message of another kind is ignored: a later version may know it. Kinds 7 and 8 are in trace_message.h, 9 and 10 in
// survey.h.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "router/routing/link_state.h"
#include "transport/base/error.h"

namespace fairlead {

struct SummaryLine {
  RouterId router = kNoRouter;
  LinkStateVersion version;
};

struct SummaryMessage {
  std::vector<SummaryLine> lines;
};

struct RequestMessage {
  std::vector<RouterId> routers;
};

struct UpdateMessage {
  std::vector<LinkState> states;
};

struct CostMessage {
  std::uint32_t cost = 1;
};

struct OfferMessage {
  bool active = false;
  ServedKeys keys;
};

// What can be reached by a key: the least cost, and how many instances there are at any cost.
struct Reach {
  std::uint32_t cost = 0;
  std::uint16_t instances = 0;

  friend bool operator==(const Reach&, const Reach&) = default;
};

using ReachableKeys = std::map<std::string, Reach, std::less<>>;

struct ReachMessage {
  ReachableKeys keys;
};

struct UnknownMessage {};

using RouterMessage = std::variant<SummaryMessage, RequestMessage, UpdateMessage, CostMessage, OfferMessage,
                                   ReachMessage, UnknownMessage>;

std::vector<std::uint8_t> encode(const SummaryMessage& message);
std::vector<std::uint8_t> encode(const RequestMessage& message);
std::vector<std::uint8_t> encode(const CostMessage& message);
std::vector<std::uint8_t> encode(const OfferMessage& message);
std::vector<std::uint8_t> encode(const ReachMessage& message);
// As many messages as it takes: each holds link states of about kUpdateBytes at most, or a single larger one.
std::vector<std::vector<std::uint8_t>> encode_updates(std::span<const LinkState* const> states);

inline constexpr std::size_t kUpdateBytes = 256 * 1024;

Result<RouterMessage> decode_message(std::span<const std::uint8_t> bytes);

}  // namespace fairlead
