// Ring: accounting of requests in flight, submission when the queue is full or the kernel takes nothing, the bound of a
// turn, and handlers that submit. On the simulated kernel, which can refuse what a real one refuses only without
// memory.
#include "transport/uring/ring.h"

#include <deque>
#include <memory>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_world.h"

namespace fairlead {
namespace {

struct Nop {
  void on_done(Completion done) noexcept { results.push_back(done.res); }
  std::vector<int> results;
  OpOf<&Nop::on_done> op{*this};
};

void submit_nop(Ring& ring, Op& op) {
  ring.submit(op, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
}

class RingTest : public testing::Test {
 protected:
  std::unique_ptr<Ring> open_ring(unsigned entries) {
    auto ring = Ring::open(kernel_, entries);
    EXPECT_TRUE(ring.has_value());
    EXPECT_TRUE((*ring)->enable().has_value());
    return std::move(*ring);
  }

  sim::SimWorld world_{1};
  sim::SimKernel kernel_{world_, "host"};
};

TEST_F(RingTest, CountsRequestsFromSubmissionToCompletion) {
  const auto ring = open_ring(8);
  Nop nop;
  EXPECT_FALSE(nop.op.in_flight());
  submit_nop(*ring, nop.op);
  EXPECT_TRUE(nop.op.in_flight());
  EXPECT_EQ(ring->in_flight(), 1U);
  EXPECT_EQ(ring->turn(Duration{}), 1U);
  EXPECT_FALSE(nop.op.in_flight());
  EXPECT_EQ(ring->in_flight(), 0U);
  EXPECT_EQ(nop.results, std::vector<int>{0});
  EXPECT_EQ(ring->counters().turns, 1U);
  EXPECT_EQ(ring->counters().enters, 1U);
  EXPECT_EQ(ring->counters().completions, 1U);
}

TEST_F(RingTest, OneTurnIsOneEnterHoweverManyRequests) {
  const auto ring = open_ring(64);
  std::deque<Nop> nops(64);
  for (Nop& nop : nops) submit_nop(*ring, nop.op);
  EXPECT_EQ(ring->turn(Duration{}), 64U);
  EXPECT_EQ(ring->counters().enters, 1U);
}

// What is there at once is not waited for.
TEST_F(RingTest, ATurnThatMaySpinSubmitsFirst) {
  const auto ring = open_ring(8);
  Nop nop;
  submit_nop(*ring, nop.op);
  ring->enter(Duration::seconds(1), Duration::microseconds(50));
  EXPECT_EQ(ring->counters().enters, 1U);
  EXPECT_EQ(ring->handle_completions(), 1U);
  ring->enter(Duration::milliseconds(1), Duration::microseconds(50));
  EXPECT_EQ(ring->counters().enters, 3U);
}

TEST_F(RingTest, AFullSubmissionQueueIsSubmittedAtOnce) {
  const auto ring = open_ring(4);
  std::deque<Nop> nops(10);
  for (Nop& nop : nops) submit_nop(*ring, nop.op);
  unsigned handled = 0;
  while (ring->in_flight() > 0) handled += ring->turn(Duration{});
  EXPECT_EQ(handled, 10U);
  EXPECT_EQ(ring->counters().submissions_deferred, 0U);
}

// Refuses on two of three tries, and what it takes is only a part.
TEST_F(RingTest, RequestsThatTheKernelRefusesWaitAndKeepTheirOrder) {
  const auto ring = open_ring(4);
  world_.faults().submission_refused = 10'000;
  std::vector<int> order;
  struct Ordered {
    Ordered(std::vector<int>& list, int n) : order(list), number(n) {}
    void on_done(Completion) noexcept { order.push_back(number); }
    std::vector<int>& order;
    int number;
    OpOf<&Ordered::on_done> op{*this};
  };
  std::deque<Ordered> requests;
  for (int i = 0; i < 500; ++i) {
    requests.emplace_back(order, i);
    submit_nop(*ring, requests.back().op);
  }
  EXPECT_EQ(ring->in_flight(), 500U);
  EXPECT_GT(ring->counters().submissions_deferred, 0U);
  ring->turn(Duration{});
  world_.faults().submission_refused = 0;
  for (int i = 0; i < 1'000 && ring->in_flight() > 0; ++i) ring->turn(Duration{});
  ASSERT_EQ(order.size(), 500U);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

// What a request points at may be used again only when the kernel has taken the request.
TEST_F(RingTest, SaysWhetherTheKernelHasTakenEverything) {
  const auto ring = open_ring(4);
  EXPECT_TRUE(ring->all_submitted());
  world_.faults().submission_refused = 10'000;
  std::deque<Nop> nops(50);
  for (Nop& nop : nops) submit_nop(*ring, nop.op);
  EXPECT_FALSE(ring->all_submitted());
  ring->turn(Duration{});
  EXPECT_FALSE(ring->all_submitted());
  world_.faults().submission_refused = 0;
  while (ring->in_flight() > 0) ring->turn(Duration{});
  EXPECT_TRUE(ring->all_submitted());
}

TEST_F(RingTest, AHandlerSubmitsItsOwnRequestAgain) {
  const auto ring = open_ring(4);
  struct Again {
    explicit Again(Ring& owner) : ring(owner) {}
    void on_done(Completion) noexcept {
      if (++count < 100) submit_nop(ring, op);
    }
    Ring& ring;
    int count = 0;
    OpOf<&Again::on_done> op{*this};
  };
  Again again(*ring);
  submit_nop(*ring, again.op);
  while (ring->in_flight() > 0) ring->turn(Duration{});
  EXPECT_EQ(again.count, 100);
}

TEST_F(RingTest, ATurnIsBoundedAndTheRestComesWithTheNext) {
  const auto ring = open_ring(2'048);
  std::deque<Nop> nops(6'000);
  for (Nop& nop : nops) submit_nop(*ring, nop.op);
  EXPECT_EQ(ring->turn(Duration{}), 4'096U);
  EXPECT_EQ(ring->counters().bounded_turns, 1U);
  EXPECT_EQ(ring->turn(Duration{}), 6'000U - 4'096U);
  EXPECT_EQ(ring->in_flight(), 0U);
}

TEST_F(RingTest, CompletionsThatDoNotFitAreCountedAndComeLater) {
  world_.faults().completion_queue_entries = 4;
  const auto ring = open_ring(64);
  std::deque<Nop> nops(60);
  for (Nop& nop : nops) submit_nop(*ring, nop.op);
  unsigned handled = 0;
  for (int i = 0; i < 100 && ring->in_flight() > 0; ++i) handled += ring->turn(Duration{});
  EXPECT_EQ(handled, 60U);
  EXPECT_GT(ring->counters().completion_overflows, 5U);
}

TEST_F(RingTest, CancelOfAnIdleRequestDoesNothing) {
  const auto ring = open_ring(8);
  Nop nop;
  ring->cancel(nop.op);
  EXPECT_EQ(ring->turn(Duration{}), 0U);
  EXPECT_EQ(world_.violations(), std::vector<std::string>{});
}

TEST_F(RingTest, ACancelledRequestStillCompletesOnce) {
  const auto ring = open_ring(8);
  const int event = kernel_.open_event();
  std::uint64_t value = 0;
  Nop read;
  ring->submit(read.op, [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, event, &value, sizeof value, 0); });
  EXPECT_EQ(ring->turn(Duration{}), 0U);
  ring->cancel(read.op);
  ring->cancel(read.op);
  while (ring->turn(Duration{}) > 0) {
  }
  EXPECT_EQ(read.results, std::vector<int>{-ECANCELED});
  EXPECT_EQ(ring->in_flight(), 0U);
  kernel_.close(event);
}

TEST_F(RingTest, AFeatureOfTheKernelIsAFeatureOfTheRing) {
  EXPECT_TRUE(open_ring(8)->bundles());
  kernel_.options().receive_bundles = false;
  EXPECT_FALSE(open_ring(8)->bundles());
}

TEST_F(RingTest, EnterBeforeEnableSubmitsNothing) {
  auto ring = Ring::open(kernel_, 8);
  ASSERT_TRUE(ring.has_value());
  EXPECT_EQ((*ring)->turn(Duration{}), 0U);
}

TEST(OpDeathTest, SubmittingTwiceOrDestroyingInFlightIsABug) {
  const auto twice = [] {
    sim::SimWorld world(1);
    sim::SimKernel kernel(world, "host");
    auto ring = std::move(*Ring::open(kernel, 8));
    Nop nop;
    submit_nop(*ring, nop.op);
    submit_nop(*ring, nop.op);
  };
  EXPECT_DEATH(twice(), "!op.in_flight_");
  const auto forgotten = [] {
    sim::SimWorld world(1);
    sim::SimKernel kernel(world, "host");
    auto ring = std::move(*Ring::open(kernel, 8));
    Nop nop;
    submit_nop(*ring, nop.op);
  };
  EXPECT_DEATH(forgotten(), "!in_flight_");
}

}  // namespace
}  // namespace fairlead
