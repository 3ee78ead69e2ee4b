#include "transport/wire/frame.h"

namespace fairlead {

std::string_view name_of(ResetCode code) noexcept {
  switch (code) {
    case ResetCode::kNone:
      return "none";
    case ResetCode::kNoRoute:
      return "no route";
    case ResetCode::kConnectRefused:
      return "connection refused by the server";
    case ResetCode::kConnectTimeout:
      return "no answer from the server";
    case ResetCode::kConnectFailed:
      return "server not reachable";
    case ResetCode::kPeerReset:
      return "reset by the application";
    case ResetCode::kLinkLost:
      return "link lost";
    case ResetCode::kFlowControl:
      return "flow control violated";
    case ResetCode::kLimit:
      return "limit reached";
    case ResetCode::kClosing:
      return "shutting down";
    case ResetCode::kProtocol:
      return "protocol violated";
    case ResetCode::kIdle:
      return "idle for too long";
    case ResetCode::kInternal:
      return "internal error";
  }
  return "unknown";
}

std::string_view name_of(FrameCheck check) noexcept {
  switch (check) {
    case FrameCheck::kOk:
      return "ok";
    case FrameCheck::kNeedMore:
      return "frame cut short by its record";
    case FrameCheck::kTooLong:
      return "frame longer than a record";
    case FrameCheck::kBadStream:
      return "frame for a stream id that its type does not allow";
    case FrameCheck::kBadSize:
      return "frame of a size that its type does not allow";
    case FrameCheck::kUnknownType:
      return "frame of an unknown type that must not be skipped";
  }
  return "unknown";
}

void OpenFrame::encode(std::uint8_t* at) const noexcept {
  wire::store<std::uint64_t>(at, name.origin);
  wire::store<std::uint64_t>(at + 8, name.number);
  at[16] = hops_left;
  at[17] = static_cast<std::uint8_t>(path.size() / kHopSize);
  at[18] = static_cast<std::uint8_t>(routing_key.size());
  if (!path.empty()) std::memcpy(at + kFixedSize, path.data(), path.size());
  at += kFixedSize + path.size();
  std::memcpy(at, routing_key.data(), routing_key.size());
  if (!attributes.empty()) std::memcpy(at + routing_key.size(), attributes.data(), attributes.size());
}

bool OpenFrame::decode(std::span<const std::uint8_t> payload, OpenFrame& open) noexcept {
  if (payload.size() < kFixedSize) return false;
  const std::size_t path_size = std::size_t{payload[17]} * kHopSize;
  const std::size_t key_size = payload[18];
  if (key_size == 0 || payload.size() < kFixedSize + path_size + key_size) return false;
  open.name = {wire::load<std::uint64_t>(payload.data()), wire::load<std::uint64_t>(payload.data() + 8)};
  open.hops_left = payload[16];
  open.path = payload.subspan(kFixedSize, path_size);
  open.routing_key = {reinterpret_cast<const char*>(payload.data()) + kFixedSize + path_size, key_size};
  const std::span<const std::uint8_t> rest = payload.subspan(kFixedSize + path_size + key_size);
  open.attributes = rest.size() <= kAttributesMax ? rest : std::span<const std::uint8_t>();
  return true;
}

bool ResetFrame::decode(std::span<const std::uint8_t> payload, ResetFrame& reset) noexcept {
  if (payload.size() < 4 || payload.size() > 4 + kReasonSizeMax) return false;
  reset.code = static_cast<ResetCode>(wire::load<std::uint32_t>(payload.data()));
  reset.reason = {reinterpret_cast<const char*>(payload.data()) + 4, payload.size() - 4};
  return true;
}

bool known_type(FrameType type) noexcept {
  return type >= FrameType::kHello && type <= FrameType::kRenew;
}

namespace {

FrameCheck check_known(const FrameHeader& header) noexcept {
  const auto stream_frame = [&](bool size_ok) {
    if (header.stream == 0) return FrameCheck::kBadStream;
    return size_ok ? FrameCheck::kOk : FrameCheck::kBadSize;
  };
  const auto session_frame = [&](bool size_ok) {
    if (header.stream != 0) return FrameCheck::kBadStream;
    return size_ok ? FrameCheck::kOk : FrameCheck::kBadSize;
  };
  const std::uint16_t n = header.length;
  switch (header.type) {
    case FrameType::kHello:
      return session_frame(true);
    case FrameType::kOpen:
      return stream_frame(n > OpenFrame::kFixedSize);
    case FrameType::kOpened:
      return stream_frame(true);
    case FrameType::kData:
      return stream_frame(n > 0 || (header.flags & kFlagFin) != 0);
    case FrameType::kCredit:
      return stream_frame(n == 8);
    case FrameType::kReset:
      return stream_frame(n >= 4 && n <= 4 + kReasonSizeMax);
    case FrameType::kPing:
    case FrameType::kPong:
      return session_frame(n == 8);
    case FrameType::kGoAway:
      return session_frame(n >= 4 && n <= 4 + kReasonSizeMax);
    case FrameType::kControl:
      return session_frame(n > 0);
    case FrameType::kMove:
    case FrameType::kRenew:
      return session_frame(n == 0);
  }
  return (header.flags & kFlagSkippable) != 0 ? FrameCheck::kOk : FrameCheck::kUnknownType;
}

}  // namespace

FrameCheck check_frame(std::span<const std::uint8_t> bytes, FrameHeader& header) noexcept {
  if (bytes.size() < kFrameHeaderSize) return FrameCheck::kNeedMore;
  header = decode_header(bytes.data());
  if (header.length > kFramePayloadMax) return FrameCheck::kTooLong;
  if (const FrameCheck check = check_known(header); check != FrameCheck::kOk) return check;
  return bytes.size() - kFrameHeaderSize < header.length ? FrameCheck::kNeedMore : FrameCheck::kOk;
}

}  // namespace fairlead
