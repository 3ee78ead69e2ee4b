// What a peer says in plaintext, once its records are opened: arbitrary bytes as a run of frames, and as a HELLO. What
// was understood must come back the same when it is said again. What CONTROL frames carry: message_fuzz.cc.
//
// First byte of the input: 0 a run of frames (HELLO, OPEN and RESET are looked into, and the parts of a message in
// CONTROL put together, as a session does), 1 the payload of a HELLO; anything else as 0.
#include <cstdint>
#include <span>
#include <vector>

#include "router/routing/message.h"
#include "tests/fuzz/fuzz_target.h"
#include "transport/wire/frame.h"
#include "transport/wire/hello.h"

namespace fairlead {
namespace {

void feed_hello(std::span<const std::uint8_t> payload) {
  const auto hello = Hello::decode(payload);
  if (!hello) return expect(!hello.error().message.empty());
  const Bytes frame = hello->encode();
  FrameHeader header;
  expect(check_frame(frame, header) == FrameCheck::kOk && frame.size() == kFrameHeaderSize + header.length);
  const auto again = Hello::decode(std::span(frame).subspan(kFrameHeaderSize));
  expect(again.has_value() && again->encode() == frame);
}

void feed_open(std::span<const std::uint8_t> payload) {
  OpenFrame open;
  if (!OpenFrame::decode(payload, open)) return;
  expect(!open.routing_key.empty() && open.encoded_size() <= payload.size());
  Bytes again(open.encoded_size());
  open.encode(again.data());
  expect(std::equal(again.begin(), again.end(), payload.begin()));
}

void feed_reset(std::span<const std::uint8_t> payload) {
  ResetFrame reset;
  if (!ResetFrame::decode(payload, reset)) return;
  expect(reset.reason.size() + 4 == payload.size() && !name_of(reset.code).empty());
}

// As a session takes the contents of one record.
class Session {
 public:
  void feed(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      FrameHeader header;
      const FrameCheck check = check_frame(bytes, header);
      expect(!name_of(check).empty());
      if (check != FrameCheck::kOk) return;
      expect(header.length <= kFramePayloadMax && kFrameHeaderSize + header.length <= bytes.size());
      expect(known_type(header.type) || (header.flags & kFlagSkippable) != 0);
      // Memory of its own, so that a step beyond the payload is seen.
      const auto payload = bytes.subspan(kFrameHeaderSize, header.length);
      take(header, Bytes(payload.begin(), payload.end()));
      bytes = bytes.subspan(kFrameHeaderSize + header.length);
    }
  }

 private:
  void take(const FrameHeader& header, const Bytes& payload) {
    switch (header.type) {
      case FrameType::kHello: return feed_hello(payload);
      case FrameType::kOpen: return feed_open(payload);
      case FrameType::kReset:
      case FrameType::kGoAway: return feed_reset(payload);
      case FrameType::kCredit:
      case FrameType::kPing:
      case FrameType::kPong: return expect(payload.size() == 8);
      case FrameType::kControl:
        if ((header.flags & kFlagFirst) != 0) control_message_.clear();
        control_message_.insert(control_message_.end(), payload.begin(), payload.end());
        if ((header.flags & kFlagLast) != 0) static_cast<void>(decode_message(control_message_));
        return;
      case FrameType::kMove:
      case FrameType::kRenew: return expect(payload.empty());
      case FrameType::kOpened: return;
      case FrameType::kData: return expect(!payload.empty() || (header.flags & kFlagFin) != 0);
    }
  }

  Bytes control_message_;
};

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  input[0] == 1 ? feed_hello(input.subspan(1)) : Session().feed(input.subspan(1));
}

}  // namespace fairlead
