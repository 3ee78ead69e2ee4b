// Advertisements: round trips, each truncation, what must be refused, and random damage.
#include "router/routing/advertisement.h"

#include <gtest/gtest.h>

#include <string>

#include "transport/base/prng.h"

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

const ServedKeys kExample{{"backend:8080", 1}, {"db", 65'535}, {std::string(255, 'x'), 2}};

void expect_refused(const Bytes& message, const std::string& what) {
  const auto decoded = decode_advertisement(message);
  ASSERT_FALSE(decoded) << what;
  EXPECT_EQ(decoded.error().code, ErrorCode::kProtocol) << what;
}

TEST(Advertisement, ComesBackAsItWas) {
  for (const ServedKeys& keys : {ServedKeys{}, ServedKeys{{"k", 1}}, kExample}) {
    const auto decoded = decode_advertisement(encode_advertisement(keys));
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, keys);
  }
}

TEST(Advertisement, StandsOnTheWireAsDescribed) {
  EXPECT_EQ(encode_advertisement({{"ab", 0x0102}}), (Bytes{1, 1, 0, 1, 1, 2, 2, 'a', 'b'}));
}

TEST(Advertisement, CarriesThousandsOfKeys) {
  ServedKeys keys;
  for (int i = 0; i < 65'535; ++i) keys["service-" + std::to_string(i)] = static_cast<std::uint16_t>(1 + i % 9);
  const auto decoded = decode_advertisement(encode_advertisement(keys));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, keys);
}

TEST(Advertisement, StaysReadableWithMoreKeysThanItCanCarry) {
  ServedKeys keys;
  for (int i = 0; i < 65'600; ++i) keys["service-" + std::to_string(i)] = 1;
  const auto decoded = decode_advertisement(encode_advertisement(keys));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->size(), 65'535U);
}

TEST(Advertisement, IsRefusedWhereverItIsCut) {
  const Bytes whole = encode_advertisement(kExample);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    expect_refused(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), std::to_string(size));
  }
}

TEST(Advertisement, RefusesOtherVersionsAndKinds) {
  for (unsigned value = 0; value < 256; ++value) {
    if (value == 1) continue;
    Bytes version = encode_advertisement(kExample);
    version[0] = static_cast<std::uint8_t>(value);
    expect_refused(version, "version");
    Bytes kind = encode_advertisement(kExample);
    kind[1] = static_cast<std::uint8_t>(value);
    expect_refused(kind, "kind");
  }
}

TEST(Advertisement, RefusesAnEmptyKey) { expect_refused({1, 1, 0, 1, 0, 1, 0}, "empty key"); }

TEST(Advertisement, RefusesAKeyThatIsSaidTwice) {
  expect_refused({1, 1, 0, 2, 0, 1, 1, 'k', 0, 1, 1, 'k'}, "repeated key");
}

TEST(Advertisement, RefusesMoreKeysThanItHas) { expect_refused({1, 1, 0xff, 0xff, 0, 1, 1, 'k'}, "count"); }

TEST(Advertisement, SurvivesAnyDamage) {
  Prng prng(1);
  const Bytes whole = encode_advertisement(kExample);
  for (int i = 0; i < 20'000; ++i) {
    Bytes message = whole;
    for (std::uint64_t n = 1 + prng.below(5); n > 0; --n) {
      message[prng.below(message.size())] = static_cast<std::uint8_t>(prng.next());
    }
    message.resize(prng.below(message.size() + 1));
    const auto decoded = decode_advertisement(message);
    if (!decoded) continue;
    const auto again = decode_advertisement(encode_advertisement(*decoded));
    ASSERT_TRUE(again) << "what was taken can be said again";
    EXPECT_EQ(*again, *decoded);
  }
}

}  // namespace
}  // namespace fairlead
