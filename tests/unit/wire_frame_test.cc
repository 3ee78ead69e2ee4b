// Frames of the link protocol: every kind is encoded and decoded, and check_frame() is given every prefix of each,
// every length, both sorts of stream id and all 256 types, in memory of exactly the frame's size so that sanitizers see
// a step beyond it.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"
#include "transport/wire/frame.h"
#include "transport/wire/stream_id.h"

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes frame_of(FrameType type, std::uint8_t flags, std::uint32_t stream, std::size_t size) {
  Bytes frame(kFrameHeaderSize + size, 0xab);
  encode_header({static_cast<std::uint16_t>(size), type, flags, stream}, frame.data());
  return frame;
}

FrameCheck check(const Bytes& frame) {
  FrameHeader header;
  return check_frame(frame, header);
}

// What version 1 of the protocol says about each type.
struct Kind {
  FrameType type;
  bool on_stream;  // else stream 0
  std::uint32_t size_min;
  std::uint32_t size_max;
};

constexpr Kind kKinds[] = {
    {FrameType::kHello, false, 0, kFramePayloadMax},
    {FrameType::kOpen, true, OpenFrame::kFixedSize + 1, kFramePayloadMax},
    {FrameType::kOpened, true, 0, kFramePayloadMax},
    {FrameType::kData, true, 1, kFramePayloadMax},
    {FrameType::kCredit, true, 8, 8},
    {FrameType::kReset, true, 4, 4 + kReasonSizeMax},
    {FrameType::kPing, false, 8, 8},
    {FrameType::kPong, false, 8, 8},
    {FrameType::kGoAway, false, 4, 4 + kReasonSizeMax},
    {FrameType::kControl, false, 1, kFramePayloadMax},
    {FrameType::kMove, false, 0, 0},
    {FrameType::kRenew, false, 0, 0},
};

TEST(FrameHeader, StandsOnTheWireInNetworkByteOrder) {
  std::uint8_t bytes[kFrameHeaderSize];
  encode_header({0x1234, FrameType::kCredit, 0x81, 0x89abcdef}, bytes);
  EXPECT_EQ(Bytes(bytes, bytes + sizeof bytes), (Bytes{0x12, 0x34, 5, 0x81, 0x89, 0xab, 0xcd, 0xef}));
}

TEST(FrameHeader, ComesBackAsItWas) {
  Prng prng(1);
  for (int i = 0; i < 10'000; ++i) {
    const FrameHeader in{static_cast<std::uint16_t>(prng.next()), static_cast<FrameType>(prng.below(256)),
                         static_cast<std::uint8_t>(prng.next()), static_cast<std::uint32_t>(prng.next())};
    std::uint8_t bytes[kFrameHeaderSize];
    encode_header(in, bytes);
    const FrameHeader out = decode_header(bytes);
    ASSERT_EQ(out.length, in.length);
    ASSERT_EQ(out.type, in.type);
    ASSERT_EQ(out.flags, in.flags);
    ASSERT_EQ(out.stream, in.stream);
  }
}

TEST(CheckFrame, TakesEveryKindAndSize) {
  for (const Kind& kind : kKinds) {
    for (std::uint32_t size = 0; size <= kFramePayloadMax; size += size < 600 ? 1 : 997) {
      const bool ok = size >= kind.size_min && size <= kind.size_max;
      const Bytes frame = frame_of(kind.type, 0, kind.on_stream ? 7 : 0, size);
      ASSERT_EQ(check(frame), ok ? FrameCheck::kOk : FrameCheck::kBadSize)
          << "type " << static_cast<int>(kind.type) << " size " << size;
    }
    if (kind.size_max == kFramePayloadMax) {
      EXPECT_EQ(check(frame_of(kind.type, 0, kind.on_stream ? 7 : 0, kFramePayloadMax)), FrameCheck::kOk);
    }
  }
}

TEST(CheckFrame, WaitsForTheRestAtEverySplit) {
  for (const Kind& kind : kKinds) {
    const std::uint32_t size = std::min(kind.size_max, 300U);
    const Bytes frame = frame_of(kind.type, 0, kind.on_stream ? 7 : 0, size);
    for (std::size_t have = 0; have < frame.size(); ++have) {
      ASSERT_EQ(check(Bytes(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(have))), FrameCheck::kNeedMore)
          << "type " << static_cast<int>(kind.type) << " split at " << have;
    }
    // What follows belongs to the next frame.
    Bytes longer = frame;
    longer.insert(longer.end(), 20, 0xff);
    FrameHeader header;
    EXPECT_EQ(check_frame(longer, header), FrameCheck::kOk);
    EXPECT_EQ(kFrameHeaderSize + header.length, frame.size());
  }
}

TEST(CheckFrame, RefusesTheWrongSortOfStreamId) {
  for (const Kind& kind : kKinds) {
    for (const std::uint32_t stream : {1U, 2U, 0x8000'0000U, UINT32_MAX}) {
      const Bytes frame = frame_of(kind.type, 0, kind.on_stream ? 0 : stream, std::max(kind.size_min, 8U));
      EXPECT_EQ(check(frame), FrameCheck::kBadStream) << "type " << static_cast<int>(kind.type) << " id " << stream;
    }
  }
}

TEST(CheckFrame, RefusesWhatIsLongerThanARecord) {
  for (const Kind& kind : kKinds) {
    for (const std::uint32_t size : {kFramePayloadMax + 1, 20'000U, 65'535U}) {
      EXPECT_EQ(check(frame_of(kind.type, kFlagSkippable, kind.on_stream ? 7 : 0, size)), FrameCheck::kTooLong);
    }
  }
  EXPECT_EQ(check(frame_of(static_cast<FrameType>(99), kFlagSkippable, 0, kFramePayloadMax + 1)), FrameCheck::kTooLong);
}

TEST(CheckFrame, TakesAnEmptyDataFrameOnlyAsTheEnd) {
  for (unsigned flags = 0; flags < 256; ++flags) {
    const bool fin = (flags & kFlagFin) != 0;
    EXPECT_EQ(check(frame_of(FrameType::kData, static_cast<std::uint8_t>(flags), 7, 0)),
              fin ? FrameCheck::kOk : FrameCheck::kBadSize);
  }
}

TEST(CheckFrame, IgnoresFlagsItDoesNotKnow) {
  for (const Kind& kind : kKinds) {
    for (unsigned flags = 0; flags < 256; ++flags) {
      const std::uint32_t size = std::clamp(1U, kind.size_min, kind.size_max);
      const Bytes frame = frame_of(kind.type, static_cast<std::uint8_t>(flags), kind.on_stream ? 7 : 0, size);
      ASSERT_EQ(check(frame), FrameCheck::kOk) << "type " << static_cast<int>(kind.type) << " flags " << flags;
    }
  }
}

TEST(CheckFrame, SkipsAnUnknownTypeOnlyIfItSaysSo) {
  for (unsigned type = 0; type < 256; ++type) {
    const auto unknown = static_cast<FrameType>(type);
    const bool known = type >= 1 && type <= 12;
    EXPECT_EQ(known_type(unknown), known) << type;
    if (known) continue;
    for (const std::uint32_t stream : {0U, 7U}) {
      for (const std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{kFramePayloadMax}}) {
        EXPECT_EQ(check(frame_of(unknown, 0x7f, stream, size)), FrameCheck::kUnknownType) << type;
        EXPECT_EQ(check(frame_of(unknown, kFlagSkippable, stream, size)), FrameCheck::kOk) << type;
      }
    }
    Bytes cut = frame_of(unknown, kFlagSkippable, 0, 5);
    cut.pop_back();
    EXPECT_EQ(check(cut), FrameCheck::kNeedMore);
  }
}

TEST(CheckFrame, SaysWhatIsWrongBeforeTheFrameIsWhole) {
  Bytes frame = frame_of(FrameType::kCredit, 0, 7, 9);
  frame.resize(kFrameHeaderSize);
  EXPECT_EQ(check(frame), FrameCheck::kBadSize);
}

Bytes encoded(const OpenFrame& open) {
  Bytes payload(open.encoded_size());
  open.encode(payload.data());
  return payload;
}

TEST(OpenFrame, ComesBackAsItWasAtEveryKeySizeAndPathLength) {
  for (std::uint32_t size = 1; size <= kRoutingKeySizeMax; ++size) {
    const std::string key(size, 'k');
    const Bytes path(std::size_t{size - 1} * OpenFrame::kHopSize, static_cast<std::uint8_t>(size));
    const OpenFrame sent{{0x0102030405060708, UINT64_MAX - size}, 5, path, key};
    ASSERT_LE(sent.encoded_size(), OpenFrame::kEncodedMax);
    const Bytes payload = encoded(sent);
    OpenFrame open;
    ASSERT_TRUE(OpenFrame::decode(payload, open)) << size;
    EXPECT_EQ(open.name, (StreamName{0x0102030405060708, UINT64_MAX - size}));
    EXPECT_EQ(open.hops_left, 5);
    EXPECT_TRUE(std::equal(open.path.begin(), open.path.end(), path.begin(), path.end())) << size;
    EXPECT_EQ(open.routing_key, key);
  }
}

TEST(OpenFrame, IsRefusedWhereverItIsCut) {
  const Bytes path(3 * OpenFrame::kHopSize, 9);
  const Bytes whole = encoded({{1, 2}, 3, path, "backend:8080"});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    OpenFrame open;
    EXPECT_FALSE(OpenFrame::decode(cut, open)) << size;
  }
}

TEST(OpenFrame, NeedsAKey) {
  Bytes payload = encoded({{1, 2}, 3, {}, "k"});
  payload[18] = 0;
  OpenFrame open;
  EXPECT_FALSE(OpenFrame::decode(payload, open));
}

TEST(OpenFrame, CarriesAttributesAsTheyAreAndLeavesOutTooMany) {
  for (std::size_t size = 0; size < 2 * OpenFrame::kAttributesMax; ++size) {
    Bytes payload = encoded({{1, 2}, 3, {}, "key"});
    payload.insert(payload.end(), size, 0x77);
    OpenFrame open;
    ASSERT_TRUE(OpenFrame::decode(payload, open));
    EXPECT_EQ(open.routing_key, "key");
    ASSERT_EQ(open.attributes.size(), size <= OpenFrame::kAttributesMax ? size : 0);
    if (size > OpenFrame::kAttributesMax) continue;
    EXPECT_EQ(encoded(open), payload);
  }
}

TEST(ResetFrame, TakesACodeAndAReasonOfBoundedSize) {
  for (std::size_t size = 0; size < 4 + kReasonSizeMax + 10; ++size) {
    Bytes payload(size, 'r');
    if (size >= 4) wire::store<std::uint32_t>(payload.data(), static_cast<std::uint32_t>(ResetCode::kLinkLost));
    ResetFrame reset;
    ASSERT_EQ(ResetFrame::decode(payload, reset), size >= 4 && size <= 4 + kReasonSizeMax) << size;
    if (size < 4 || size > 4 + kReasonSizeMax) continue;
    EXPECT_EQ(reset.code, ResetCode::kLinkLost);
    EXPECT_EQ(reset.reason, std::string(size - 4, 'r'));
  }
}

TEST(ResetCode, HasANameEvenIfUnknown) {
  for (std::uint32_t code = 0; code <= 12; ++code)
    EXPECT_NE(name_of(static_cast<ResetCode>(code)), "unknown") << code;
  EXPECT_EQ(name_of(static_cast<ResetCode>(13)), "unknown");
  EXPECT_EQ(name_of(static_cast<ResetCode>(UINT32_MAX)), "unknown");
  for (unsigned value = 0; value <= static_cast<unsigned>(FrameCheck::kUnknownType); ++value) {
    EXPECT_NE(name_of(static_cast<FrameCheck>(value)), "unknown") << value;
  }
}

TEST(StreamId, KeepsItsPartsApart) {
  Prng prng(2);
  for (int i = 0; i < 100'000; ++i) {
    const auto side = static_cast<std::uint32_t>(prng.below(2));
    const auto slot = static_cast<std::uint32_t>(prng.below(StreamId::kSlotsMax));
    const auto generation = static_cast<std::uint32_t>(prng.next());
    const StreamId id = StreamId::make(side, slot, generation);
    ASSERT_EQ(id.side(), side);
    ASSERT_EQ(id.slot(), slot);
    ASSERT_EQ(id.generation(), generation & StreamId::kGenerationMask);
    ASSERT_TRUE(slot == 0 || id.value != 0);
  }
  EXPECT_EQ(StreamId::make(1, StreamId::kSlotsMax - 1, StreamId::kGenerationMask).value, UINT32_MAX);
}

}  // namespace
}  // namespace fairlead
