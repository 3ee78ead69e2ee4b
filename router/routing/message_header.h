// What every router message begins with: a version and a kind. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "router/routing/bytes.h"

namespace fairlead {

inline constexpr std::uint8_t kRouterMessageVersion = 1;

enum class RouterMessageKind : std::uint8_t {
  kSummary = 1,  // message.h
  kRequest = 2,
  kUpdate = 3,
  kCost = 4,
  kOffer = 5,
  kReach = 6,
  kTrace = 7,  // trace_message.h
  kTraceAnswer = 8,
  kSurvey = 9,  // survey.h
  kSurveyAnswer = 10,
};

inline constexpr std::size_t kRouterMessageHeaderSize = 2;

inline ByteWriter begin_message(RouterMessageKind kind) {
  ByteWriter writer;
  writer.put(kRouterMessageVersion);
  writer.put(static_cast<std::uint8_t>(kind));
  return writer;
}

inline bool is_message_of(std::span<const std::uint8_t> message, RouterMessageKind kind) noexcept {
  return message.size() >= kRouterMessageHeaderSize && message[0] == kRouterMessageVersion &&
         message[1] == static_cast<std::uint8_t>(kind);
}

}  // namespace fairlead
