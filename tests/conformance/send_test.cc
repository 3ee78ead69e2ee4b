// What a send returns: partial and waiting sends, gathers, and sends to a peer that is gone.
#include <cerrno>

#include "tests/conformance/kernel_test.h"

namespace fairlead::conformance {
namespace {

class SendTest : public KernelTest {
 protected:
  // More than any socket buffer of either kernel takes at once.
  static constexpr std::size_t kLarge = 32 * 1024 * 1024;

  Call& quiet(const Socket& socket, const char* bytes, std::size_t size) {
    Call& call = new_call();
    ring().submit_send(call.op, true, size,
                       [&](io_uring_sqe* sqe) { io_uring_prep_send(sqe, socket.fd(), bytes, size, MSG_NOSIGNAL); });
    return call;
  }

  // Sends until the socket takes no more; returns how much it took and leaves the last send pending.
  std::size_t fill(const Socket& socket, const std::string& bytes, Call*& pending) {
    std::size_t sent = 0;
    for (;;) {
      pending = &send(socket, std::string_view(bytes).substr(sent));
      settle();
      if (!pending->ended()) return sent;
      EXPECT_GT(pending->last().res, 0);
      sent += pending->last().bytes();
    }
  }
};

TEST_P(SendTest, ASendIsPartialWhenTheSocketBufferFillsUp) {
  Pair pair = connect_pair();
  const std::string bytes = pattern(kLarge);
  const int sent = send_result(pair.client, bytes);
  EXPECT_GT(sent, 0);
  EXPECT_LT(sent, static_cast<int>(bytes.size()));
  EXPECT_TRUE(
      same(read_exactly(pair.server, static_cast<std::size_t>(sent)), bytes.substr(0, static_cast<std::size_t>(sent))));
}

TEST_P(SendTest, AGatherIsPartialInTheMiddleOfAPiece) {
  Pair pair = connect_pair();
  std::string bytes = pattern(kLarge);
  std::vector<iovec> pieces;
  constexpr std::size_t kPiece = 1'000'003;
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    pieces.push_back({bytes.data() + at, std::min(kPiece, bytes.size() - at)});
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  Call& call = new_call();
  ring().submit(call.op,
                [&](io_uring_sqe* sqe) { io_uring_prep_sendmsg(sqe, pair.client.fd(), &message, MSG_NOSIGNAL); });
  ASSERT_TRUE(run_until_ended(call));
  ASSERT_GT(call.last().res, 0);
  ASSERT_LT(call.last().bytes(), bytes.size());
  EXPECT_TRUE(same(read_exactly(pair.server, call.last().bytes()), bytes.substr(0, call.last().bytes())));
}

TEST_P(SendTest, ASendWaitsWhileTheSocketBufferIsFull) {
  Pair pair = connect_pair();
  const std::string bytes = pattern(kLarge);
  Call* pending = nullptr;
  const std::size_t sent = fill(pair.client, bytes, pending);
  ASSERT_FALSE(pending->ended());
  std::string got = read_exactly(pair.server, sent);
  ASSERT_TRUE(run_until_ended(*pending));
  ASSERT_GT(pending->last().res, 0);
  got += read_exactly(pair.server, sent + pending->last().bytes() - got.size());
  EXPECT_TRUE(same(got, bytes.substr(0, got.size())));
}

// ---- quiet sends

TEST_P(SendTest, AQuietSendIsMadeAndNothingCompletes) {
  Pair pair = connect_pair();
  Pair other = connect_pair();
  std::string bytes = pattern(16 * 1024 + 1);
  settle();
  const unsigned in_flight = ring().in_flight();
  Call& small = quiet(pair.client, bytes.data(), 16 * 1024);
  Call& large = quiet(other.client, bytes.data(), 16 * 1024 + 1);
  EXPECT_EQ(ring().in_flight(), in_flight + 2);
  ring().enter(Duration{});
  EXPECT_TRUE(small.op.in_flight()) << "its handler runs when it is asked for";
  ring().handle_quiet();
  ASSERT_TRUE(small.ended());
  EXPECT_EQ(small.last().res, 16 * 1024);
  EXPECT_FALSE(large.ended()) << "as any other send";
  ASSERT_TRUE(run_until_ended(large));
  settle();
  EXPECT_EQ(small.results.size(), 1U);
  EXPECT_EQ(large.last().res, 16 * 1024 + 1);
  EXPECT_TRUE(same(read_exactly(pair.server, 16 * 1024), bytes.substr(0, 16 * 1024)));
  EXPECT_TRUE(same(read_exactly(other.server, bytes.size()), bytes));
}

TEST_P(SendTest, ManyQuietSendsGoWithOneEnter) {
  std::vector<Pair> pairs;
  std::vector<Call*> calls;
  std::string bytes = pattern(1'000);
  for (std::size_t i = 0; i < 20; ++i)
    pairs.push_back(connect_pair());
  settle();
  for (std::size_t i = 0; i < pairs.size(); ++i)
    calls.push_back(&quiet(pairs[i].client, bytes.data(), 100 + i));
  EXPECT_EQ(ring().turn(Duration{}), 0U);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    ASSERT_TRUE(calls[i]->ended());
    EXPECT_EQ(calls[i]->last().bytes(), 100 + i);
    EXPECT_TRUE(same(read_exactly(pairs[i].server, 100 + i), bytes.substr(0, 100 + i)));
  }
}

TEST_P(SendTest, AQuietGatherIsMade) {
  Pair pair = connect_pair();
  std::string bytes = pattern(100);
  iovec pieces[] = {{bytes.data(), 60}, {bytes.data() + 60, 40}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  Call& call = new_call();
  ring().submit_send(call.op, true, 100, [&](io_uring_sqe* sqe) {
    io_uring_prep_sendmsg(sqe, pair.client.fd(), &message, MSG_NOSIGNAL);
  });
  ring().turn(Duration{});
  ASSERT_TRUE(call.ended());
  EXPECT_EQ(call.last().res, 100);
  EXPECT_TRUE(same(read_exactly(pair.server, 100), bytes));
}

// What was not said to have been sent was not sent.
TEST_P(SendTest, AQuietSendSaysHowMuchThereWasRoomFor) {
  Pair pair = connect_pair();
  std::string bytes = pattern(kLarge);
  Call* pending = nullptr;
  std::size_t sent = fill(pair.client, bytes, pending);
  ring().cancel(pending->op);
  ASSERT_TRUE(run_until_ended(*pending));
  constexpr std::size_t kPiece = 10'000;
  bool partial = false;
  std::string expected = bytes.substr(0, sent);
  for (int round = 0; round < 200; ++round) {
    Call& call = quiet(pair.client, bytes.data(), kPiece);  // a socket may have found some room since
    ring().turn(Duration{});
    ASSERT_TRUE(call.ended());
    if (call.last().res != -EAGAIN) {
      ASSERT_GT(call.last().res, 0);
      partial = partial || call.last().bytes() < kPiece;
      expected += bytes.substr(0, call.last().bytes());
      continue;
    }
    // The reader takes a little, so that there is some room, and less than all.
    if (partial) break;
    const std::size_t little = std::min<std::size_t>(expected.size(), 50'000);
    ASSERT_TRUE(same(read_exactly(pair.server, little), expected.substr(0, little)));
    expected.erase(0, little);
    settle();
  }
  EXPECT_TRUE(partial);
  EXPECT_TRUE(same(read_exactly(pair.server, expected.size()), expected));
  Call& after = quiet(pair.client, bytes.data(), 10);
  ring().turn(Duration{});
  EXPECT_TRUE(after.ended());
  EXPECT_TRUE(same(read_exactly(pair.server, 10), bytes.substr(0, 10)));
}

// A socket tells its error once. If the send that found it were tried again, a receive would take the reset for an end.
TEST_P(SendTest, AQuietSendSaysWhatItFound) {
  Pair pair = connect_pair();
  pair.server.close_with_reset();
  settle();
  std::string bytes = pattern(10);
  Call* call = nullptr;
  do {  // the reset may still be on its way
    call = &quiet(pair.client, bytes.data(), bytes.size());
    ring().turn(Duration{});
    ASSERT_TRUE(call->ended());
  } while (call->last().res == 10);
  EXPECT_EQ(call->last().res, -ECONNRESET);
  EXPECT_EQ(call->results.size(), 1U);
}

// The failure is in a completion that does not fit into the queue: until it is heard of, nothing is known.
TEST_P(SendTest, AQuietSendIsNotTakenForMadeWhileCompletionsAreKeptBack) {
  Pair pair = connect_pair();
  const int broken = pair.client.shutdown(SHUT_WR);
  ASSERT_EQ(broken, 0);
  auto opened = Ring::open(kernel(), 8);
  ASSERT_TRUE(opened.has_value());
  Ring& small = **opened;
  ASSERT_TRUE(small.enable().has_value());
  std::deque<Call> others(200);
  for (Call& call : others)
    small.submit(call.op, [](io_uring_sqe* sqe) { io_uring_prep_nop(sqe); });
  Call call;
  small.submit_send(call.op, true, 1, [&](io_uring_sqe* sqe) {
    io_uring_prep_send(sqe, pair.client.fd(), "x", 1, MSG_NOSIGNAL);
  });
  ASSERT_TRUE(platform_.run_until(small, [&] { return small.in_flight() == 0; }));
  EXPECT_GT(small.counters().completion_overflows, 0U);
  EXPECT_EQ(call.results.size(), 1U);
  EXPECT_EQ(call.last().res, -EPIPE);
}

// To sleep would be to wait for another completion, and there is none.
TEST_P(SendTest, WhoIsWaitedForAfterAllDoesNotSleep) {
  Pair pair = connect_pair();
  settle();
  std::string bytes = pattern(10);
  Call& cancelled = quiet(pair.client, bytes.data(), 10);
  ring().cancel(cancelled.op);
  ring().turn(Duration::seconds(3'600));
  ASSERT_TRUE(cancelled.ended());
  EXPECT_EQ(cancelled.last().res, 10);
  Call& expected = quiet(pair.client, bytes.data(), 10);
  ring().expect_quiet();
  ring().turn(Duration::seconds(3'600));
  EXPECT_TRUE(expected.ended());
  EXPECT_TRUE(same(read_exactly(pair.server, 20), bytes + bytes));
}

// ---- what a request may count on

// The message header and its vectors may be used for something else once the request is submitted, even if it waits.
TEST_P(SendTest, TheVectorsOfAWaitingGatherMayBeReused) {
  Pair pair = connect_pair();
  const std::string large = pattern(kLarge);
  Call* pending = nullptr;
  std::size_t sent = fill(pair.client, large, pending);
  ring().cancel(pending->op);
  ASSERT_TRUE(run_until_ended(*pending));
  ASSERT_EQ(pending->last().res, -ECANCELED);

  // The socket may have found some room since.
  std::string half = pattern(300'000);
  std::string expected = large.substr(0, sent);
  for (;;) {
    std::vector<iovec> pieces = {{half.data(), half.size()}, {half.data(), half.size()}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    pending = &new_call();
    ring().submit(pending->op,
                  [&](io_uring_sqe* sqe) { io_uring_prep_sendmsg(sqe, pair.client.fd(), &message, MSG_NOSIGNAL); });
    settle();
    pieces = {{nullptr, 1}, {nullptr, 1}};
    if (!pending->ended()) break;
    ASSERT_GT(pending->last().res, 0);
    expected += (half + half).substr(0, pending->last().bytes());
  }
  EXPECT_TRUE(same(read_exactly(pair.server, expected.size()), expected));
  ASSERT_TRUE(run_until_ended(*pending));
  ASSERT_GT(pending->last().res, 0);
  const std::string last = (half + half).substr(0, pending->last().bytes());
  EXPECT_TRUE(same(read_exactly(pair.server, last.size()), last));
}

TEST_P(SendTest, AfterShutdownForWritingASendIsABrokenPipe) {
  Pair pair = connect_pair();
  EXPECT_EQ(pair.client.shutdown(SHUT_WR), 0);
  EXPECT_EQ(send_result(pair.client, "x"), -EPIPE);
}

TEST_P(SendTest, ShutdownEndsAWaitingSend) {
  Pair pair = connect_pair();
  const std::string bytes = pattern(kLarge);
  Call* pending = nullptr;
  fill(pair.client, bytes, pending);
  EXPECT_EQ(pair.client.shutdown(SHUT_RDWR), 0);
  ASSERT_TRUE(run_until_ended(*pending));
  EXPECT_EQ(pending->last().res, -EPIPE);
}

TEST_P(SendTest, AResetEndsAWaitingSend) {
  Pair pair = connect_pair();
  const std::string bytes = pattern(kLarge);
  Call* pending = nullptr;
  fill(pair.client, bytes, pending);
  pair.server.close_with_reset();
  ASSERT_TRUE(run_until_ended(*pending));
  EXPECT_EQ(pending->last().res, -ECONNRESET);
}

TEST_P(SendTest, APeerThatClosedAnswersDataWithAReset) {
  Pair pair = connect_pair();
  pair.server.close();
  EXPECT_EQ(receive_result(pair.client), 0);
  EXPECT_EQ(send_result(pair.client, "x"), 1);
  settle();
  EXPECT_EQ(send_result(pair.client, "x"), -EPIPE);
  EXPECT_EQ(receive_result(pair.client), 0);
}

INSTANTIATE_TEST_SUITE_P(Kernels, SendTest, testing::Values(KernelKind::kLive, KernelKind::kSim),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace fairlead::conformance
