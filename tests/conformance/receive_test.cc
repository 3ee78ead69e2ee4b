// What a receive returns: data, the end, errors, lent buffers one by one and in bundles, with and without POLL_FIRST.
#include <cerrno>

#include "tests/conformance/kernel_test.h"

namespace fairlead::conformance {
namespace {

using ReceiveTest = KernelTest;

TEST_P(ReceiveTest, TheEndOfTheStreamIsZeroBehindTheData) {
  Pair pair = connect_pair();
  send_all(pair.client, "last words");
  pair.client.close();
  EXPECT_EQ(read_exactly(pair.server, 10), "last words");
  EXPECT_EQ(receive_result(pair.server), 0);
  EXPECT_EQ(receive_result(pair.server), 0);
}

TEST_P(ReceiveTest, HalfCloseLeavesTheOtherDirectionOpen) {
  Pair pair = connect_pair();
  EXPECT_EQ(pair.client.shutdown(SHUT_WR), 0);
  EXPECT_EQ(receive_result(pair.server), 0);
  send_all(pair.server, "still here");
  EXPECT_EQ(read_exactly(pair.client, 10), "still here");
}

TEST_P(ReceiveTest, LentBuffersAreUsedInOrder) {
  Pair pair = connect_pair();
  for (std::uint16_t i = 0; i < 2 * BufferRing::kLentCount; ++i) {
    Call& call = receive_lent(pair.server, 100, true);
    send_all(pair.client, "x");
    ASSERT_TRUE(run_until_ended(call));
    ASSERT_EQ(call.last().res, 1);
    EXPECT_TRUE(call.last().has_buffer());
    EXPECT_EQ(call.last().buffer_id(), i % BufferRing::kLentCount);
    EXPECT_EQ(text_of(collect(call.last()).at(0)), "x");
    buffers().refill();
  }
}

TEST_P(ReceiveTest, TheEndAndErrorsUseUpNoLentBuffer) {
  Pair ended = connect_pair();
  ended.client.close();
  Call& at_end = receive_lent(ended.server, 100, false);
  ASSERT_TRUE(run_until_ended(at_end));
  EXPECT_EQ(at_end.last().res, 0);

  Pair reset = connect_pair();
  reset.client.close_with_reset();
  Call& at_reset = receive_lent(reset.server, 100, true);
  ASSERT_TRUE(run_until_ended(at_reset));
  EXPECT_EQ(at_reset.last().res, -ECONNRESET);

  Pair cancelled = connect_pair();
  Call& never = receive_lent(cancelled.server, 100, false);
  settle();
  ring().cancel(never.op);
  ASSERT_TRUE(run_until_ended(never));
  EXPECT_EQ(never.last().res, -ECANCELED);

  Pair pair = connect_pair();
  send_all(pair.client, "first");
  Call& call = receive_lent(pair.server, 100, false);
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().buffer_id(), 0);
  EXPECT_EQ(text_of(collect(call.last()).at(0)), "first");
}

TEST_P(ReceiveTest, OutOfLentBuffersEndsWithNoBuffersUntilRefilled) {
  Pair pair = connect_pair();
  std::vector<Slice> held;
  for (std::uint16_t i = 0; i < BufferRing::kLentCount; ++i) {
    Call& call = receive_lent(pair.server, 100, false);
    send_all(pair.client, "x");
    ASSERT_TRUE(run_until_ended(call));
    for (Slice& slice : collect(call.last())) held.push_back(std::move(slice));
  }
  EXPECT_EQ(buffers().refill(), 0);

  // Without POLL_FIRST the buffer is chosen first, so the failure does not wait for data.
  Call& at_once = receive_lent(pair.server, 100, false);
  ASSERT_TRUE(run_until_ended(at_once));
  EXPECT_EQ(at_once.last().res, -ENOBUFS);

  Call& waiting = receive_lent(pair.server, 100, true);
  settle();
  EXPECT_FALSE(waiting.ended());
  send_all(pair.client, "late");
  ASSERT_TRUE(run_until_ended(waiting));
  EXPECT_EQ(waiting.last().res, -ENOBUFS);

  held.clear();
  EXPECT_EQ(buffers().refill(), BufferRing::kLentCount);
  Call& again = receive_lent(pair.server, 100, false);
  ASSERT_TRUE(run_until_ended(again));
  ASSERT_EQ(again.last().res, 4);
  EXPECT_EQ(text_of(collect(again.last()).at(0)), "late");
}

TEST_P(ReceiveTest, ABundleFillsConsecutiveBuffers) {
  if (!ring().bundles()) GTEST_SKIP() << "this kernel has no receive bundles (Linux 6.10)";
  Pair pair = connect_pair();
  const std::string sent = pattern(3 * buffer_size() + 100);
  send_all(pair.client, sent);
  settle();
  Call& call = receive_lent(pair.server, BufferRing::kReceiveBytesMax, false);
  ASSERT_TRUE(run_until_ended(call));
  ASSERT_EQ(call.last().res, static_cast<int>(sent.size()));
  EXPECT_EQ(call.last().buffer_id(), 0);
  std::string got;
  for (const Slice& slice : collect(call.last())) got += text_of(slice);
  EXPECT_TRUE(same(got, sent));

  // The next receive starts with a fresh buffer, behind the one that was filled in part.
  send_all(pair.client, "next");
  Call& next = receive_lent(pair.server, BufferRing::kReceiveBytesMax, false);
  ASSERT_TRUE(run_until_ended(next));
  EXPECT_EQ(next.last().buffer_id(), 4);
  EXPECT_EQ(text_of(collect(next.last()).at(0)), "next");
}

// However its limit lies to the buffers' size, a receive keeps to it and leaves no gap inside a bundle.
TEST_P(ReceiveTest, AReceiveNeverTakesMoreThanItsLength) {
  const std::uint32_t limits[] = {1, 100, buffer_size() - 1, buffer_size(), buffer_size() + 1, 2 * buffer_size(),
                                  2 * buffer_size() + 700, 4 * buffer_size()};
  for (const std::uint32_t limit : limits) {
    SCOPED_TRACE(limit);
    Pair pair = connect_pair();
    const std::string sent = pattern(8 * buffer_size());
    send_all(pair.client, sent);
    settle();
    std::string got;
    while (got.size() < sent.size()) {
      Call& call = receive_lent(pair.server, limit, false);
      ASSERT_TRUE(run_until_ended(call));
      ASSERT_GT(call.last().res, 0);
      EXPECT_LE(call.last().bytes(), limit);
      for (const Slice& slice : collect(call.last())) got += text_of(slice);
      buffers().refill();
      if (limit < 1'000 && got.size() > 3'000) break;  // enough of the small ones
    }
    EXPECT_TRUE(same(got, sent.substr(0, got.size())));
  }
}

TEST_P(ReceiveTest, PollFirstReturnsWhatIsThereAlready) {
  Pair pair = connect_pair();
  send_all(pair.client, "early");
  settle();
  Call& call = receive_lent(pair.server, 100, true);
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, 5);
  EXPECT_EQ(text_of(collect(call.last()).at(0)), "early");
}

TEST_P(ReceiveTest, SocketNonemptyTellsWhetherMoreIsThere) {
  Pair pair = connect_pair();
  send_all(pair.client, "0123456789");
  settle();
  Call& some = receive_lent(pair.server, 4, false);
  ASSERT_TRUE(run_until_ended(some));
  EXPECT_TRUE(some.last().socket_nonempty());
  collect(some.last());
  Call& rest = receive_lent(pair.server, 100, false);
  ASSERT_TRUE(run_until_ended(rest));
  EXPECT_EQ(rest.last().res, 6);
  EXPECT_FALSE(rest.last().socket_nonempty());
  collect(rest.last());
}

TEST_P(ReceiveTest, CancelEndsAPendingReceive) {
  Pair pair = connect_pair();
  std::uint8_t byte = 0;
  Call& call = receive(pair.server, {&byte, 1});
  settle();
  EXPECT_FALSE(call.ended());
  ring().cancel(call.op);
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, -ECANCELED);
  // The socket is none the worse for it.
  send_all(pair.client, "on");
  EXPECT_EQ(read_exactly(pair.server, 2), "on");
}

TEST_P(ReceiveTest, ShutdownEndsAPendingReceiveWithZero) {
  Pair pair = connect_pair();
  std::uint8_t byte = 0;
  Call& call = receive(pair.server, {&byte, 1});
  settle();
  EXPECT_FALSE(call.ended());
  EXPECT_EQ(pair.server.shutdown(SHUT_RDWR), 0);
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, 0);
}

TEST_P(ReceiveTest, DataThatCameBeforeTheShutdownIsStillReceived) {
  Pair pair = connect_pair();
  send_all(pair.client, "early");
  settle();
  EXPECT_EQ(pair.server.shutdown(SHUT_RDWR), 0);
  EXPECT_EQ(read_exactly(pair.server, 5), "early");
  EXPECT_EQ(receive_result(pair.server), 0);
}

TEST_P(ReceiveTest, ClosingTheDescriptorDoesNotEndAPendingReceive) {
  Pair pair = connect_pair();
  std::uint8_t bytes[8] = {};
  Call& call = receive(pair.server, bytes);
  settle();
  pair.server.close();
  settle();
  EXPECT_FALSE(call.ended());
  send_all(pair.client, "hello");
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, 5);
  // That was the last reference: now the socket is closed, which the other side sees.
  EXPECT_EQ(receive_result(pair.client), 0);
}

// ---- resets

TEST_P(ReceiveTest, AResetIsReportedOnceToTheReader) {
  Pair pair = connect_pair();
  std::uint8_t byte = 0;
  Call& call = receive(pair.server, {&byte, 1});
  settle();
  pair.client.close_with_reset();
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, -ECONNRESET);
  EXPECT_EQ(receive_result(pair.server), 0);
  EXPECT_EQ(send_result(pair.server, "x"), -EPIPE);
}

TEST_P(ReceiveTest, AResetIsReportedOnceToTheWriter) {
  Pair pair = connect_pair();
  pair.client.close_with_reset();
  settle();
  EXPECT_EQ(send_result(pair.server, "x"), -ECONNRESET);
  EXPECT_EQ(send_result(pair.server, "x"), -EPIPE);
  EXPECT_EQ(receive_result(pair.server), 0);
}

TEST_P(ReceiveTest, DataThatCameBeforeAResetIsReceivedFirst) {
  Pair pair = connect_pair();
  send_all(pair.client, "early");
  settle();
  pair.client.close_with_reset();
  settle();
  EXPECT_EQ(read_exactly(pair.server, 5), "early");
  EXPECT_EQ(receive_result(pair.server), -ECONNRESET);
}

TEST_P(ReceiveTest, ClosingWithUnreadDataResets) {
  Pair pair = connect_pair();
  send_all(pair.client, "never read");
  settle();
  pair.server.close();
  EXPECT_EQ(receive_result(pair.client), -ECONNRESET);
}

INSTANTIATE_TEST_SUITE_P(Kernels, ReceiveTest, testing::Values(KernelKind::kLive, KernelKind::kSim),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace fairlead::conformance
