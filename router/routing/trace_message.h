// What routers say for `fairlead trace`: router messages (message.h) of two more kinds, between any neighbours. Pure.
//
//   version (1) = 1, kind (1), then by kind:
//
//   7 trace   id (8), hop (1), routing key, path: count (1) and 8 bytes for each router: where the next connection for
//             the key would go; `hop` links were travelled so far
//   8 answer  id (8), hop (1), state (1), connect (4: microseconds), site id, site name, server, error: of the router
//             `hop` links from where the trace began; goes back the way the trace came
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "transport/base/error.h"
#include "transport/base/time.h"

namespace fairlead {

struct TraceMessage {
  std::uint64_t id = 0;
  std::uint8_t hop = 0;
  std::string routing_key;
  std::vector<std::uint8_t> path;  // as OPEN carries it
};

struct TraceAnswer {
  enum class State : std::uint8_t {
    kPassedOn = 0,
    kArrived = 1,  // at a connector; `error` is empty if its server answered
    kEnded = 2,    // here, for the reason in `error`
  };

  std::uint64_t id = 0;
  std::uint8_t hop = 0;
  State state = State::kPassedOn;
  Duration connect{};  // how long the server took
  std::string site_id;
  std::string site_name;
  std::string server;
  std::string error;
};

std::vector<std::uint8_t> encode(const TraceMessage& message);
std::vector<std::uint8_t> encode(const TraceAnswer& answer);

// Whether a router message is one of these.
bool is_trace(std::span<const std::uint8_t> message) noexcept;
Result<std::variant<TraceMessage, TraceAnswer>> decode_trace(std::span<const std::uint8_t> message);

}  // namespace fairlead
