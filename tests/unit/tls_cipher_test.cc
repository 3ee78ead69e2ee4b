#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/tls_fixtures.h"
#include "transport/base/prng.h"
#include "transport/tls/cipher.h"
#include "transport/tls/vaes_gcm.h"

namespace fairlead {
namespace {

using Implementation = Aead::Implementation;

const char* name_of(Implementation implementation) {
  constexpr const char* kNames[] = {"Best", "Vaes256", "WolfCrypt"};
  return kNames[static_cast<std::size_t>(implementation)];
}

// By our own code, where this processor can run it, and by wolfCrypt's.
class AeadOfEverySuite : public testing::TestWithParam<std::tuple<CipherSuite, Implementation>> {
 protected:
  static CipherSuite suite() { return std::get<0>(GetParam()); }

  static Bytes key(std::uint8_t first) { return numbered_bytes(key_size(suite()), first); }

  static Aead make(std::uint8_t first_of_key = 1) { return Aead(suite(), key(first_of_key), std::get<1>(GetParam())); }
};

std::string name_of_case(const testing::TestParamInfo<std::tuple<CipherSuite, Implementation>>& info) {
  return std::string(name_of(std::get<0>(info.param))) + name_of(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(Tls, AeadOfEverySuite,
                         testing::Combine(testing::ValuesIn(kDefaultSuites),
                                          testing::Values(Implementation::kBest, Implementation::kVaes256,
                                                          Implementation::kWolfCrypt)),
                         name_of_case);

TEST(CipherSuite, HasANameAndANumber) {
  for (const CipherSuite suite : kDefaultSuites) {
    EXPECT_EQ(cipher_suite_named(name_of(suite)), suite);
    EXPECT_EQ(cipher_suite_with_id(static_cast<std::uint16_t>(suite)), suite);
  }
}

// Everything that TLS may ask for, and more: whatever one seals the other opens, and they seal alike.
class AeadOfOurs : public testing::TestWithParam<Implementation> {};

INSTANTIATE_TEST_SUITE_P(Tls, AeadOfOurs, testing::Values(Implementation::kBest, Implementation::kVaes256),
                         [](const auto& param) { return name_of(param.param); });

TEST_P(AeadOfOurs, IsTheSameAsWolfCrypts) {
  if (find_vaes_gcm() == nullptr) GTEST_SKIP() << "this processor has no VAES, or FAIRLEAD_VAES=off";
  if (GetParam() == Implementation::kBest && find_vaes_gcm() == find_vaes_gcm(256)) {
    GTEST_SKIP() << "this processor has no AVX-512, or FAIRLEAD_VAES=256";
  }
  Prng prng(20261130);
  const auto some = [&](std::size_t size) {
    Bytes bytes(size);
    for (std::uint8_t& byte : bytes)
      byte = static_cast<std::uint8_t>(prng.next());
    return bytes;
  };
  for (const CipherSuite suite : {CipherSuite::kAes128Gcm, CipherSuite::kAes256Gcm}) {
    for (int round = 0; round < 3'000; ++round) {
      const std::size_t most = round % 10 == 0 ? 20'000 : round % 3 == 0 ? 1'200 : 300;
      const std::size_t size = prng.below(most);
      const Bytes key = some(key_size(suite)), nonce = some(kNonceSize), aad = some(1 + prng.below(70));
      Bytes text = some(size + 1);
      Aead ours(suite, key, GetParam());
      Aead theirs(suite, key, Implementation::kWolfCrypt);
      Bytes by_us(size + kTagSize), by_them(size + kTagSize), opened(size + 1);
      ours.seal(nonce.data(), aad, text.data(), size, by_us.data(), by_us.data() + size);
      theirs.seal(nonce.data(), aad, text.data(), size, by_them.data(), by_them.data() + size);
      ASSERT_EQ(by_us, by_them) << size << " bytes, " << aad.size() << " besides";
      ASSERT_TRUE(ours.open(nonce.data(), aad, by_them.data(), size, by_them.data() + size, opened.data())) << size;
      text.back() = opened.back();
      ASSERT_EQ(opened, text) << size;
      by_them[prng.below(by_them.size())] ^= static_cast<std::uint8_t>(1U << prng.below(8));
      ASSERT_FALSE(ours.open(nonce.data(), aad, by_them.data(), size, by_them.data() + size, opened.data())) << size;
    }
  }
}

TEST(CipherSuite, UnknownNamesAndNumbersAreNone) {
  EXPECT_FALSE(cipher_suite_named("TLS_AES_128_CCM_SHA256"));
  EXPECT_FALSE(cipher_suite_with_id(0x1304));
}

TEST(Aead, SealsAesGcmAsTheSpecificationsTestCase4) {
  const Bytes key = from_hex("feffe9928665731c6d6a8f9467308308");
  const Bytes nonce = from_hex("cafebabefacedbaddecaf888");
  const Bytes aad = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes text = from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
      "b16aedf5aa0de657ba637b39");
  Aead aead(CipherSuite::kAes128Gcm, key);
  Bytes sealed(text.size());
  Bytes tag(kTagSize);
  aead.seal(nonce.data(), aad, text.data(), text.size(), sealed.data(), tag.data());
  EXPECT_EQ(to_hex(sealed),
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa05"
            "1ba30b396a0aac973d58e091");
  EXPECT_EQ(to_hex(tag), "5bc94fbc3221a5db94fae95ae7121a47");
}

TEST(Aead, SealsChaCha20Poly1305AsRfc8439Section282) {
  const std::string text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
      "it.";
  const Bytes key = from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const Bytes nonce = from_hex("070000004041424344454647");
  const Bytes aad = from_hex("50515253c0c1c2c3c4c5c6c7");
  Aead aead(CipherSuite::kChaCha20Poly1305, key);
  Bytes sealed(text.begin(), text.end());
  Bytes tag(kTagSize);
  aead.seal(nonce.data(), aad, sealed.data(), sealed.size(), sealed.data(), tag.data());
  EXPECT_EQ(to_hex(sealed).substr(0, 32), "d31a8d34648e60db7b86afbc53ef7ec2");
  EXPECT_EQ(to_hex(tag), "1ae10b594f09e26a7e902ecbd0600691");
}

// wolfCrypt does not document that input and output may be the same memory, and its assembly takes different ways for
// different sizes: so each size is tried.
TEST_P(AeadOfEverySuite, WorksInPlaceAtEverySize) {
  const Bytes nonce = numbered_bytes(kNonceSize, 2);
  const Bytes aad = numbered_bytes(5, 3);
  Aead aead = make();
  std::vector<std::size_t> sizes;
  for (std::size_t size = 0; size <= 600; ++size)
    sizes.push_back(size);
  for (std::size_t size = 16384 - 70; size <= 16384 + 70; ++size)
    sizes.push_back(size);
  for (const std::size_t size : sizes) {
    Bytes text = numbered_bytes(size, static_cast<std::uint8_t>(size));
    text.reserve(1);
    Bytes apart(size + 1);
    Bytes in_place = text;
    in_place.resize(size + 1);
    Bytes tag(kTagSize);
    Bytes tag_in_place(kTagSize);
    aead.seal(nonce.data(), aad, text.data(), size, apart.data(), tag.data());
    aead.seal(nonce.data(), aad, in_place.data(), size, in_place.data(), tag_in_place.data());
    ASSERT_EQ(apart, in_place) << size;
    ASSERT_EQ(tag, tag_in_place) << size;

    Bytes opened(size + 1);
    ASSERT_TRUE(aead.open(nonce.data(), aad, apart.data(), size, tag.data(), opened.data())) << size;
    ASSERT_TRUE(aead.open(nonce.data(), aad, in_place.data(), size, tag.data(), in_place.data())) << size;
    opened.resize(size);
    in_place.resize(size);
    ASSERT_EQ(opened, text) << size;
    ASSERT_EQ(in_place, text) << size;
  }
}

// Records begin at any address, so the assembly must not count on alignment.
TEST_P(AeadOfEverySuite, WorksAtEveryAlignment) {
  Aead aead = make();
  const Bytes nonce = numbered_bytes(kNonceSize, 2);
  const Bytes aad = numbered_bytes(5, 3);
  constexpr std::size_t kSize = 1000;
  const Bytes text = numbered_bytes(kSize, 4);
  Bytes expected(kSize + kTagSize);
  aead.seal(nonce.data(), aad, text.data(), kSize, expected.data(), expected.data() + kSize);
  for (std::size_t in = 0; in < 32; ++in) {
    for (std::size_t out = 0; out < 32; out += 3) {
      Bytes source(in + kSize);
      std::memcpy(source.data() + in, text.data(), kSize);
      Bytes sealed(out + kSize + kTagSize);
      aead.seal(nonce.data(), aad, source.data() + in, kSize, sealed.data() + out, sealed.data() + out + kSize);
      ASSERT_EQ(std::memcmp(sealed.data() + out, expected.data(), expected.size()), 0) << in << " to " << out;
    }
  }
}

TEST_P(AeadOfEverySuite, RefusesEveryFlippedBit) {
  Aead aead = make();
  const Bytes nonce = numbered_bytes(kNonceSize, 2);
  Bytes aad = numbered_bytes(5, 3);
  const Bytes text = numbered_bytes(40, 4);
  Bytes sealed(text.size() + kTagSize);
  aead.seal(nonce.data(), aad, text.data(), text.size(), sealed.data(), sealed.data() + text.size());
  Bytes opened(text.size());
  const auto opens = [&] {
    return aead.open(nonce.data(), aad, sealed.data(), text.size(), sealed.data() + text.size(), opened.data());
  };
  ASSERT_TRUE(opens());
  for (Bytes* part : {&sealed, &aad}) {
    for (std::size_t bit = 0; bit < part->size() * 8; ++bit) {
      (*part)[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      ASSERT_FALSE(opens()) << bit;
      (*part)[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    }
  }
  EXPECT_TRUE(opens());
}

TEST_P(AeadOfEverySuite, ANewKeyTakesThePlaceOfTheOld) {
  Aead aead = make();
  Aead other = make(9);
  const Bytes nonce = numbered_bytes(kNonceSize, 2);
  const Bytes text = numbered_bytes(40, 4);
  Bytes sealed(text.size());
  Bytes tag(kTagSize);
  aead.set_key(key(9));
  aead.seal(nonce.data(), nonce, text.data(), text.size(), sealed.data(), tag.data());
  Bytes opened(text.size());
  EXPECT_TRUE(other.open(nonce.data(), nonce, sealed.data(), sealed.size(), tag.data(), opened.data()));
  EXPECT_EQ(opened, text);
}

}  // namespace
}  // namespace fairlead
