#include "transport/tls/post_handshake.h"

#include <algorithm>

namespace fairlead {

namespace {

constexpr std::uint8_t kNewSessionTicket = 4;
constexpr std::uint8_t kKeyUpdate = 24;

constexpr std::uint8_t kUpdateNotRequested = 0;
constexpr std::uint8_t kUpdateRequested = 1;

// Lifetime, age add, nonce length, ticket length and one byte of it, extensions length: RFC 8446 4.6.1.
constexpr std::uint32_t kTicketBytesMin = 4 + 4 + 1 + 2 + 1 + 2;

}  // namespace

std::expected<PostHandshake::Action, RecordFault> PostHandshake::handshake(const std::uint8_t* data,
                                                                           std::size_t size) noexcept {
  while (size > 0) {
    if (header_size_ < kMessageHeader) {
      header_[header_size_++] = *data++;
      --size;
      if (header_size_ < kMessageHeader) continue;
      if (const auto begun = begin_message(); !begun) return std::unexpected(begun.error());
      continue;
    }
    // Bodies are not kept: a ticket is of no use to us, and a key update's body is one byte.
    const std::uint32_t step = static_cast<std::uint32_t>(std::min<std::size_t>(size, body_left_));
    body_left_ -= step;
    data += step;
    size -= step;
    if (body_left_ > 0) break;
    const auto action = end_message(data[-1]);
    if (!action) return action;
    if (*action == Action::kNone) continue;
    // RFC 8446 5.1: what follows a key update is under the new key, so nothing may follow in this record.
    if (size > 0) return std::unexpected(RecordFault::kMessage);
    return action;
  }
  return Action::kNone;
}

std::expected<void, RecordFault> PostHandshake::begin_message() noexcept {
  body_left_ = static_cast<std::uint32_t>(header_[1]) << 16 | static_cast<std::uint32_t>(header_[2]) << 8 | header_[3];
  switch (header_[0]) {
    case kNewSessionTicket:
      if (role_ != Role::kClient) return std::unexpected(RecordFault::kMessage);
      if (body_left_ < kTicketBytesMin || body_left_ > kTicketBytesMax) {
        return std::unexpected(RecordFault::kMessageMalformed);
      }
      if (++tickets_ > kTicketsMax) return std::unexpected(RecordFault::kMessageFlood);
      return {};
    case kKeyUpdate:
      if (body_left_ != 1) return std::unexpected(RecordFault::kMessageMalformed);
      if (++key_updates_in_a_row_ > kKeyUpdatesInARowMax) return std::unexpected(RecordFault::kMessageFlood);
      return {};
    default: return std::unexpected(RecordFault::kMessage);
  }
}

std::expected<PostHandshake::Action, RecordFault> PostHandshake::end_message(std::uint8_t last_byte) noexcept {
  header_size_ = 0;
  if (header_[0] != kKeyUpdate) return Action::kNone;
  switch (last_byte) {
    case kUpdateNotRequested: return Action::kAdvance;
    case kUpdateRequested: return Action::kAdvanceAndAnswer;
    default: return std::unexpected(RecordFault::kMessageMalformed);
  }
}

std::expected<PostHandshake::Alert, RecordFault> PostHandshake::alert(const std::uint8_t* data,
                                                                      std::size_t size) noexcept {
  // RFC 8446 5.1: an alert is neither fragmented nor put together with another.
  if (size != 2) return std::unexpected(RecordFault::kMessageMalformed);
  return Alert{data[0], data[1]};
}

}  // namespace fairlead
