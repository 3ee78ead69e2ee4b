// Records of applications' connections: whatever pieces they come in, and whatever the queue holds, the bytes are the
// same; blocks go back when there is nothing to hold.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"
#include "transport/edge_records.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kLarge = 64 * 1024;
constexpr std::uint32_t kSmall = 4096;

HandshakeResult keys(std::uint8_t tx, std::uint8_t rx) {
  const std::vector<std::uint8_t> sends(hash_size(CipherSuite::kAes128Gcm), tx);
  const std::vector<std::uint8_t> receives(hash_size(CipherSuite::kAes128Gcm), rx);
  HandshakeResult result;
  result.tx_secret = TrafficSecret(sends);
  result.rx_secret = TrafficSecret(receives);
  return result;
}

class EdgeRecordsTest : public testing::Test {
 protected:
  ~EdgeRecordsTest() override {
    a_.reset();
    b_.reset();
    queue_.clear();
    EXPECT_EQ(large_->available(), large_->count());
    EXPECT_EQ(small_->available(), small_->count());
  }

  void renew_keys_after(std::uint64_t records) {
    a_ = std::make_unique<EdgeRecords>(keys(1, 2), PostHandshake::Role::kClient, *large_, *small_, records);
  }

  // Adds `size` bytes to the queue in one slice, and to what is expected.
  void put(std::uint32_t size) {
    Block* const block = (size > small_->capacity() ? *large_ : *small_).take();
    ASSERT_NE(block, nullptr);
    for (std::uint32_t i = 0; i < size; ++i)
      block->data()[i] = static_cast<std::uint8_t>(prng_.next());
    put_.append(reinterpret_cast<const char*>(block->data()), size);
    ASSERT_TRUE(queue_.push(Slice(block, block->data(), size)));
  }

  // All that `from` seals of the queue.
  std::vector<std::uint8_t> sealed(EdgeRecords& from, bool finish) {
    std::vector<std::uint8_t> bytes;
    std::uint32_t payload = 0;
    const std::uint64_t queued = queue_.bytes();
    do {
      EXPECT_TRUE(from.fill(queue_, finish));
      while (from.pending_bytes() > 0) {  // the kernel takes what it likes
        const auto count = static_cast<std::uint32_t>(1 + prng_.below(from.pending_bytes()));
        bytes.insert(bytes.end(), from.pending(), from.pending() + count);
        payload += from.sent(count);
      }
    } while (!queue_.empty());
    EXPECT_EQ(payload, queued);
    return bytes;
  }

  // Hands `bytes` over in pieces of up to `piece_max`. What the last call said.
  EdgeRecords::Next receive(EdgeRecords& at, const std::vector<std::uint8_t>& bytes, std::uint32_t piece_max) {
    auto next = EdgeRecords::Next::kNeedMore;
    for (std::size_t from = 0; from < bytes.size() && next == EdgeRecords::Next::kNeedMore;) {
      const auto size = static_cast<std::uint32_t>(
          std::min<std::size_t>(1 + prng_.below(piece_max), std::min<std::size_t>(bytes.size() - from, kLarge / 2)));
      Block* const block = large_->take();
      std::memcpy(block->data(), bytes.data() + from, size);
      from += size;
      Slice slice(block, block->data(), size);
      Slice plaintext;
      do {
        next = at.open(slice, plaintext);
        if (next != EdgeRecords::Next::kData) break;
        got_.append(reinterpret_cast<const char*>(plaintext.data()), plaintext.size());
        plaintext.reset();
      } while (true);
    }
    return next;
  }

  Prng prng_{7};
  std::unique_ptr<BlockPool> large_ = BlockPool::open(kLarge, 64).value();
  std::unique_ptr<BlockPool> small_ = BlockPool::open(kSmall, 256).value();
  SliceNodes nodes_{256};
  SliceQueue queue_{nodes_};
  std::unique_ptr<EdgeRecords> a_ = std::make_unique<EdgeRecords>(keys(1, 2), PostHandshake::Role::kClient, *large_,
                                                                  *small_, kRecordsPerKey);
  std::unique_ptr<EdgeRecords> b_ = std::make_unique<EdgeRecords>(keys(2, 1), PostHandshake::Role::kServer, *large_,
                                                                  *small_, kRecordsPerKey);
  std::string put_;
  std::string got_;
};

TEST_F(EdgeRecordsTest, WhateverThePiecesTheBytesAreTheSame) {
  for (const std::uint32_t piece_max : {1U, 7U, 1'000U, 20'000U, kLarge / 2}) {
    for (unsigned i = 0; i < 40; ++i)
      put(static_cast<std::uint32_t>(1 + prng_.below(i % 4 == 0 ? 40'000 : 6'000)) % 50'000);
    EXPECT_EQ(receive(*b_, sealed(*a_, false), piece_max), EdgeRecords::Next::kNeedMore);
    EXPECT_EQ(got_, put_) << piece_max;
    EXPECT_EQ(b_->held_bytes(), 0U);
  }
}

TEST_F(EdgeRecordsTest, TheEndComesBehindAllOfTheQueue) {
  put(30'000);
  put(10);
  const auto bytes = sealed(*a_, true);
  EXPECT_TRUE(a_->close_notify_put());
  EXPECT_EQ(receive(*b_, bytes, 5'000), EdgeRecords::Next::kClosed);
  EXPECT_EQ(got_, put_);
}

TEST_F(EdgeRecordsTest, KeysAreRenewedAndThePeerFollows) {
  renew_keys_after(3);
  RecordOpener witness(CipherSuite::kAes128Gcm, keys(1, 2).tx_secret, 0);
  for (unsigned i = 0; i < 20; ++i) {
    put(20'000);
    auto bytes = sealed(*a_, false);
    EXPECT_EQ(receive(*b_, bytes, 9'000), EdgeRecords::Next::kNeedMore);
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t length = RecordOpener::peek(bytes.data() + at, bytes.size() - at).value();
      const auto opened = witness.open(bytes.data() + at, length);
      ASSERT_TRUE(opened.has_value());
      if (opened->type == ContentType::kHandshake) witness.advance_key();
      at += length;
    }
  }
  EXPECT_EQ(got_, put_);
  EXPECT_GE(witness.generation(), 5U);
}

TEST_F(EdgeRecordsTest, AKeyUpdateThatIsAskedForIsAnswered) {
  RecordSealer peer(CipherSuite::kAes128Gcm, keys(1, 2).tx_secret, 0);
  std::vector<std::uint8_t> update(kKeyUpdateRecord);
  peer.key_update(update.data(), true);
  EXPECT_FALSE(b_->wants_to_send());
  EXPECT_EQ(receive(*b_, update, 100), EdgeRecords::Next::kNeedMore);
  EXPECT_TRUE(b_->wants_to_send());
  put(100);
  EXPECT_EQ(receive(*a_, sealed(*b_, false), 100), EdgeRecords::Next::kNeedMore);
  EXPECT_EQ(got_, put_);
  EXPECT_FALSE(b_->wants_to_send());
}

TEST_F(EdgeRecordsTest, AFalseByteIsAnError) {
  put(5'000);
  auto bytes = sealed(*a_, false);
  bytes[2'000] ^= 1;
  EXPECT_EQ(receive(*b_, bytes, 700), EdgeRecords::Next::kError);
  EXPECT_TRUE(got_.empty());
}

TEST_F(EdgeRecordsTest, TheBeginningOfARecordHoldsNoLargeBlock) {
  put(16'000);
  auto bytes = sealed(*a_, false);
  bytes.resize(kSmall - sizeof(Block));
  EXPECT_EQ(receive(*b_, bytes, 50), EdgeRecords::Next::kNeedMore);
  EXPECT_EQ(large_->available(), large_->count());
  EXPECT_EQ(small_->available(), small_->count() - 1);
  EXPECT_EQ(b_->held_bytes(), bytes.size());
}

TEST_F(EdgeRecordsTest, WithoutALargeBlockSmallOnesDo) {
  put(40'000);
  std::vector<Slice> taken;
  while (Block* const block = large_->take())
    taken.emplace_back(block, block->data(), 1);
  std::vector<std::uint8_t> bytes;
  bytes = sealed(*a_, true);
  taken.clear();
  EXPECT_EQ(receive(*b_, bytes, 30'000), EdgeRecords::Next::kClosed);
  EXPECT_EQ(got_, put_);
}

TEST_F(EdgeRecordsTest, WithoutAnyBlockNothingIsLost) {
  put(100);
  std::vector<Slice> taken;
  while (Block* const block = small_->take())
    taken.emplace_back(block, block->data(), 1);
  EXPECT_FALSE(a_->fill(queue_, true));
  EXPECT_EQ(queue_.bytes(), 100U);
  taken.clear();
  EXPECT_EQ(receive(*b_, sealed(*a_, true), 100), EdgeRecords::Next::kClosed);
  EXPECT_EQ(got_, put_);
}

}  // namespace
}  // namespace fairlead
