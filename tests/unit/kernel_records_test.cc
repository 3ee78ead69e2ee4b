// KernelSender and KernelReceiver without a kernel: what they hand to it is put together as it would, cut anywhere, and
// handed back. Frames arrive byte-exact and in order, blocks come back, control records stand where they belong.
#include "transport/kernel_records.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <linux/tls.h>

#include "tests/sim/sim_kernel.h"
#include "transport/base/prng.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kBlockSize = 256 * 1024 + sizeof(Block);

// Something that was sent: application data, or one control record.
struct Sent {
  std::uint8_t type;
  Bytes bytes;
};

class KernelRecordsTest : public testing::Test {
 protected:
  ~KernelRecordsTest() override {
    sender_.reset();
    receiver_.reset();
    EXPECT_EQ(pool_->available(), pool_->count());
  }

  static KernelKey key(Kernel& kernel, TlsDirection direction) {
    const Bytes secret(32, 7);
    return {kernel, 1, direction, CipherSuite::kAes128Gcm, TrafficSecret(secret), false};
  }

  // One send of at most `bytes_max`.
  Sent send(std::size_t bytes_max) {
    io_uring_sqe sqe{};
    sender_->prepare_send(&sqe, 1);
    const auto& message = *reinterpret_cast<const msghdr*>(sqe.addr);
    Sent sent{23, {}};
    if (const cmsghdr* control = CMSG_FIRSTHDR(&message)) {
      EXPECT_EQ(control->cmsg_level, SOL_TLS);
      EXPECT_EQ(control->cmsg_type, TLS_SET_RECORD_TYPE);
      sent.type = *CMSG_DATA(control);
      bytes_max = SIZE_MAX;
    }
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) {
      const iovec& vector = message.msg_iov[i];
      const auto* at = static_cast<const std::uint8_t*>(vector.iov_base);
      sent.bytes.insert(sent.bytes.end(), at, at + std::min(vector.iov_len, bytes_max - sent.bytes.size()));
    }
    EXPECT_EQ(sender_->sent(static_cast<std::uint32_t>(sent.bytes.size())), 0);
    return sent;
  }

  // Receives it, in pieces if it is data.
  void receive(const Sent& sent, std::size_t piece_max) {
    std::size_t done = 0;
    while (done < sent.bytes.size()) {
      ASSERT_TRUE(receiver_->make_room());
      io_uring_sqe sqe{};
      receiver_->prepare_receive(&sqe, 1, false);
      auto& message = *reinterpret_cast<msghdr*>(sqe.addr);
      const std::size_t size =
          std::min({sent.bytes.size() - done, message.msg_iov->iov_len, sent.type == 23 ? piece_max : SIZE_MAX});
      std::memcpy(message.msg_iov->iov_base, sent.bytes.data() + done, size);
      done += size;
      cmsghdr* control = CMSG_FIRSTHDR(&message);
      ASSERT_NE(control, nullptr);
      control->cmsg_level = SOL_TLS;
      control->cmsg_type = TLS_GET_RECORD_TYPE;
      control->cmsg_len = CMSG_LEN(1);
      *CMSG_DATA(control) = sent.type;
      receiver_->received(static_cast<std::uint32_t>(size));
      last_ = read_frames();
    }
  }

  RecordReceiver::Next read_frames() {
    while (true) {
      RecordReceiver::Run run;
      const auto next = receiver_->next(run);
      if (next != RecordReceiver::Next::kFrames) return next;
      std::uint32_t at = 0;
      while (at < run.size) {
        FrameHeader header;
        if (check_frame({run.data + at, run.size - at}, header) == FrameCheck::kNeedMore) {
          receiver_->put_back(run.size - at);
          break;
        }
        const std::uint8_t* payload = run.data + at + kFrameHeaderSize;
        EXPECT_FALSE(expected_.empty());
        if (expected_.empty()) return RecordReceiver::Next::kError;
        EXPECT_TRUE(std::equal(payload, payload + header.length, expected_.front().begin(), expected_.front().end()));
        expected_.pop_front();
        // Streams keep what they deliver for a while.
        if (prng_.chance(30)) kept_.push_back(Slice::share(run.block, run.data + at, kFrameHeaderSize));
        if (kept_.size() > 3) kept_.pop_front();
        at += kFrameHeaderSize + header.length;
      }
    }
  }

  void put_data(std::uint32_t size) {
    Block* block = pool_->take();
    for (std::uint32_t i = 0; i < size; ++i)
      block->data()[i] = static_cast<std::uint8_t>(prng_.next());
    expected_.emplace_back(block->data(), block->data() + size);
    const FrameHeader header{static_cast<std::uint16_t>(size), FrameType::kData, 0, 5};
    sender_->put_data(header, size == 0 ? (BlockPool::release(block), Slice()) : Slice(block, block->data(), size));
  }

  void put_control() {
    std::uint8_t frame[kFrameHeaderSize + 8];
    encode_header({8, FrameType::kPing, 0, 0}, frame);
    std::memset(frame + kFrameHeaderSize, static_cast<int>(prng_.below(256)), 8);
    expected_.emplace_back(frame + kFrameHeaderSize, frame + sizeof frame);
    sender_->put_frames(frame, sizeof frame);
  }

  std::unique_ptr<BlockPool> pool_ = std::move(*BlockPool::open(kBlockSize, 128));
  sim::SimWorld world_{1};
  sim::SimKernel kernel_{world_, "host"};
  std::unique_ptr<KernelSender> sender_ =
      std::make_unique<KernelSender>(key(kernel_, TlsDirection::kSend), pool_->take());
  std::unique_ptr<KernelReceiver> receiver_ = std::make_unique<KernelReceiver>(
      key(kernel_, TlsDirection::kReceive), PostHandshake::Role::kServer, *pool_, pool_->take());
  std::deque<Bytes> expected_;
  std::deque<Slice> kept_;
  RecordReceiver::Next last_ = RecordReceiver::Next::kNeedMore;
  Prng prng_{3};
};

TEST_F(KernelRecordsTest, CarriesAnyMixOfFramesCutAnywhere) {
  for (int round = 0; round < 300; ++round) {
    const std::uint32_t largest = prng_.chance(50) ? 300 : kFramePayloadMax;
    while (sender_->room() && sender_->pending_bytes() < 240 * 1024 && !prng_.chance(5)) {
      if (prng_.chance(30)) {
        put_control();
      } else {
        put_data(static_cast<std::uint32_t>(prng_.below(largest + 1)));
      }
    }
    const std::size_t piece = 1 + prng_.below(prng_.chance(30) ? 100 : 300'000);
    while (sender_->pending_bytes() > 0)
      receive(send(1 + prng_.below(prng_.chance(30) ? 500 : 300'000)), piece);
    ASSERT_TRUE(expected_.empty()) << round;
    ASSERT_EQ(last_, RecordReceiver::Next::kNeedMore);
  }
  kept_.clear();
}

TEST_F(KernelRecordsTest, GathersLargePayloadsFromWhereTheyAre) {
  put_data(16'000);
  put_data(16'000);
  io_uring_sqe sqe{};
  sender_->prepare_send(&sqe, 1);
  EXPECT_EQ(sqe.opcode, IORING_OP_SENDMSG);
  const auto& message = *reinterpret_cast<const msghdr*>(sqe.addr);
  ASSERT_EQ(message.msg_iovlen, 4U);
  EXPECT_EQ(message.msg_iov[0].iov_len, kFrameHeaderSize);
  EXPECT_EQ(std::memcmp(message.msg_iov[1].iov_base, expected_[0].data(), 16'000), 0);
  EXPECT_EQ(message.msg_control, nullptr);
  const std::uint32_t before = pool_->available();
  sender_->sent(kFrameHeaderSize + 16'000 + 1);
  EXPECT_EQ(pool_->available(), before + 1) << "a payload that is sent is given back";
  sender_->sent(sender_->pending_bytes());
  EXPECT_EQ(pool_->available(), before + 2);
  expected_.clear();
}

TEST_F(KernelRecordsTest, NeverCountsFewerRecordsThanTheKernelMakes) {
  for (int i = 0; i < 10; ++i)
    put_data(16'000);
  sender_->sent(sender_->pending_bytes());
  EXPECT_EQ(sender_->records_of_key(), 10U);  // 160,080 bytes
  put_data(1);
  sender_->sent(sender_->pending_bytes());
  EXPECT_EQ(sender_->records_of_key(), 11U);
  expected_.clear();
}

TEST_F(KernelRecordsTest, CloseNotifyLeavesBehindTheFramesOfItsBatch) {
  put_data(100);
  sender_->put_close_notify();
  receive(send(SIZE_MAX), SIZE_MAX);
  EXPECT_TRUE(expected_.empty());
  EXPECT_GT(sender_->pending_bytes(), 0U);
  const Sent alert = send(SIZE_MAX);
  EXPECT_EQ(alert.type, 21);
  EXPECT_EQ(alert.bytes, (Bytes{1, 0}));
  EXPECT_EQ(sender_->pending_bytes(), 0U);
  receive(alert, SIZE_MAX);
  EXPECT_EQ(last_, RecordReceiver::Next::kClosed);
}

TEST_F(KernelRecordsTest, WhatIsNoDataIsJudgedAsInUserSpace) {
  const struct {
    Sent sent;
    const char* what;
  } cases[] = {
      {{22, {4, 0, 0, 1}}, "no place after the handshake"},  // a ticket from a client
      {{21, {2, 45}}, "certificate_expired"},
      {{21, {2}}, "malformed"},
      {{24, {1}}, "content type"},
  };

  for (const auto& [sent, what] : cases) {
    receiver_ = std::make_unique<KernelReceiver>(key(kernel_, TlsDirection::kReceive), PostHandshake::Role::kServer,
                                                 *pool_, pool_->take());
    receive(sent, SIZE_MAX);
    ASSERT_EQ(last_, RecordReceiver::Next::kError) << what;
    EXPECT_NE(receiver_->error().message.find(what), std::string::npos) << receiver_->error().message;
  }
}

TEST_F(KernelRecordsTest, AKeyUpdateThatTheKernelCannotFollowIsNamed) {
  receive({22, Bytes(kKeyUpdateMessage.begin(), kKeyUpdateMessage.end())}, SIZE_MAX);
  ASSERT_EQ(last_, RecordReceiver::Next::kError);
  EXPECT_EQ(receiver_->error().message, "peer sent a TLS key update, which this kernel cannot follow");
  EXPECT_EQ(receiver_->error_of_receive(EBADMSG).message,
            "peer sent a TLS record that was damaged or is not of this session");
}

}  // namespace
}  // namespace fairlead
