#include "router/routing/message.h"

#include "router/routing/message_header.h"

namespace fairlead {
namespace {

using Kind = RouterMessageKind;

Result<RouterMessage> malformed(const char* what) {
  return fail(ErrorCode::kProtocol, std::string("a router message: ") + what);
}

Result<RouterMessage> take_summary(ByteReader& reader) {
  SummaryMessage message;
  const std::uint32_t count = reader.take<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    SummaryLine line;
    line.router = RouterId{reader.take<std::uint64_t>()};
    line.version.incarnation = reader.take<std::uint64_t>();
    line.version.sequence = reader.take<std::uint64_t>();
    line.version.digest = reader.take<std::uint64_t>();
    message.lines.push_back(line);
  }
  if (!reader.ok()) return malformed("a summary cut short");
  return message;
}

Result<RouterMessage> take_request(ByteReader& reader) {
  RequestMessage message;
  const std::uint32_t count = reader.take<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i)
    message.routers.push_back(RouterId{reader.take<std::uint64_t>()});
  if (!reader.ok()) return malformed("a request cut short");
  return message;
}

Result<RouterMessage> take_update(ByteReader& reader) {
  UpdateMessage message;
  const std::uint32_t count = reader.take<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
    auto state = take_link_state(reader);
    if (!state) return std::unexpected(state.error());
    message.states.push_back(std::move(*state));
  }
  if (!reader.ok()) return malformed("an update cut short");
  return message;
}

Result<RouterMessage> take_cost(ByteReader& reader) {
  const CostMessage message{reader.take<std::uint32_t>()};
  if (!reader.ok() || message.cost == 0) return malformed("a cost of 0, or cut short");
  return message;
}

Result<RouterMessage> take_offer(ByteReader& reader) {
  OfferMessage message;
  message.active = reader.take<std::uint8_t>() != 0;
  if (!take_keys(reader, message.keys)) {
    return malformed("an offer cut short, or with keys that are empty, repeated or not in order");
  }
  return message;
}

Result<RouterMessage> take_reach(ByteReader& reader) {
  ReachMessage message;
  const std::uint16_t count = reader.take<std::uint16_t>();
  for (std::uint16_t i = 0; i < count && reader.ok(); ++i) {
    std::string key = reader.take_text();
    const Reach reach{reader.take<std::uint32_t>(), reader.take<std::uint16_t>()};
    const bool in_order = message.keys.empty() || message.keys.rbegin()->first < key;
    if (!reader.ok() || key.empty() || !in_order) {
      return malformed("a list of keys cut short, or with keys that are empty, repeated or not in order");
    }
    message.keys.emplace_hint(message.keys.end(), std::move(key), reach);
  }
  if (!reader.ok()) return malformed("a list of keys cut short");
  return message;
}

}  // namespace

std::vector<std::uint8_t> encode(const SummaryMessage& message) {
  ByteWriter writer = begin_message(Kind::kSummary);
  writer.put(static_cast<std::uint32_t>(message.lines.size()));
  for (const SummaryLine& line : message.lines) {
    writer.put(value_of(line.router));
    writer.put(line.version.incarnation);
    writer.put(line.version.sequence);
    writer.put(line.version.digest);
  }
  return writer.take();
}

std::vector<std::uint8_t> encode(const RequestMessage& message) {
  ByteWriter writer = begin_message(Kind::kRequest);
  writer.put(static_cast<std::uint32_t>(message.routers.size()));
  for (const RouterId router : message.routers)
    writer.put(value_of(router));
  return writer.take();
}

std::vector<std::uint8_t> encode(const CostMessage& message) {
  ByteWriter writer = begin_message(Kind::kCost);
  writer.put(message.cost);
  return writer.take();
}

std::vector<std::uint8_t> encode(const OfferMessage& message) {
  ByteWriter writer = begin_message(Kind::kOffer);
  writer.put(static_cast<std::uint8_t>(message.active ? 1 : 0));
  put_keys(writer, message.keys);
  return writer.take();
}

std::vector<std::uint8_t> encode(const ReachMessage& message) {
  ByteWriter writer = begin_message(Kind::kReach);
  const std::size_t count_at = writer.reserve<std::uint16_t>();
  std::uint16_t count = 0;
  for (const auto& [key, reach] : message.keys) {
    if (count == UINT16_MAX) break;
    if (key.empty() || key.size() > kRoutingKeySizeMax) continue;  // OPEN could not name it
    ++count;
    writer.put_text(key);
    writer.put(reach.cost);
    writer.put(reach.instances);
  }
  writer.fill(count_at, count);
  return writer.take();
}

std::vector<std::vector<std::uint8_t>> encode_updates(std::span<const LinkState* const> states) {
  std::vector<std::vector<std::uint8_t>> messages;
  while (!states.empty()) {
    ByteWriter writer = begin_message(Kind::kUpdate);
    const std::size_t count_at = writer.reserve<std::uint32_t>();
    std::uint32_t count = 0;
    while (!states.empty() && (count == 0 || writer.size() < kUpdateBytes)) {
      put_link_state(writer, *states.front());
      states = states.subspan(1);
      ++count;
    }
    writer.fill(count_at, count);
    messages.push_back(writer.take());
  }
  return messages;
}

Result<RouterMessage> decode_message(std::span<const std::uint8_t> bytes) {
  ByteReader reader(bytes);
  if (reader.take<std::uint8_t>() != kRouterMessageVersion) return malformed("of a version that is not known here");
  const std::uint8_t kind = reader.take<std::uint8_t>();
  if (!reader.ok()) return malformed("cut short");
  switch (static_cast<Kind>(kind)) {
    case Kind::kSummary:
      return take_summary(reader);
    case Kind::kRequest:
      return take_request(reader);
    case Kind::kUpdate:
      return take_update(reader);
    case Kind::kCost:
      return take_cost(reader);
    case Kind::kOffer:
      return take_offer(reader);
    case Kind::kReach:
      return take_reach(reader);
    case Kind::kTrace:
    case Kind::kTraceAnswer:
    case Kind::kSurvey:
    case Kind::kSurveyAnswer:
      break;  // not routing's
  }
  return UnknownMessage{};
}

}  // namespace fairlead
