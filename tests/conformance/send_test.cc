// What a send returns: partial and waiting sends, gathers, and sends to a peer that is gone.
#include <cerrno>

#include "tests/conformance/kernel_test.h"

namespace fairlead::conformance {
namespace {

class SendTest : public KernelTest {
 protected:
  // More than any socket buffer of either kernel takes at once.
  static constexpr std::size_t kLarge = 32 * 1024 * 1024;

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

// ---- sends by a call of their own

TEST_P(SendTest, ASendByItselfTakesWhatThereIsRoomForAndDoesNotWait) {
  Pair pair = connect_pair();
  const std::string bytes = pattern(kLarge);
  Call* pending = nullptr;
  const std::size_t sent = fill(pair.client, bytes, pending);
  ring().cancel(pending->op);
  ASSERT_TRUE(run_until_ended(*pending));
  std::string rest = bytes.substr(sent);
  iovec whole{rest.data(), rest.size()};
  msghdr message{};
  message.msg_iov = &whole;
  message.msg_iovlen = 1;
  std::size_t more = 0;  // a socket may have found some room since
  int result = 0;
  while ((result = kernel().send(pair.client.fd(), message)) > 0) {
    more += static_cast<std::size_t>(result);
    whole = {rest.data() + more, rest.size() - more};
  }
  EXPECT_EQ(result, -EAGAIN);
  EXPECT_TRUE(same(read_exactly(pair.server, sent + more), bytes.substr(0, sent + more)));
}

TEST_P(SendTest, ASmallSendIsMadeAtOnceWhereThatIsAllowed) {
  Pair pair = connect_pair();
  Pair second_pair = connect_pair();
  Pair large_pair = connect_pair();
  std::string bytes = pattern(4'097);
  Call& first = new_call();
  Call& second = new_call();
  Call& large = new_call();
  const auto submit = [&](const Pair& to, Call& call, std::size_t size) {
    ring().submit_send(call.op, [&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, to.client.fd(), bytes.data(), size, MSG_NOSIGNAL);
    });
  };
  const unsigned before = ring().in_flight();
  ring().send_at_once(true);
  submit(large_pair, large, 4'097);
  submit(pair, first, 4'096);
  submit(second_pair, second, 1);
  EXPECT_EQ(ring().in_flight(), before + 3);
  EXPECT_FALSE(first.ended()) << "its handler runs when it is asked for";
  EXPECT_TRUE(ring().handle_sent());
  EXPECT_TRUE(first.ended());
  EXPECT_EQ(first.last().res, 4'096);
  EXPECT_FALSE(large.ended() || second.ended()) << "too large, and not the first";
  EXPECT_FALSE(ring().handle_sent());
  ASSERT_TRUE(run_until_ended(large) && run_until_ended(second));
  EXPECT_TRUE(same(read_exactly(pair.server, 4'096), bytes.substr(0, 4'096)));
  EXPECT_TRUE(same(read_exactly(large_pair.server, 4'097), bytes));
  EXPECT_TRUE(same(read_exactly(second_pair.server, 1), bytes.substr(0, 1)));
  submit(pair, first, 100);
  EXPECT_FALSE(ring().handle_sent()) << "once";
  ASSERT_TRUE(run_until_ended(first));
}

TEST_P(SendTest, AGatherIsMadeAtOnceAndWhatCannotBeIsLeftToTheRing) {
  Pair pair = connect_pair();
  std::string bytes = pattern(100);
  iovec pieces[] = {{bytes.data(), 60}, {bytes.data() + 60, 40}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  const auto prepare = [&](io_uring_sqe* sqe) {
    io_uring_prep_sendmsg(sqe, pair.client.fd(), &message, MSG_NOSIGNAL);
  };
  Call& call = new_call();
  ring().send_at_once(true);
  ring().submit_send(call.op, prepare);
  EXPECT_TRUE(ring().handle_sent());
  EXPECT_EQ(call.last().res, 100);
  EXPECT_TRUE(same(read_exactly(pair.server, 100), bytes));

  const std::string large = pattern(kLarge);
  Call* pending = nullptr;
  fill(pair.client, large, pending);
  ring().cancel(pending->op);
  ASSERT_TRUE(run_until_ended(*pending));
  Call* waiting = nullptr;
  do {  // a socket that is full for a large send may have room for small ones
    waiting = &new_call();
    ring().send_at_once(true);
    ring().submit_send(waiting->op, prepare);
  } while (ring().handle_sent() && waiting->last().res == 100);
  ring().cancel(waiting->op);
  ASSERT_TRUE(run_until_ended(*waiting));
  EXPECT_NE(waiting->last().res, -EAGAIN);
}

// A socket tells its error once. If the send that found it were tried again, a receive would take the reset for an end.
TEST_P(SendTest, ASendMadeAtOnceSaysWhatItFound) {
  Pair pair = connect_pair();
  pair.server.close_with_reset();
  settle();
  std::string bytes = pattern(10);
  Call* call = nullptr;
  do {  // the reset may still be on its way
    call = &new_call();
    ring().send_at_once(true);
    ring().submit_send(call->op, [&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, pair.client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    });
    ASSERT_TRUE(ring().handle_sent());
  } while (call->last().res == 10);
  EXPECT_EQ(call->last().res, -ECONNRESET);
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
