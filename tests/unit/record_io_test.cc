// Frames through SealingSender into records and back through OpeningReceiver: byte-exact for random mixes, payloads of
// every size around the edges, receives cut at every place; what the sender may touch around a payload; blocks come
// back; key updates, close_notify, alerts and damage.
#include "transport/record_io.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kBlockSize = 256 * 1024 + sizeof(Block);
constexpr std::uint32_t kPayloadBlockSize = 64 * 1024;
constexpr std::uint32_t kHeadroom = 64;

TrafficSecret test_secret() {
  Bytes bytes(hash_size(CipherSuite::kAes128Gcm));
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(i + 1);
  return TrafficSecret(bytes);
}

std::unique_ptr<RecordSealer> new_sealer() {
  return std::make_unique<RecordSealer>(CipherSuite::kAes128Gcm, test_secret(), 0);
}

std::unique_ptr<BlockPool> open_pool(std::uint32_t block_size, std::uint32_t count) {
  auto pool = BlockPool::open(block_size, count);
  if (!pool) ADD_FAILURE() << pool.error().message;
  return std::move(*pool);
}

struct Frame {
  FrameHeader header;
  Bytes payload;

  friend bool operator==(const Frame& a, const Frame& b) {
    return a.header.length == b.header.length && a.header.type == b.header.type && a.header.flags == b.header.flags &&
           a.header.stream == b.header.stream && a.payload == b.payload;
  }
};

Bytes random_bytes(Prng& prng, std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes)
    byte = static_cast<std::uint8_t>(prng.next());
  return bytes;
}

class RecordIoTest : public testing::Test {
 protected:
  using Next = RecordReceiver::Next;

  ~RecordIoTest() override {
    sender_.reset();
    receiver_.reset();
    EXPECT_EQ(link_pool_->available(), link_pool_->count());
    EXPECT_EQ(payload_pool_->available(), payload_pool_->count());
  }

  static std::unique_ptr<OpeningReceiver> new_receiver(BlockPool& pool, PostHandshake::Role role) {
    return std::make_unique<OpeningReceiver>(std::make_unique<RecordOpener>(CipherSuite::kAes128Gcm, test_secret(), 0),
                                             role, pool, pool.take());
  }

  // A payload as an edge socket has it: with room in front and behind, which is given a known value.
  Slice payload_slice(const Bytes& bytes) {
    Block* block = payload_pool_->take();
    CHECK(block != nullptr);
    std::memset(block->data(), 0xaa, kHeadroom);
    std::memcpy(block->data() + kHeadroom, bytes.data(), bytes.size());
    std::memset(block->data() + kHeadroom + bytes.size(), 0xbb, 64);
    return {block, block->data() + kHeadroom, static_cast<std::uint32_t>(bytes.size())};
  }

  void put_data(std::uint32_t stream, std::uint8_t flags, const Bytes& payload) {
    const FrameHeader header{static_cast<std::uint16_t>(payload.size()), FrameType::kData, flags, stream};
    sender_->put_data(header, payload.empty() ? Slice() : payload_slice(payload));
    expected_.push_back({header, payload});
  }

  // A run of control frames in one call.
  void put_control(Prng& prng, unsigned count) {
    Bytes run;
    for (unsigned i = 0; i < count; ++i) {
      const Bytes payload = random_bytes(prng, prng.below(200));
      const FrameHeader header{static_cast<std::uint16_t>(payload.size()), FrameType::kReset, 0,
                               static_cast<std::uint32_t>(prng.next())};
      const std::size_t at = run.size();
      run.resize(at + kFrameHeaderSize + payload.size());
      encode_header(header, run.data() + at);
      std::copy(payload.begin(), payload.end(), run.begin() + static_cast<std::ptrdiff_t>(at + kFrameHeaderSize));
      expected_.push_back({header, payload});
    }
    sender_->put_frames(run.data(), static_cast<std::uint32_t>(run.size()));
  }

  // What the sender would send now, as far as `bytes_max` goes.
  Bytes take_sent(std::uint32_t bytes_max = UINT32_MAX) {
    io_uring_sqe sqe{};
    sender_->prepare_send(&sqe, 1);
    EXPECT_EQ(sqe.len, sender_->pending_bytes());
    const auto* data = reinterpret_cast<const std::uint8_t*>(sqe.addr);
    const std::uint32_t size = std::min(sqe.len, bytes_max);
    Bytes bytes(data, data + size);
    sender_->sent(size);
    return bytes;
  }

  void receive(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      ASSERT_TRUE(receiver_->make_room());
      io_uring_sqe sqe{};
      receiver_->prepare_receive(&sqe, 1, false);
      const std::size_t part = std::min<std::size_t>(bytes.size(), sqe.len);
      ASSERT_GT(part, 0U);
      std::memcpy(reinterpret_cast<void*>(sqe.addr), bytes.data(), part);
      receiver_->received(static_cast<std::uint32_t>(part));
      bytes = bytes.subspan(part);
      last_ = read_frames();
    }
  }

  // Takes everything out of the receiver, compares it with what was put, and returns what came at the end.
  Next read_frames() {
    while (true) {
      RecordReceiver::Run run;
      const Next next = receiver_->next(run);
      if (next != Next::kFrames) return next;
      std::uint32_t at = 0;
      while (at < run.size) {
        EXPECT_GE(run.size - at, kFrameHeaderSize);
        const FrameHeader header = decode_header(run.data + at);
        EXPECT_LE(kFrameHeaderSize + header.length, run.size - at) << "what this sender makes never spans two records";
        const std::uint8_t* payload = run.data + at + kFrameHeaderSize;
        if (expected_.empty()) {
          ADD_FAILURE() << "a frame that was not put";
          return Next::kError;
        }
        EXPECT_TRUE((Frame{header, Bytes(payload, payload + header.length)}) == expected_.front());
        expected_.pop_front();
        at += kFrameHeaderSize + header.length;
      }
      ++runs_;
    }
  }

  std::unique_ptr<BlockPool> link_pool_ = open_pool(kBlockSize, 8);
  std::unique_ptr<BlockPool> payload_pool_ = open_pool(kPayloadBlockSize, 4);
  std::unique_ptr<SealingSender> sender_ = std::make_unique<SealingSender>(new_sealer(), link_pool_->take());
  std::unique_ptr<OpeningReceiver> receiver_ = new_receiver(*link_pool_, PostHandshake::Role::kServer);
  std::deque<Frame> expected_;
  Next last_ = Next::kNeedMore;
  unsigned runs_ = 0;
};

TEST_F(RecordIoTest, SendsNothingForNothing) {
  sender_->flush();
  EXPECT_EQ(sender_->pending_bytes(), 0U);
  EXPECT_EQ(sender_->records_of_key(), 0U);
}

TEST_F(RecordIoTest, CarriesPayloadsOfEverySizeNearTheEdges) {
  Prng prng(1);
  std::vector<std::size_t> sizes = {0, 1, 2, 8, 63, 64, 65, 1000};
  for (std::size_t d = 0; d < 40; ++d) {
    sizes.push_back(SealingSender::kCopyMax - 20 + d);
    if (kFramePayloadMax - 39 + d <= kFramePayloadMax) sizes.push_back(kFramePayloadMax - 39 + d);
  }
  for (const std::size_t size : sizes) {
    SCOPED_TRACE(size);
    put_data(7, size == 0 ? kFlagFin : std::uint8_t{0}, random_bytes(prng, size));
    sender_->flush();
    EXPECT_EQ(sender_->pending_bytes(), kFrameHeaderSize + size + kRecordOverhead);
    receive(take_sent());
    EXPECT_EQ(last_, Next::kNeedMore);
    EXPECT_TRUE(expected_.empty());
  }
}

TEST_F(RecordIoTest, PutsManySmallFramesIntoOneRecord) {
  Prng prng(2);
  for (std::uint32_t i = 0; i < 100; ++i)
    put_data(i, 0, random_bytes(prng, 64));
  put_control(prng, 5);
  sender_->flush();
  EXPECT_EQ(sender_->records_of_key(), 1U);
  receive(take_sent());
  EXPECT_EQ(runs_, 1U);
  EXPECT_TRUE(expected_.empty());
}

TEST_F(RecordIoTest, FillsRecordsToTheirVeryEnd) {
  Prng prng(3);
  // Four frames of exactly a quarter of a record, and one byte that no longer fits.
  for (std::uint32_t i = 0; i < 4; ++i)
    put_data(i, 0, random_bytes(prng, kPlaintextMax / 4 - kFrameHeaderSize));
  EXPECT_EQ(sender_->pending_bytes(), 0U) << "all of it is still staged";
  put_data(4, 0, random_bytes(prng, 1));
  EXPECT_EQ(sender_->pending_bytes(), kPlaintextMax + kRecordOverhead);
  sender_->flush();
  receive(take_sent());
  EXPECT_EQ(runs_, 2U);
  EXPECT_TRUE(expected_.empty());
}

TEST_F(RecordIoTest, BeginsANewRecordForWhatNoLongerFits) {
  Prng prng(17);
  for (std::size_t left = 0; left < 2 * kFrameHeaderSize; ++left) {
    SCOPED_TRACE(left);
    const std::uint64_t records = sender_->records_of_key();
    for (std::uint32_t i = 0; i < 3; ++i)
      put_data(i, 0, random_bytes(prng, kPlaintextMax / 4 - kFrameHeaderSize));
    put_data(3, 0, random_bytes(prng, kPlaintextMax / 4 - kFrameHeaderSize - left));
    put_data(4, kFlagFin, {});
    sender_->flush();
    EXPECT_EQ(sender_->records_of_key() - records, left < kFrameHeaderSize ? 2U : 1U);
    receive(take_sent());
    EXPECT_TRUE(expected_.empty());
  }
}

TEST_F(RecordIoTest, KeepsTheOrderOfCopiedAndDirectFrames) {
  Prng prng(4);
  put_data(1, 0, random_bytes(prng, 100));
  put_data(1, 0, random_bytes(prng, 10'000));
  put_control(prng, 1);
  put_data(1, kFlagFin, random_bytes(prng, 9'000));
  put_data(2, 0, random_bytes(prng, 10));
  sender_->flush();
  receive(take_sent());
  EXPECT_TRUE(expected_.empty());
  EXPECT_EQ(runs_, 5U);
}

TEST_F(RecordIoTest, TouchesNothingAroundAPayloadButTheHeaderInFront) {
  Prng prng(5);
  for (const std::size_t size : {1UL, 4096UL, 4097UL, std::size_t{kFramePayloadMax}}) {
    SCOPED_TRACE(size);
    const Bytes payload = random_bytes(prng, size);
    Slice slice = payload_slice(payload);
    const Slice look = Slice::share(slice.block(), slice.data(), slice.size());
    sender_->put_data({static_cast<std::uint16_t>(size), FrameType::kData, 0, 3}, std::move(slice));
    const std::uint8_t* front = look.data() - kHeadroom;
    EXPECT_TRUE(std::all_of(front, front + kHeadroom - kFrameHeaderSize, [](std::uint8_t b) { return b == 0xaa; }));
    EXPECT_EQ(Bytes(look.data(), look.data() + size), payload);
    const std::uint8_t* behind = look.data() + size;
    EXPECT_TRUE(std::all_of(behind, behind + 64, [](std::uint8_t b) { return b == 0xbb; }))
        << "the byte behind is put back";
    sender_->flush();
    take_sent();
  }
}

TEST_F(RecordIoTest, SendsOneBufferAsSeveralFrames) {
  // As a stream does with a buffer that is larger than a frame: each header goes over bytes that are done with.
  Prng prng(6);
  const Bytes payload = random_bytes(prng, 60'000);
  Slice rest = payload_slice(payload);
  std::size_t at = 0;
  while (!rest.empty()) {
    const auto size = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(rest.size(), 1 + prng.below(prng.chance(50) ? 200 : kFramePayloadMax)));
    const FrameHeader header{static_cast<std::uint16_t>(size), FrameType::kData, 0, 9};
    const auto from = payload.begin() + static_cast<std::ptrdiff_t>(at);
    expected_.push_back({header, Bytes(from, from + size)});
    sender_->put_data(header, rest.split_front(size));
    at += size;
  }
  rest.reset();
  sender_->flush();
  receive(take_sent());
  EXPECT_TRUE(expected_.empty());
  EXPECT_EQ(payload_pool_->available(), payload_pool_->count()) << "a sealed payload is given back at once";
}

TEST_F(RecordIoTest, HasRoomForOneMoreOfEachWheneverItSaysSo) {
  Prng prng(7);
  for (int round = 0; round < 50; ++round) {
    unsigned frames = 0;
    while (sender_->room()) {
      switch (prng.below(4)) {
        case 0:
          put_control(prng, 1 + static_cast<unsigned>(prng.below(10)));
          break;
        case 1:
          put_data(1, 0, random_bytes(prng, kFramePayloadMax));
          break;
        case 2:
          put_data(1, 0, random_bytes(prng, 1 + prng.below(SealingSender::kCopyMax)));
          break;
        case 3:
          put_data(1, 0, random_bytes(prng, 1 + prng.below(kFramePayloadMax)));
          break;
      }
      ++frames;
    }
    EXPECT_GT(frames, 10U);
    sender_->flush();
    EXPECT_LE(sender_->pending_bytes(), kBlockSize - sizeof(Block));
    receive(take_sent());
    EXPECT_TRUE(expected_.empty());
  }
}

TEST_F(RecordIoTest, SendsAgainWhatWasOnlyPartlySent) {
  Prng prng(8);
  for (int i = 0; i < 5; ++i)
    put_data(1, 0, random_bytes(prng, 10'000));
  sender_->flush();
  while (sender_->pending_bytes() > 0)
    receive(take_sent(static_cast<std::uint32_t>(1 + prng.below(7'000))));
  EXPECT_TRUE(expected_.empty());
}

TEST_F(RecordIoTest, WaitsForTheRestOfARecordAtEverySplit) {
  Prng prng(9);
  put_data(1, 0, random_bytes(prng, 100));
  sender_->flush();
  put_data(1, 0, random_bytes(prng, 50));
  sender_->flush();
  const Bytes wire = take_sent();
  const std::deque<Frame> expected = expected_;
  for (std::size_t split = 1; split < wire.size(); ++split) {
    SCOPED_TRACE(split);
    expected_ = expected;
    receiver_ = new_receiver(*link_pool_, PostHandshake::Role::kServer);
    receive(std::span(wire).first(split));
    EXPECT_EQ(last_, Next::kNeedMore);
    receive(std::span(wire).subspan(split));
    EXPECT_EQ(last_, Next::kNeedMore);
    EXPECT_TRUE(expected_.empty());
  }
}

TEST_F(RecordIoTest, CarriesRandomMixesInRandomPieces) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    for (int batch = 0; batch < 10; ++batch) {
      for (std::uint64_t n = prng.below(12); n > 0 && sender_->room(); --n) {
        if (prng.chance(30)) {
          put_control(prng, static_cast<unsigned>(1 + prng.below(8)));
        } else {
          const std::uint64_t size_max = prng.chance(50) ? 300 : kFramePayloadMax;
          put_data(static_cast<std::uint32_t>(prng.next()), static_cast<std::uint8_t>(prng.next()),
                   random_bytes(prng, 1 + prng.below(size_max)));
        }
      }
      if (prng.chance(20)) sender_->put_key_update();
      sender_->flush();
      if (sender_->pending_bytes() == 0) continue;
      const Bytes wire = take_sent();
      for (std::size_t at = 0; at < wire.size();) {
        const std::size_t part = std::min<std::size_t>(wire.size() - at, 1 + prng.below(prng.chance(50) ? 30 : 30'000));
        ASSERT_NO_FATAL_FAILURE(receive(std::span(wire).subspan(at, part)));
        ASSERT_EQ(last_, Next::kNeedMore);
        at += part;
      }
      ASSERT_TRUE(expected_.empty());
    }
  }
}

TEST_F(RecordIoTest, LeavesBytesAloneThatSomebodyHolds) {
  Prng prng(10);
  std::vector<std::pair<Slice, Bytes>> held;
  for (int round = 0; round < 200; ++round) {
    put_data(1, 0, random_bytes(prng, 12'000));
    sender_->flush();
    const Bytes wire = take_sent();
    ASSERT_TRUE(receiver_->make_room());
    io_uring_sqe sqe{};
    receiver_->prepare_receive(&sqe, 1, false);
    ASSERT_GE(sqe.len, wire.size());
    std::memcpy(reinterpret_cast<void*>(sqe.addr), wire.data(), wire.size());
    receiver_->received(static_cast<std::uint32_t>(wire.size()));
    RecordReceiver::Run run;
    ASSERT_EQ(receiver_->next(run), Next::kFrames);
    held.emplace_back(Slice::share(run.block, run.data + kFrameHeaderSize, run.size - kFrameHeaderSize),
                      expected_.front().payload);
    expected_.clear();
    ASSERT_EQ(receiver_->next(run), Next::kNeedMore);
    if (prng.chance(30)) held.erase(held.begin() + static_cast<std::ptrdiff_t>(prng.below(held.size())));
    if (held.size() > 40) held.erase(held.begin(), held.begin() + 30);
    for (const auto& [slice, bytes] : held) {
      ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(), slice.data(), slice.data() + slice.size()));
    }
  }
}

TEST_F(RecordIoTest, TakesAPartOfARecordAlongToTheNextBlock) {
  Prng prng(18);
  std::deque<std::pair<Slice, Bytes>> held;
  Bytes wire;
  for (int round = 0; round < 400; ++round) {
    put_data(1, 0, random_bytes(prng, 5'000 + prng.below(9'000)));
    sender_->flush();
    const Bytes record = take_sent();
    wire.insert(wire.end(), record.begin(), record.end());
    // Always up to somewhere within the newest record, so that each receive leaves a part of one.
    const std::size_t part = wire.size() - prng.below(record.size());
    ASSERT_TRUE(receiver_->make_room());
    io_uring_sqe sqe{};
    receiver_->prepare_receive(&sqe, 1, false);
    ASSERT_GE(sqe.len, part);
    std::memcpy(reinterpret_cast<void*>(sqe.addr), wire.data(), part);
    receiver_->received(static_cast<std::uint32_t>(part));
    wire.erase(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(part));
    RecordReceiver::Run run;
    Next next = receiver_->next(run);
    for (; next == Next::kFrames; next = receiver_->next(run)) {
      held.emplace_back(Slice::share(run.block, run.data + kFrameHeaderSize, run.size - kFrameHeaderSize),
                        expected_.front().payload);
      expected_.pop_front();
    }
    ASSERT_EQ(next, Next::kNeedMore);
    while (held.size() > 30)
      held.pop_front();
    for (const auto& [slice, bytes] : held) {
      ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(), slice.data(), slice.data() + slice.size()));
    }
  }
}

TEST_F(RecordIoTest, SaysWhenThereIsNoBlockToReceiveInto) {
  Prng prng(11);
  std::vector<Slice> held;
  std::vector<Block*> others;
  // Fill the block while somebody holds a part of it, so that the receiver wants another one.
  for (int i = 0; i < 20; ++i) {
    put_data(1, 0, random_bytes(prng, 10'000));
    sender_->flush();
    const Bytes wire = take_sent();
    ASSERT_TRUE(receiver_->make_room());
    io_uring_sqe sqe{};
    receiver_->prepare_receive(&sqe, 1, false);
    std::memcpy(reinterpret_cast<void*>(sqe.addr), wire.data(), wire.size());
    receiver_->received(static_cast<std::uint32_t>(wire.size()));
    RecordReceiver::Run run;
    ASSERT_EQ(receiver_->next(run), Next::kFrames);
    held.push_back(Slice::share(run.block, run.data, run.size));
    expected_.clear();
    ASSERT_EQ(receiver_->next(run), Next::kNeedMore);
  }
  while (Block* block = link_pool_->take())
    others.push_back(block);
  EXPECT_FALSE(receiver_->make_room());
  EXPECT_FALSE(receiver_->make_room());
  BlockPool::release(others.back());
  others.pop_back();
  EXPECT_TRUE(receiver_->make_room());
  held.clear();
  for (Block* block : others)
    BlockPool::release(block);
}

TEST_F(RecordIoTest, TakesWhatCameWithTheHandshake) {
  Prng prng(12);
  put_data(1, 0, random_bytes(prng, 5'000));
  put_data(2, 0, random_bytes(prng, 500));
  sender_->flush();
  const Bytes wire = take_sent();
  ASSERT_TRUE(receiver_->preload(wire.data(), 3'000));
  EXPECT_EQ(read_frames(), Next::kNeedMore);
  receive(std::span(wire).subspan(3'000));
  EXPECT_TRUE(expected_.empty());
}

TEST_F(RecordIoTest, RefusesToBePreloadedWithMoreThanABlock) {
  const Bytes much(kBlockSize, 23);
  EXPECT_FALSE(receiver_->preload(much.data(), much.size()));
  EXPECT_TRUE(receiver_->preload(nullptr, 0));
}

// ---- what is not application data

TEST_F(RecordIoTest, FollowsAKeyUpdateAmongFrames) {
  Prng prng(13);
  for (int i = 0; i < 5; ++i) {
    put_data(1, 0, random_bytes(prng, 5'000));
    sender_->put_key_update();
    put_data(1, 0, random_bytes(prng, 50));
    sender_->flush();
    receive(take_sent());
    EXPECT_EQ(last_, Next::kNeedMore);
    EXPECT_TRUE(expected_.empty());
  }
  EXPECT_FALSE(receiver_->take_key_update_request());
}

TEST_F(RecordIoTest, ReportsARequestForNewKeysOnce) {
  RecordSealer sealer(CipherSuite::kAes128Gcm, test_secret(), 0);
  Bytes record(kKeyUpdateRecord);
  sealer.key_update(record.data(), true);
  receive(record);
  EXPECT_EQ(last_, Next::kNeedMore);
  EXPECT_TRUE(receiver_->take_key_update_request());
  EXPECT_FALSE(receiver_->take_key_update_request());
}

TEST_F(RecordIoTest, CountsTheRecordsOfAKeyAndGoesOnWithTheNext) {
  constexpr std::uint64_t kUsed = kRecordsPerKey - 1;
  sender_ = std::make_unique<SealingSender>(
      std::make_unique<RecordSealer>(CipherSuite::kAes128Gcm, test_secret(), kUsed), link_pool_->take());
  receiver_ =
      std::make_unique<OpeningReceiver>(std::make_unique<RecordOpener>(CipherSuite::kAes128Gcm, test_secret(), kUsed),
                                        PostHandshake::Role::kServer, *link_pool_, link_pool_->take());
  Prng prng(14);
  for (int i = 0; i < 3; ++i)
    put_data(1, 0, random_bytes(prng, 8'000));
  sender_->flush();
  EXPECT_EQ(sender_->records_of_key(), kUsed + 3);
  receive(take_sent());
  sender_->put_key_update();
  EXPECT_EQ(sender_->records_of_key(), 0U);
  put_data(1, 0, random_bytes(prng, 8'000));
  sender_->flush();
  EXPECT_EQ(sender_->pending_bytes(), 8'000 + kFrameHeaderSize + kRecordOverhead + kKeyUpdateRecord);
  receive(take_sent());
  EXPECT_EQ(last_, Next::kNeedMore);
  EXPECT_TRUE(expected_.empty());
}

TEST_F(RecordIoTest, EndsWithCloseNotifyBehindEverythingStaged) {
  Prng prng(15);
  put_data(1, kFlagFin, random_bytes(prng, 10));
  sender_->put_close_notify();
  sender_->flush();
  receive(take_sent());
  EXPECT_EQ(last_, Next::kClosed);
  EXPECT_TRUE(expected_.empty());
}

TEST_F(RecordIoTest, TellsAnAlertOfThePeer) {
  RecordSealer sealer(CipherSuite::kAes128Gcm, test_secret(), 0);
  Bytes record(kAlertRecord);
  sealer.alert(record.data(), kAlertFatal, AlertDescription::kCertificateExpired);
  receive(record);
  ASSERT_EQ(last_, Next::kError);
  EXPECT_NE(receiver_->error().message.find("certificate_expired"), std::string::npos) << receiver_->error().message;
}

TEST_F(RecordIoTest, GoesOnAfterUserCanceled) {
  RecordSealer sealer(CipherSuite::kAes128Gcm, test_secret(), 0);
  Bytes wire(2 * kAlertRecord);
  sealer.alert(wire.data(), kAlertWarning, AlertDescription::kUserCanceled);
  sealer.close_notify(wire.data() + kAlertRecord);
  receive(wire);
  EXPECT_EQ(last_, Next::kClosed);
}

TEST_F(RecordIoTest, EndsAtDamageAnywhereInARecord) {
  Prng prng(16);
  const Bytes payload = random_bytes(prng, 40);
  put_data(1, 0, payload);
  sender_->flush();
  const Bytes wire = take_sent();
  expected_.clear();
  for (std::size_t at = 0; at < wire.size(); ++at) {
    SCOPED_TRACE(at);
    Bytes damaged = wire;
    damaged[at] ^= 0x40;
    receiver_ = new_receiver(*link_pool_, PostHandshake::Role::kServer);
    receive(damaged);
    // A changed length may make the record longer than what came.
    if (at == 3 || at == 4) {
      EXPECT_NE(last_, Next::kClosed);
      continue;
    }
    ASSERT_EQ(last_, Next::kError);
    EXPECT_EQ(receiver_->error().code, ErrorCode::kProtocol) << receiver_->error().message;
  }
}

TEST_F(RecordIoTest, SkipsARecordWithoutAnyBytes) {
  RecordSealer sealer(CipherSuite::kAes128Gcm, test_secret(), 0);
  Bytes wire(2 * kRecordOverhead + kFrameHeaderSize);
  std::uint8_t text[kFrameHeaderSize + 1];
  sealer.seal(ContentType::kApplicationData, text, 0, wire.data());
  const FrameHeader header{0, FrameType::kOpened, 0, 5};
  encode_header(header, text);
  sealer.seal(ContentType::kApplicationData, text, kFrameHeaderSize, wire.data() + kRecordOverhead);
  expected_.push_back({header, {}});
  receive(wire);
  EXPECT_EQ(last_, Next::kNeedMore);
  EXPECT_TRUE(expected_.empty());
}

}  // namespace
}  // namespace fairlead
