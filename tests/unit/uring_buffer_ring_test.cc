// BufferRing: positions, ids and blocks stay in step over many rounds of the ring, with a pool that runs out, receives
// whose completions are handled late, and bundles. On the simulated kernel; tests/conformance shows that Linux agrees.
#include "transport/uring/buffer_ring.h"

#include <cerrno>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/ipv4.h"
#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_world.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kBlockSize = 1024;
constexpr std::uint32_t kBufferSize = kBlockSize - sizeof(Block) - BufferRing::kHeadroom - BufferRing::kTailroom;

struct Call {
  void on_done(Completion completion) noexcept {
    done = completion;
    ++count;
  }
  Completion done{};
  int count = 0;
  OpOf<&Call::on_done> op{*this};
};

class BufferRingTest : public testing::Test {
 protected:
  void open(std::uint32_t block_count) {
    ring_ = std::move(*Ring::open(kernel_, 64));
    ASSERT_TRUE(ring_->enable().has_value());
    pool_ = std::move(*BlockPool::open(kBlockSize, block_count));
    buffers_ = std::move(*BufferRing::open(*ring_, *pool_, 1));
    connect();
  }

  void TearDown() override {
    buffers_.reset();
    if (pool_) {
      EXPECT_EQ(pool_->available(), pool_->count());
    }
    EXPECT_EQ(world_.violations(), std::vector<std::string>{});
  }

  void connect() {
    Address address = sim::make_address(INADDR_LOOPBACK, 7'000);
    listener_ = kernel_.open_socket(AF_INET);
    ASSERT_EQ(kernel_.bind_and_listen(listener_, address, 8), 0);
    client_ = kernel_.open_socket(AF_INET);
    Call accepted;
    Call connected;
    ring_->submit(accepted.op, [&](io_uring_sqe* sqe) { io_uring_prep_accept(sqe, listener_, nullptr, nullptr, 0); });
    ring_->submit(connected.op,
                  [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, client_, address.get(), address.size); });
    run();
    ASSERT_EQ(connected.done.res, 0);
    server_ = accepted.done.res;
  }

  void run() {
    while (ring_->turn(Duration::max()) > 0 || world_.advance_to_next_event(Instant::max())) {
    }
  }

  void send(const std::string& bytes) {
    Call call;
    ring_->submit(call.op, [&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, client_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    });
    run();
    ASSERT_EQ(call.done.res, static_cast<int>(bytes.size()));
  }

  Completion receive(std::uint32_t bytes_max) {
    Call call;
    ring_->submit(call.op, [&](io_uring_sqe* sqe) { buffers_->prepare_receive(sqe, server_, bytes_max, false); });
    run();
    EXPECT_EQ(call.count, 1);
    return call.done;
  }

  std::string collect(Completion done) {
    std::string text;
    buffers_->collect(done, [&](Slice slice) {
      // Room in front for a header, behind for a content type.
      EXPECT_EQ(slice.data(), slice.block()->data() + BufferRing::kHeadroom);
      EXPECT_LE(slice.size() + BufferRing::kHeadroom + BufferRing::kTailroom, slice.block()->capacity);
      text.append(reinterpret_cast<const char*>(slice.data()), slice.size());
      if (hold_) held_.push_back(std::move(slice));
    });
    return text;
  }

  sim::SimWorld world_{1};
  sim::SimKernel kernel_{world_, "host"};
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<BufferRing> buffers_;
  int listener_ = -1;
  int client_ = -1;
  int server_ = -1;
  bool hold_ = false;
  std::vector<Slice> held_;
};

TEST_F(BufferRingTest, LendsAFixedNumberHoweverLargeThePool) {
  open(100);
  EXPECT_EQ(buffers_->lent(), BufferRing::kLentCount);
  EXPECT_EQ(pool_->available(), 100U - BufferRing::kLentCount);
  EXPECT_EQ(buffers_->refill(), BufferRing::kLentCount);
  EXPECT_EQ(pool_->available(), 100U - BufferRing::kLentCount);
}

TEST_F(BufferRingTest, ManyRoundsOfTheRingStayInStep) {
  open(40);
  // Past the point where 16-bit positions wrap.
  for (unsigned i = 0; i < 66'000; ++i) {
    const std::string text = std::to_string(i);
    send(text);
    const Completion done = receive(100);
    ASSERT_EQ(done.buffer_id(), i % BufferRing::kLentCount);
    ASSERT_EQ(collect(done), text);
    if (i % 7 == 0) buffers_->refill();
  }
}

TEST_F(BufferRingTest, BundlesOfEverySizeComeOutWhole) {
  open(64);
  for (std::uint32_t size = 1; size < 6 * kBufferSize; size += 97) {
    std::string sent(size, '\0');
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 31 + size);
    send(sent);
    const Completion done = receive(BufferRing::kReceiveBytesMax);
    ASSERT_EQ(done.bytes(), size);
    ASSERT_EQ(collect(done), sent);
    buffers_->refill();
  }
}

TEST_F(BufferRingTest, WithoutBundlesAReceiveTakesOneBuffer) {
  kernel_.options().receive_bundles = false;
  open(64);
  send(std::string(3 * kBufferSize, 'x'));
  const Completion done = receive(BufferRing::kReceiveBytesMax);
  EXPECT_EQ(done.bytes(), kBufferSize);
  EXPECT_EQ(collect(done).size(), kBufferSize);
}

TEST_F(BufferRingTest, AReceiveKeepsToItsLength) {
  open(64);
  for (const std::uint32_t limit :
       {1U, kBufferSize - 1, kBufferSize, kBufferSize + 1, 2 * kBufferSize, 3 * kBufferSize + 9}) {
    send(std::string(8 * kBufferSize, 'x'));
    for (std::size_t got = 0; got < 8 * kBufferSize;) {
      const Completion done = receive(limit == 1 && got > 0 ? 8 * kBufferSize + 1 : limit);
      ASSERT_GT(done.res, 0);
      if (limit > 1 || got == 0) {
        ASSERT_LE(done.bytes(), limit);
      }
      got += collect(done).size();
      buffers_->refill();
    }
  }
}

TEST_F(BufferRingTest, AUsedUpPoolLendsWhatComesBack) {
  open(BufferRing::kLentCount);
  hold_ = true;
  for (unsigned i = 0; i < BufferRing::kLentCount; ++i) {
    send("x");
    ASSERT_EQ(collect(receive(100)), "x");
  }
  EXPECT_EQ(buffers_->refill(), 0);
  EXPECT_GT(pool_->exhausted_count(), 0U);
  send("y");
  EXPECT_EQ(receive(100).res, -ENOBUFS);
  held_.resize(BufferRing::kLentCount - 3);
  EXPECT_EQ(buffers_->refill(), 3);
  EXPECT_EQ(collect(receive(100)), "y");
  EXPECT_EQ(buffers_->lent(), 2);
  held_.clear();
  EXPECT_EQ(buffers_->refill(), BufferRing::kLentCount);
}

// The kernel has used a position, but its completion is handled only after refill() came by.
TEST_F(BufferRingTest, AnUnhandledReceiveKeepsItsPosition) {
  open(64);
  Call other[2];
  for (Call& call : other) {
    send("first");
    ring_->submit(call.op, [&](io_uring_sqe* sqe) { buffers_->prepare_receive(sqe, server_, 100, false); });
    run();
  }
  // The second completion is collected first.
  EXPECT_EQ(collect(other[1].done), "first");
  EXPECT_EQ(buffers_->refill(), BufferRing::kLentCount - 1);
  EXPECT_EQ(collect(other[0].done), "first");
  EXPECT_EQ(buffers_->refill(), BufferRing::kLentCount);
  for (unsigned i = 0; i < 3 * BufferRing::kLentCount; ++i) {
    send(std::to_string(i));
    ASSERT_EQ(collect(receive(100)), std::to_string(i));
    buffers_->refill();
  }
}

}  // namespace
}  // namespace fairlead
