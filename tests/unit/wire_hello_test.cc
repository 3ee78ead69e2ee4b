// HELLO: round trips, every truncation, every value at the edge of its range, and the versions.
#include "transport/wire/hello.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "transport/base/prng.h"
#include "transport/wire/frame.h"

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

Hello example() {
  Hello hello;
  hello.session_index = 3;
  hello.shards = 4;
  hello.flags = 0x8001;
  hello.cost = 17;
  hello.initial_window_bytes = 256 * 1024;
  hello.streams_max = 65'536;
  hello.link_id = 0x1122334455667788;
  hello.incarnation = 0x99aabbccddeeff00;
  hello.features = 0xf0f0f0f00f0f0f0f;
  hello.site_id = "6f1b8a52-8a39-4cf8-9d52-2f4c5d3f2a11";
  hello.site_name = "west";
  return hello;
}

Bytes payload_of(const Hello& hello) {
  const Bytes frame = hello.encode();
  return {frame.begin() + kFrameHeaderSize, frame.end()};
}

ErrorCode refusal(const Bytes& payload) {
  const auto decoded = Hello::decode(payload);
  EXPECT_FALSE(decoded.has_value());
  if (decoded) return ErrorCode::kInvalid;
  EXPECT_FALSE(decoded.error().message.empty());
  return decoded.error().code;
}

void expect_same(const Hello& a, const Hello& b) {
  EXPECT_EQ(a.version_min, b.version_min);
  EXPECT_EQ(a.version_max, b.version_max);
  EXPECT_EQ(a.session_index, b.session_index);
  EXPECT_EQ(a.shards, b.shards);
  EXPECT_EQ(a.flags, b.flags);
  EXPECT_EQ(a.cost, b.cost);
  EXPECT_EQ(a.initial_window_bytes, b.initial_window_bytes);
  EXPECT_EQ(a.streams_max, b.streams_max);
  EXPECT_EQ(a.link_id, b.link_id);
  EXPECT_EQ(a.incarnation, b.incarnation);
  EXPECT_EQ(a.features, b.features);
  EXPECT_EQ(a.site_id, b.site_id);
  EXPECT_EQ(a.site_name, b.site_name);
}

TEST(Hello, IsAWholeFrame) {
  const Bytes frame = example().encode();
  FrameHeader header;
  EXPECT_EQ(check_frame(frame, header), FrameCheck::kOk);
  EXPECT_EQ(header.type, FrameType::kHello);
  EXPECT_EQ(header.stream, 0U);
  EXPECT_EQ(kFrameHeaderSize + header.length, frame.size());
}

TEST(Hello, ComesBackAsItWas) {
  const Hello hello = example();
  const auto decoded = Hello::decode(payload_of(hello));
  ASSERT_TRUE(decoded) << decoded.error().message;
  expect_same(*decoded, hello);
}

TEST(Hello, ComesBackWithNamesOfEverySize) {
  for (std::size_t size = 1; size <= 255; ++size) {
    Hello hello = example();
    hello.site_id.assign(size, 'i');
    hello.site_name.assign(255 - size, 'n');
    const auto decoded = Hello::decode(payload_of(hello));
    ASSERT_TRUE(decoded) << size;
    expect_same(*decoded, hello);
  }
}

TEST(Hello, IsRefusedWhereverItIsCut) {
  const Bytes whole = payload_of(example());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // Memory of exactly this size, so that sanitizers see a step beyond it.
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(refusal(cut), ErrorCode::kProtocol) << size;
  }
}

TEST(Hello, IgnoresWhatALaterVersionAdds) {
  Bytes payload = payload_of(example());
  payload.insert(payload.end(), 100, 0xee);
  const auto decoded = Hello::decode(payload);
  ASSERT_TRUE(decoded);
  expect_same(*decoded, example());
}

TEST(Hello, RefusesAnotherMagic) {
  for (std::size_t at = 0; at < 4; ++at) {
    Bytes payload = payload_of(example());
    payload[at] ^= 1;
    EXPECT_EQ(refusal(payload), ErrorCode::kProtocol) << at;
  }
}

TEST(Hello, NeedsAVersionInCommon) {
  for (unsigned low = 0; low <= 3; ++low) {
    for (unsigned high = 0; high <= 3; ++high) {
      Hello hello = example();
      hello.version_min = static_cast<std::uint8_t>(low);
      hello.version_max = static_cast<std::uint8_t>(high);
      const Bytes payload = payload_of(hello);
      if (low <= Hello::kVersion && high >= Hello::kVersion) {
        EXPECT_TRUE(Hello::decode(payload)) << low << " to " << high;
      } else {
        EXPECT_EQ(refusal(payload), ErrorCode::kVersion) << low << " to " << high;
      }
    }
  }
}

TEST(Hello, SaysBothVersionsWhenThereIsNoneInCommon) {
  Hello hello = example();
  hello.version_min = 7;
  hello.version_max = 9;
  const auto decoded = Hello::decode(payload_of(hello));
  ASSERT_FALSE(decoded);
  EXPECT_NE(decoded.error().message.find("7 to 9"), std::string::npos) << decoded.error().message;
}

TEST(Hello, RefusesValuesOutOfRange) {
  const std::pair<const char*, std::function<void(Hello&)>> bad[] = {
      {"no shard", [](Hello& h) { h.shards = 0; }},
      {"shards", [](Hello& h) { h.shards = Hello::kShardsMax + 1; }},
      {"session index", [](Hello& h) { h.session_index = Hello::kShardsMax; }},
      {"no cost", [](Hello& h) { h.cost = 0; }},
      {"cost", [](Hello& h) { h.cost = 0x8000'0000; }},
      {"window", [](Hello& h) { h.initial_window_bytes = 16 * 1024 - 1; }},
      {"no streams", [](Hello& h) { h.streams_max = 0; }},
      {"no site id", [](Hello& h) { h.site_id.clear(); }},
      {"line feed in the site id", [](Hello& h) { h.site_id = "a\nb"; }},
      {"escape in the site name", [](Hello& h) { h.site_name = "\x1b[31m"; }},
      {"eight-bit site name", [](Hello& h) { h.site_name = "\xff"; }},
      {"nul in the site name", [](Hello& h) { h.site_name = std::string("a\0b", 3); }},
      {"space in the site name", [](Hello& h) { h.site_name = "a b"; }},
      {"delete in the site id", [](Hello& h) { h.site_id = "\x7f"; }},
  };
  for (const auto& [what, spoil] : bad) {
    Hello hello = example();
    spoil(hello);
    EXPECT_EQ(refusal(payload_of(hello)), ErrorCode::kProtocol) << what;
  }
}

TEST(Hello, TakesValuesAtTheEdgeOfTheirRange) {
  const std::pair<const char*, std::function<void(Hello&)>> good[] = {
      {"shards", [](Hello& h) { h.shards = Hello::kShardsMax; }},
      {"session index", [](Hello& h) { h.session_index = Hello::kShardsMax - 1; }},
      {"cost", [](Hello& h) { h.cost = 0x7fff'ffff; }},
      {"smallest window", [](Hello& h) { h.initial_window_bytes = 16 * 1024; }},
      {"largest window", [](Hello& h) { h.initial_window_bytes = UINT32_MAX; }},
      {"streams", [](Hello& h) { h.streams_max = UINT32_MAX; }},
      {"no site name", [](Hello& h) { h.site_name.clear(); }},
  };
  for (const auto& [what, change] : good) {
    Hello hello = example();
    change(hello);
    const auto decoded = Hello::decode(payload_of(hello));
    ASSERT_TRUE(decoded) << what;
    expect_same(*decoded, hello);
  }
}

TEST(Hello, SurvivesAnyDamage) {
  Prng prng(3);
  const Bytes whole = payload_of(example());
  for (int i = 0; i < 50'000; ++i) {
    Bytes payload = whole;
    for (std::uint64_t n = 1 + prng.below(4); n > 0; --n) {
      payload[prng.below(payload.size())] = static_cast<std::uint8_t>(prng.next());
    }
    for (std::uint64_t n = prng.below(3); n > 0; --n) payload.pop_back();
    const auto decoded = Hello::decode(payload);
    if (!decoded) continue;
    EXPECT_TRUE(Hello::decode(payload_of(*decoded))) << "what was taken can be said again";
  }
}

}  // namespace
}  // namespace fairlead
