// The ring itself on either kernel: NOPs in order, overflow of the completion queue, cancellation of nothing, eventfd.
#include <cerrno>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/conformance/kernel_test.h"
#include "transport/base/fd.h"

namespace fairlead::conformance {
namespace {

using RingTest = KernelTest;

TEST_P(RingTest, AnEventWakesAReadAndIsTakenWhole) {
  const Socket event(kernel(), kernel().open_event());
  std::uint64_t value = 0;
  const auto read = [&]() -> Call& {
    Call& call = new_call();
    ring().submit(call.op, [&](io_uring_sqe* sqe) { io_uring_prep_read(sqe, event.fd(), &value, sizeof value, 0); });
    return call;
  };
  Call& waiting = read();
  settle();
  EXPECT_FALSE(waiting.ended());
  kernel().signal_event(event.fd());
  ASSERT_TRUE(run_until_ended(waiting));
  EXPECT_EQ(waiting.last().res, 8);
  EXPECT_EQ(value, 1U);

  kernel().signal_event(event.fd());
  kernel().signal_event(event.fd());
  Call& ready = read();
  ASSERT_TRUE(run_until_ended(ready));
  EXPECT_EQ(value, 2U);

  Call& none = read();
  settle();
  EXPECT_FALSE(none.ended());
}

TEST_P(RingTest, CompletionsThatDoNotFitComeLaterAndInOrder) {
  auto opened = Ring::open(kernel(), 8);
  ASSERT_TRUE(opened.has_value());
  Ring& small = **opened;
  ASSERT_TRUE(small.enable().has_value());
  std::deque<Call> calls;
  // The submission queue fills up again and again before the first completion is taken.
  constexpr std::size_t kCount = 200;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < kCount; ++i) {
    calls.emplace_back();
    small.submit(calls.back().op, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
  }
  ASSERT_TRUE(platform_.run_until(small, [&] {
    for (std::size_t i = order.size(); i < kCount && calls[i].ended(); ++i) order.push_back(i);
    return small.in_flight() == 0;
  }));
  EXPECT_EQ(order.size(), kCount);
  EXPECT_GT(small.counters().completion_overflows, 0U);
  for (const Call& call : calls) EXPECT_EQ(call.last().res, 0);
}

TEST_P(RingTest, ACancelThatFindsNothingChangesNothing) {
  Call& call = new_call();
  ring().submit(call.op, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
  ring().cancel(call.op);
  ASSERT_TRUE(run_until_ended(call));
  settle();
  EXPECT_EQ(call.results.size(), 1U);
  EXPECT_EQ(call.last().res, 0);
}

TEST_P(RingTest, AnUnknownUserDataIsReportedAsNotFound) {
  Call target;
  Call& call = new_call();
  ring().submit(call.op, [&](io_uring_sqe* sqe) {
    io_uring_prep_cancel64(sqe, reinterpret_cast<std::uint64_t>(&target.op), 0);
  });
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, -ENOENT);
}

TEST_P(RingTest, TurnsDoNotWaitWhenToldNotTo) {
  EXPECT_EQ(ring().turn(Duration{}), 0U);
  EXPECT_EQ(ring().in_flight(), 0U);
}

TEST_P(RingTest, ABufferGroupIsRegisteredOnce) {
  auto again = BufferRing::open(ring(), *pool_, 1);
  ASSERT_FALSE(again.has_value());
  EXPECT_NE(again.error().message.find("File exists"), std::string::npos) << again.error().message;
}

// Without being entered the ring tells that there is something to do, and that there is nothing.
TEST_P(RingTest, WhoSpinsSeesThatSomethingCame) {
  if (GetParam() == KernelKind::kSim) GTEST_SKIP() << "no time passes within a turn of a simulated world";
  Pair pair = connect_pair();
  std::uint8_t byte = 0;
  Call& call = receive(pair.server, {&byte, 1});
  settle();
  EXPECT_FALSE(kernel().spin(ring().raw(), Duration::microseconds(200)));
  ASSERT_EQ(::send(pair.client.fd(), "x", 1, MSG_NOSIGNAL), 1);
  EXPECT_TRUE(kernel().spin(ring().raw(), Duration::seconds(10)));
  EXPECT_FALSE(call.ended());
  ring().turn(Duration{});
  EXPECT_TRUE(call.ended());
}

// A thread that waits in poll() hears of a completion through a descriptor, whenever it comes: the ring is not entered
// meanwhile.
TEST_P(RingTest, ARegisteredEventTellsOfCompletionsToWhoWaitsElsewhere) {
  if (GetParam() == KernelKind::kSim) GTEST_SKIP() << "nobody waits elsewhere in a simulated world";
  const Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  ASSERT_EQ(kernel().register_event(ring().raw(), event.get()), 0);
  Pair pair = connect_pair();
  std::uint8_t byte = 0;
  Call& call = receive(pair.server, {&byte, 1});
  settle();
  std::uint64_t signals = 0;
  while (::read(event.get(), &signals, sizeof signals) > 0) {
  }
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(::send(pair.client.fd(), "x", 1, MSG_NOSIGNAL), 1);
    pollfd wait{event.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&wait, 1, 10'000), 1) << "round " << round;
    ASSERT_EQ(::read(event.get(), &signals, sizeof signals), 8);
    ring().turn(Duration{});
    ASSERT_TRUE(call.ended());
    EXPECT_EQ(call.last().res, 1);
    if (round == 2) break;
    ring().submit(call.op, [&](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, pair.server.fd(), &byte, 1, 0); });
    ring().turn(Duration{});
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, RingTest, testing::Values(KernelKind::kLive, KernelKind::kSim),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace fairlead::conformance
