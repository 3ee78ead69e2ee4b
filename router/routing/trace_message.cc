#include "router/routing/trace_message.h"

#include <algorithm>

#include "router/routing/message_header.h"

namespace fairlead {
namespace {

constexpr std::size_t kRouterSize = 8;

auto malformed(const char* what) {
  return fail(ErrorCode::kProtocol, std::string("a router message: a trace ") + what);
}

}  // namespace

std::vector<std::uint8_t> encode(const TraceMessage& message) {
  ByteWriter writer = begin_message(RouterMessageKind::kTrace);
  writer.put(message.id);
  writer.put(message.hop);
  writer.put_text(message.routing_key);
  writer.put(static_cast<std::uint8_t>(message.path.size() / kRouterSize));
  writer.put_bytes(message.path);
  return writer.take();
}

std::vector<std::uint8_t> encode(const TraceAnswer& answer) {
  ByteWriter writer = begin_message(RouterMessageKind::kTraceAnswer);
  writer.put(answer.id);
  writer.put(answer.hop);
  writer.put(static_cast<std::uint8_t>(answer.state));
  writer.put(static_cast<std::uint32_t>(std::clamp<std::int64_t>(answer.connect.microseconds(), 0, UINT32_MAX)));
  for (const std::string* text : {&answer.site_id, &answer.site_name, &answer.server, &answer.error})
    writer.put_text(*text);
  return writer.take();
}

bool is_trace(std::span<const std::uint8_t> message) noexcept {
  return is_message_of(message, RouterMessageKind::kTrace) || is_message_of(message, RouterMessageKind::kTraceAnswer);
}

Result<std::variant<TraceMessage, TraceAnswer>> decode_trace(std::span<const std::uint8_t> bytes) {
  if (!is_trace(bytes)) return malformed("of another kind");
  ByteReader reader(bytes.subspan(kRouterMessageHeaderSize));
  if (is_message_of(bytes, RouterMessageKind::kTrace)) {
    TraceMessage message;
    message.id = reader.take<std::uint64_t>();
    message.hop = reader.take<std::uint8_t>();
    message.routing_key = reader.take_text();
    const std::size_t routers = reader.take<std::uint8_t>();
    const auto path = reader.take_bytes(routers * kRouterSize);
    if (!reader.ok() || message.routing_key.empty()) return malformed("cut short, or without a routing key");
    message.path.assign(path.begin(), path.end());
    return message;
  }
  TraceAnswer answer;
  answer.id = reader.take<std::uint64_t>();
  answer.hop = reader.take<std::uint8_t>();
  const std::uint8_t state = reader.take<std::uint8_t>();
  answer.connect = Duration::microseconds(reader.take<std::uint32_t>());
  for (std::string* text : {&answer.site_id, &answer.site_name, &answer.server, &answer.error})
    *text = reader.take_text();
  if (!reader.ok() || state > static_cast<std::uint8_t>(TraceAnswer::State::kEnded)) {
    return malformed("answer cut short, or of a state that is not known here");
  }
  answer.state = static_cast<TraceAnswer::State>(state);
  return answer;
}

}  // namespace fairlead
