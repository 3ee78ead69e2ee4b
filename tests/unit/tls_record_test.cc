#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/tls_fixtures.h"
#include "transport/tls/record.h"

namespace fairlead {
namespace {

TrafficSecret secret_for(CipherSuite suite, std::uint8_t seed = 1) {
  return TrafficSecret(numbered_bytes(hash_size(suite), seed));
}

// RFC 8448 section 3, "Simple 1-RTT Handshake".
const char kRfcClientSecret[] = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";

TEST(KeySchedule, DerivesTheKeysOfRfc8448) {
  const TrafficKeys client = derive_keys(CipherSuite::kAes128Gcm, TrafficSecret(from_hex(kRfcClientSecret)));
  EXPECT_EQ(to_hex(std::span(client.key).first(16)), "17422dda596ed5d9acd890e3c63f5051");
  EXPECT_EQ(to_hex(client.iv), "5b78923dee08579033e523d9");
  const TrafficKeys server =
      derive_keys(CipherSuite::kAes128Gcm,
                  TrafficSecret(from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")));
  EXPECT_EQ(to_hex(std::span(server.key).first(16)), "9f02283b6c9c07efc26bb9f2ac92e356");
  EXPECT_EQ(to_hex(server.iv), "cf782b88dd83549aadf1e984");
}

TEST(RecordSealer, SealsTheClientsRecordOfRfc8448) {
  RecordSealer sealer(CipherSuite::kAes128Gcm, TrafficSecret(from_hex(kRfcClientSecret)), 0);
  Bytes text;
  for (std::uint8_t i = 0; i < 50; ++i)
    text.push_back(i);
  text.push_back(0xee);
  Bytes record(50 + kRecordOverhead);
  ASSERT_EQ(sealer.seal(ContentType::kApplicationData, text.data(), 50, record.data()), record.size());
  EXPECT_EQ(to_hex(record),
            "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b"
            "62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4");
  EXPECT_EQ(text.back(), 0xee) << "the byte behind the plaintext is put back";
}

class RecordsOfEverySuite : public testing::TestWithParam<CipherSuite> {
 protected:
  // One record of the sealer, in memory of exactly its size, so that sanitizers see a step beyond it.
  Bytes record_of(ContentType type, Bytes text) {
    const std::size_t size = text.size();
    text.push_back(0x5a);
    Bytes record(size + kRecordOverhead);
    EXPECT_EQ(sealer_.seal(type, text.data(), size, record.data()), record.size());
    return record;
  }

  std::expected<RecordOpener::Opened, RecordFault> open(Bytes& record) {
    return opener_.open(record.data(), record.size());
  }

  // A record around any inner plaintext, by the AEAD itself: what our own sealer would never make.
  Bytes forge(const Bytes& inner, std::uint64_t sequence = 0) {
    const TrafficKeys keys = derive_keys(GetParam(), secret_for(GetParam()));
    Aead aead(GetParam(), std::span(keys.key).first(key_size(GetParam())));
    auto nonce = keys.iv;
    nonce[kNonceSize - 1] = static_cast<std::uint8_t>(nonce[kNonceSize - 1] ^ sequence);
    Bytes record(kRecordHeader + inner.size() + kTagSize);
    const std::size_t payload = inner.size() + kTagSize;
    const std::uint8_t header[] = {23, 3, 3, static_cast<std::uint8_t>(payload >> 8),
                                   static_cast<std::uint8_t>(payload)};
    std::memcpy(record.data(), header, sizeof header);
    aead.seal(nonce.data(), header, inner.data(), inner.size(), record.data() + kRecordHeader,
              record.data() + kRecordHeader + inner.size());
    return record;
  }

  RecordSealer sealer_{GetParam(), secret_for(GetParam()), 0};
  RecordOpener opener_{GetParam(), secret_for(GetParam()), 0};
};

INSTANTIATE_TEST_SUITE_P(Tls, RecordsOfEverySuite, testing::ValuesIn(kDefaultSuites),
                         [](const auto& suite) { return std::string(name_of(suite.param)); });

TEST_P(RecordsOfEverySuite, OpensWhatWasSealed) {
  for (const std::size_t size : {1UL, 2UL, 15UL, 16UL, 17UL, 100UL, 4096UL, kPlaintextMax - 1, kPlaintextMax}) {
    const Bytes text = numbered_bytes(size, 5);
    Bytes record = record_of(ContentType::kApplicationData, text);
    EXPECT_EQ(RecordOpener::peek(record.data(), record.size()), record.size());
    const auto opened = open(record);
    ASSERT_TRUE(opened) << size;
    EXPECT_EQ(opened->type, ContentType::kApplicationData);
    EXPECT_EQ(Bytes(opened->data, opened->data + opened->size), text) << size;
  }
  EXPECT_EQ(sealer_.records(), 9U);
  EXPECT_EQ(opener_.records(), 9U);
}

TEST_P(RecordsOfEverySuite, SealsInPlace) {
  const Bytes text = numbered_bytes(1000, 5);
  Bytes record(text.size() + kRecordOverhead);
  std::memcpy(record.data() + kRecordHeader, text.data(), text.size());
  sealer_.seal(ContentType::kApplicationData, record.data() + kRecordHeader, text.size(), record.data());
  const auto opened = open(record);
  ASSERT_TRUE(opened);
  EXPECT_EQ(Bytes(opened->data, opened->data + opened->size), text);
}

TEST_P(RecordsOfEverySuite, StartsAtTheGivenNumber) {
  Bytes inner = numbered_bytes(3, 1);
  inner.push_back(23);
  Bytes record = forge(inner, 5);
  RecordOpener at_five(GetParam(), secret_for(GetParam()), 5);
  EXPECT_TRUE(at_five.open(record.data(), record.size()));
}

TEST_P(RecordsOfEverySuite, RefusesARecordOutOfOrder) {
  Bytes first = record_of(ContentType::kApplicationData, {1});
  Bytes second = record_of(ContentType::kApplicationData, {2});
  EXPECT_EQ(open(second).error(), RecordFault::kBadTag);
}

TEST_P(RecordsOfEverySuite, RefusesTheSameRecordTwice) {
  Bytes record = record_of(ContentType::kApplicationData, {1, 2, 3});
  Bytes again = record;
  EXPECT_TRUE(open(record));
  EXPECT_EQ(open(again).error(), RecordFault::kBadTag);
}

TEST_P(RecordsOfEverySuite, StripsPadding) {
  Bytes inner = {'a', 0, 'b', 23};
  inner.resize(200);
  Bytes record = forge(inner);
  const auto opened = open(record);
  ASSERT_TRUE(opened);
  EXPECT_EQ(std::string(opened->data, opened->data + opened->size), std::string("a\0b", 3));
}

TEST_P(RecordsOfEverySuite, RefusesNothingButPadding) {
  Bytes record = forge(Bytes(64));
  EXPECT_EQ(open(record).error(), RecordFault::kNoContentType);
}

TEST_P(RecordsOfEverySuite, RefusesAnUnknownInnerType) {
  for (const std::uint8_t type : {std::uint8_t{20}, std::uint8_t{24}, std::uint8_t{255}}) {
    RecordOpener opener(GetParam(), secret_for(GetParam()), 0);
    Bytes record = forge({1, type});
    EXPECT_EQ(opener.open(record.data(), record.size()).error(), RecordFault::kContentType) << int{type};
  }
}

TEST_P(RecordsOfEverySuite, RefusesEmptyControlRecordsAndRowsOfEmptyData) {
  Bytes alert = forge({21});
  EXPECT_EQ(open(alert).error(), RecordFault::kEmpty);

  RecordOpener opener(GetParam(), secret_for(GetParam()), 0);
  RecordSealer sealer(GetParam(), secret_for(GetParam()), 0);
  const auto send = [&](std::size_t size) {
    Bytes text(size + 1, 'x');
    Bytes record(size + kRecordOverhead);
    sealer.seal(ContentType::kApplicationData, text.data(), size, record.data());
    return opener.open(record.data(), record.size());
  };
  for (int i = 0; i < 32; ++i)
    ASSERT_TRUE(send(0)) << i;
  ASSERT_TRUE(send(1)) << "data ends the row";
  for (int i = 0; i < 32; ++i)
    ASSERT_TRUE(send(0)) << i;
  EXPECT_EQ(send(0).error(), RecordFault::kEmpty);
}

TEST_P(RecordsOfEverySuite, RefusesPlaintextBeyondTheLimit) {
  Bytes inner(kPlaintextMax + 1, 'x');
  inner.push_back(23);
  Bytes record = forge(inner);
  EXPECT_EQ(RecordOpener::peek(record.data(), record.size()), record.size()) << "padding could have made it that long";
  EXPECT_EQ(open(record).error(), RecordFault::kTooLong);
}

TEST_P(RecordsOfEverySuite, RefusesARecordTooShortForATag) {
  Bytes record = {23, 3, 3, 0, 16};
  record.resize(kRecordHeader + 16);
  EXPECT_EQ(open(record).error(), RecordFault::kTooShort);
}

TEST_P(RecordsOfEverySuite, SkipsAFewChangeCipherSpecsBeforeTheFirstProtectedRecord) {
  Bytes change = {20, 3, 3, 0, 1, 1};
  const auto skipped = open(change);
  ASSERT_TRUE(skipped);
  EXPECT_EQ(skipped->type, ContentType::kChangeCipherSpec);
  EXPECT_EQ(opener_.records(), 0U);
  EXPECT_TRUE(open(change));
  EXPECT_EQ(open(change).error(), RecordFault::kUnprotected);
}

TEST_P(RecordsOfEverySuite, RefusesChangeCipherSpecAfterAProtectedRecord) {
  Bytes record = record_of(ContentType::kApplicationData, {1});
  ASSERT_TRUE(open(record));
  Bytes change = {20, 3, 3, 0, 1, 1};
  EXPECT_EQ(open(change).error(), RecordFault::kUnprotected);
}

TEST_P(RecordsOfEverySuite, RefusesAChangeCipherSpecOfAnotherForm) {
  Bytes change = {20, 3, 3, 0, 1, 2};
  EXPECT_EQ(open(change).error(), RecordFault::kUnprotected);
}

TEST_P(RecordsOfEverySuite, KeyUpdateChangesTheKeyOfBothEnds) {
  Bytes record = record_of(ContentType::kApplicationData, {1});
  ASSERT_TRUE(open(record));
  Bytes update(kKeyUpdateRecord);
  ASSERT_EQ(sealer_.key_update(update.data(), true), update.size());
  EXPECT_EQ(sealer_.records(), 0U);
  EXPECT_EQ(sealer_.generation(), 1U);
  const auto message = open(update);
  ASSERT_TRUE(message) << "sealed under the old key";
  EXPECT_EQ(message->type, ContentType::kHandshake);
  EXPECT_EQ(Bytes(message->data, message->data + message->size), (Bytes{24, 0, 0, 1, 1}));

  Bytes next = record_of(ContentType::kApplicationData, {2});
  Bytes copy = next;
  EXPECT_EQ(open(copy).error(), RecordFault::kBadTag) << "the old key is of no use any more";
  opener_.advance_key();
  EXPECT_TRUE(open(next));
  EXPECT_EQ(to_hex(opener_.secret().bytes()), to_hex(sealer_.secret().bytes()));
}

TEST_P(RecordsOfEverySuite, AlertsAreRecordsToo) {
  Bytes record(kAlertRecord);
  ASSERT_EQ(sealer_.close_notify(record.data()), record.size());
  const auto opened = open(record);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->type, ContentType::kAlert);
  EXPECT_EQ(Bytes(opened->data, opened->data + opened->size), (Bytes{1, 0}));
}

TEST(RecordSealer, CountsItsRecordsAndNeverGoesBeyondTheLimit) {
  RecordSealer sealer(CipherSuite::kAes128Gcm, secret_for(CipherSuite::kAes128Gcm), kRecordsPerKey - 1);
  Bytes out(kKeyUpdateRecord);
  sealer.close_notify(out.data());
  EXPECT_EQ(sealer.records(), kRecordsPerKey);
  sealer.key_update(out.data(), false);
  EXPECT_EQ(sealer.records(), 0U);

  RecordSealer stubborn(CipherSuite::kAes128Gcm, secret_for(CipherSuite::kAes128Gcm), kRecordsPerKeyMax);
  EXPECT_DEATH(stubborn.close_notify(out.data()), "kRecordsPerKeyMax");
}

TEST(RecordOpener, RefusesAPeerThatNeverRenewsItsKey) {
  constexpr CipherSuite kSuite = CipherSuite::kAes128Gcm;
  RecordOpener opener(kSuite, secret_for(kSuite), peer_records_per_key_max(kSuite));
  Bytes record = {23, 3, 3, 0, 17};
  record.resize(kRecordHeader + 17);
  EXPECT_EQ(opener.open(record.data(), record.size()).error(), RecordFault::kKeyExhausted);
}

TEST(RecordOpener, PeekJudgesTheHeader) {
  const auto peek = [](const Bytes& bytes) { return RecordOpener::peek(bytes.data(), bytes.size()); };
  EXPECT_EQ(peek({}), 0U);
  EXPECT_EQ(peek({23}), 0U);
  EXPECT_EQ(peek({23, 3, 3, 1}), 0U);
  EXPECT_EQ(peek({23, 3, 3, 1, 2}), 5U + 0x102);
  EXPECT_EQ(peek({20, 3, 3, 0, 1}), 6U);
  EXPECT_EQ(peek({22}).error(), RecordFault::kUnprotected);
  EXPECT_EQ(peek({'G', 'E', 'T', ' ', '/'}).error(), RecordFault::kUnprotected);
  EXPECT_EQ(peek({23, 3, 1, 0, 17}).error(), RecordFault::kVersion);
  EXPECT_EQ(peek({23, 3, 3, 0x41, 0}), kRecordMax);
  EXPECT_EQ(peek({23, 3, 3, 0x41, 1}).error(), RecordFault::kTooLong);
}

TEST(RecordFault, EachHasWordsAndAnAlert) {
  for (int i = 0; i <= static_cast<int>(RecordFault::kMessageFlood); ++i) {
    const auto fault = static_cast<RecordFault>(i);
    EXPECT_EQ(error_of(fault).code, ErrorCode::kProtocol);
    EXPECT_NE(error_of(fault).message, "peer sent a bad TLS record") << i;
    EXPECT_NE(alert_name(static_cast<std::uint8_t>(alert_of(fault))), "unknown alert") << i;
  }
}

}  // namespace
}  // namespace fairlead
