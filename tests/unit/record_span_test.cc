// Frames that span records, as they come from a peer whose kernel makes its records: opened in user space they are
// whole again, wherever records and receives cut them, and whoever still holds what came before.
#include <algorithm>
#include <cstring>
#include <deque>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"
#include "transport/record_io.h"

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kBlockSize = 256 * 1024 + sizeof(Block);
constexpr CipherSuite kSuite = CipherSuite::kAes128Gcm;

class RecordSpanTest : public testing::Test {
 protected:
  static TrafficSecret secret() { return TrafficSecret(Bytes(hash_size(kSuite), 9)); }

  // Frames with random payloads, whose copies wait in expected_.
  Bytes make_frames() {
    Bytes plain;
    for (std::uint64_t i = 0, count = 1 + prng_.below(40); i < count; ++i) {
      Bytes payload(prng_.below(prng_.chance(50) ? 100 : kFramePayloadMax + 1));
      for (std::uint8_t& byte : payload)
        byte = static_cast<std::uint8_t>(prng_.next());
      std::uint8_t header[kFrameHeaderSize];
      encode_header({static_cast<std::uint16_t>(payload.size()), FrameType::kData, kFlagFin, 1}, header);
      plain.insert(plain.end(), header, header + kFrameHeaderSize);
      plain.insert(plain.end(), payload.begin(), payload.end());
      expected_.push_back(std::move(payload));
    }
    return plain;
  }

  // As records of at most `largest` bytes, with a key update now and then.
  Bytes seal(const Bytes& plain, std::size_t largest) {
    Bytes wire;
    for (std::size_t at = 0; at < plain.size();) {
      const std::size_t size = std::min<std::size_t>(plain.size() - at, 1 + prng_.below(largest));
      Bytes text(size + 1);
      std::memcpy(text.data(), plain.data() + at, size);
      wire.resize(wire.size() + size + kRecordOverhead);
      sealer_.seal(ContentType::kApplicationData, text.data(), size,
                   wire.data() + wire.size() - size - kRecordOverhead);
      at += size;
      if (!prng_.chance(10)) continue;
      wire.resize(wire.size() + kKeyUpdateRecord);
      sealer_.key_update(wire.data() + wire.size() - kKeyUpdateRecord, false);
    }
    return wire;
  }

  void receive(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      ASSERT_TRUE(receiver_->make_room());
      io_uring_sqe sqe{};
      receiver_->prepare_receive(&sqe, 1, false);
      const std::size_t part = std::min<std::size_t>(bytes.size(), sqe.len);
      std::memcpy(reinterpret_cast<void*>(sqe.addr), bytes.data(), part);
      receiver_->received(static_cast<std::uint32_t>(part));
      bytes = bytes.subspan(part);
      ASSERT_NO_FATAL_FAILURE(read_frames());
    }
  }

  void read_frames() {
    RecordReceiver::Run run;
    while (receiver_->next(run) == RecordReceiver::Next::kFrames) {
      for (std::uint32_t at = 0; at < run.size;) {
        FrameHeader header;
        if (check_frame({run.data + at, run.size - at}, header) == FrameCheck::kNeedMore) {
          receiver_->put_back(run.size - at);
          break;
        }
        ASSERT_FALSE(expected_.empty());
        const std::uint8_t* payload = run.data + at + kFrameHeaderSize;
        ASSERT_TRUE(std::equal(payload, payload + header.length, expected_.front().begin(), expected_.front().end()));
        expected_.pop_front();
        if (prng_.chance(20)) kept_.push_back(Slice::share(run.block, run.data + at, kFrameHeaderSize));
        if (kept_.size() > 3) kept_.pop_front();
        at += kFrameHeaderSize + header.length;
      }
    }
  }

  std::unique_ptr<BlockPool> pool_ = std::move(*BlockPool::open(kBlockSize, 16));
  RecordSealer sealer_{kSuite, secret(), 0};
  std::unique_ptr<OpeningReceiver> receiver_ = std::make_unique<OpeningReceiver>(
      std::make_unique<RecordOpener>(kSuite, secret(), 0), PostHandshake::Role::kServer, *pool_, pool_->take());
  std::deque<Bytes> expected_;
  std::deque<Slice> kept_;
  Prng prng_{21};
};

TEST_F(RecordSpanTest, FramesAreWholeWhereverTheyAreCut) {
  for (int round = 0; round < 200; ++round) {
    const Bytes plain = make_frames();
    const Bytes wire = seal(plain, prng_.chance(30) ? 20 : kPlaintextMax);
    for (std::size_t at = 0; at < wire.size();) {
      const std::size_t size = std::min<std::size_t>(wire.size() - at, 1 + prng_.below(100'000));
      ASSERT_NO_FATAL_FAILURE(receive(std::span(wire).subspan(at, size)));
      at += size;
    }
    ASSERT_TRUE(expected_.empty());
  }
  kept_.clear();
  receiver_.reset();
  EXPECT_EQ(pool_->available(), pool_->count());
}

}  // namespace
}  // namespace fairlead
