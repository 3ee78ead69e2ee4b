// Opening: what it takes to try another destination for a connection that is not established yet, so that a server
// which refuses, or a site that has just lost its server, is not the client's problem. Exists from the choice of a
// route until the far end said OPENED, or there is nothing left to try. Whatever the client has sent by then is kept,
// and goes to the next destination from the start; nothing of it was delivered anywhere.
//
// Owner: the Stream or EdgeSocket that is being opened; from the shard's slab. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "transport/forwarder.h"
#include "transport/uring/kernel.h"
#include "transport/wire/frame.h"

namespace fairlead {

struct Opening {
  // Destinations that may fail one client: enough to find one that works, few enough not to keep it waiting.
  static constexpr std::size_t kTriedMax = 8;
  // Of a connection that came over a link and ends here: only this site's own connectors will do.
  static constexpr std::uint32_t kFromLink = UINT32_MAX - 1;

  StreamName name;
  const Address* server = nullptr;  // that is being dialled
  std::uint32_t arrived_on = RouteQuery::kFromListener;
  Strategy strategy = Strategy::kBalanced;
  std::uint8_t hops_left = 255;
  bool client_is_stream = false;  // and not an EdgeSocket
  std::uint8_t tried_count = 0;
  std::uint8_t key_size = 0;
  std::uint8_t attributes_size = 0;
  std::array<std::uint64_t, kTriedMax> tried{};
  std::array<char, kRoutingKeySizeMax> key{};
  std::array<std::uint8_t, OpenFrame::kAttributesMax> attributes_buffer{};  // of the client, as OPEN carries them

  std::string_view routing_key() const noexcept { return {key.data(), key_size}; }

  void set_routing_key(std::string_view text) noexcept {
    key_size = static_cast<std::uint8_t>(std::min<std::size_t>(text.size(), key.size()));
    std::copy_n(text.data(), key_size, key.data());
  }

  std::span<const std::uint8_t> attributes() const noexcept {
    return std::span(attributes_buffer).first(attributes_size);
  }

  void set_attributes(std::span<const std::uint8_t> bytes) noexcept {
    attributes_size = static_cast<std::uint8_t>(std::min(bytes.size(), attributes_buffer.size()));
    std::copy_n(bytes.data(), attributes_size, attributes_buffer.data());
  }

  RouteQuery query() const noexcept {
    return {.routing_key = routing_key(),
            .arrived_on = arrived_on,
            .strategy = strategy,
            .path = {},
            .tried = std::span(tried).first(tried_count),
            .choice = name.number};
  }

  // False when there were enough.
  [[nodiscard]] bool note_tried(std::uint64_t destination) noexcept {
    if (tried_count == kTriedMax) return false;
    tried[tried_count++] = destination;
    return true;
  }
};

// Whether a connection that ended for this reason, before OPENED, may be offered to another destination: the far end
// said that it has not reached a server.
constexpr bool may_try_another(ResetCode code) noexcept {
  switch (code) {
    case ResetCode::kNoRoute:
    case ResetCode::kConnectRefused:
    case ResetCode::kConnectTimeout:
    case ResetCode::kConnectFailed:
    case ResetCode::kLimit:
    case ResetCode::kClosing:
      return true;
    case ResetCode::kNone:
    case ResetCode::kPeerReset:
    case ResetCode::kLinkLost:
    case ResetCode::kFlowControl:
    case ResetCode::kProtocol:
    case ResetCode::kInternal:
    case ResetCode::kIdle:
      return false;
  }
  return false;
}

}  // namespace fairlead
