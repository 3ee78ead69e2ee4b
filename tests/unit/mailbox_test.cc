// Mailbox: order, the wake-up, a ring that is full, and tasks that are never taken; then two threads at full speed,
// which is what the ThreadSanitizer build is for.
#include "transport/mailbox.h"

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "transport/base/fd.h"

namespace fairlead {
namespace {

struct Inbox {
  std::vector<std::uint64_t> seen;
};

using InboxMailbox = Mailbox<Inbox>;

// More than the ring has slots.
constexpr std::uint64_t kMany = 5'000;

class MailboxTest : public testing::Test {
 protected:
  MailboxTest() {
    event_ = live_kernel().open_event();
    mailbox_.attach(live_kernel(), event_);
  }

  ~MailboxTest() override { live_kernel().close(event_); }

  void post(std::uint64_t value) {
    mailbox_.post(make_task<Inbox>([value](Inbox& inbox) { inbox.seen.push_back(value); }));
  }

  // Runs all that is there.
  unsigned run_all() {
    unsigned count = 0;
    for (; auto task = mailbox_.take(); ++count)
      task->run(inbox_);
    return count;
  }

  bool signalled() const {
    pollfd poll_for{event_, POLLIN, 0};
    return ::poll(&poll_for, 1, 0) == 1;
  }

  void expect_in_order(std::uint64_t count) const {
    ASSERT_EQ(inbox_.seen.size(), count);
    for (std::uint64_t i = 0; i < count; ++i)
      ASSERT_EQ(inbox_.seen[i], i);
  }

  int event_ = -1;
  InboxMailbox mailbox_;
  Inbox inbox_;
};

TEST_F(MailboxTest, IsEmptyAtFirst) {
  EXPECT_EQ(mailbox_.take(), nullptr);
  EXPECT_FALSE(signalled());
  EXPECT_TRUE(mailbox_.flush());
  EXPECT_FALSE(signalled()) << "nothing was posted, so nobody is woken";
}

TEST_F(MailboxTest, DeliversInOrderAndWakesTheConsumer) {
  for (std::uint64_t i = 0; i < 10; ++i)
    post(i);
  EXPECT_TRUE(signalled());
  EXPECT_EQ(run_all(), 10U);
  expect_in_order(10);
}

TEST_F(MailboxTest, KeepsWhatDoesNotFitForLater) {
  for (std::uint64_t i = 0; i < kMany; ++i)
    post(i);
  EXPECT_FALSE(mailbox_.flush());
  while (run_all() > 0)
    mailbox_.flush();
  EXPECT_TRUE(mailbox_.flush());
  expect_in_order(kMany);
}

TEST_F(MailboxTest, MovesWhatATaskCarries) {
  auto carried = std::make_unique<std::uint64_t>(42);
  mailbox_.post(make_task<Inbox>([carried = std::move(carried)](Inbox& inbox) { inbox.seen.push_back(*carried); }));
  run_all();
  EXPECT_EQ(inbox_.seen, std::vector<std::uint64_t>{42});
}

TEST_F(MailboxTest, DestroysWhatIsNeverTaken) {
  const auto alive = std::make_shared<int>();
  {
    InboxMailbox mailbox;
    mailbox.attach(live_kernel(), event_);
    for (std::uint64_t i = 0; i < kMany; ++i)
      mailbox.post(make_task<Inbox>([alive](Inbox&) {}));
    EXPECT_EQ(alive.use_count(), static_cast<long>(kMany) + 1);
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_F(MailboxTest, CarriesBetweenTwoThreadsWithoutLossAndInOrder) {
  constexpr std::uint64_t kCount = 200'000;
  std::thread producer([&] {
    for (std::uint64_t i = 0; i < kCount; ++i)
      post(i);
    while (!mailbox_.flush())
      std::this_thread::yield();
  });
  // As a shard does: sleep on the event, then take everything. A lost wake-up would hang here.
  while (inbox_.seen.size() < kCount) {
    std::uint64_t posts = 0;
    ASSERT_EQ(::read(event_, &posts, sizeof posts), static_cast<ssize_t>(sizeof posts));
    EXPECT_GT(posts, 0U);
    run_all();
  }
  producer.join();
  expect_in_order(kCount);
}

TEST_F(MailboxTest, GivesTheContentsOfATaskToTheConsumer) {
  // The consumer reads memory that the producer wrote just before, and the other way round for what comes back.
  constexpr int kRounds = 20'000;

  struct Letter {
    std::vector<int> numbers;
  };

  Mailbox<Letter> there;
  Mailbox<Letter> back;
  const int there_event = live_kernel().open_event();
  const int back_event = live_kernel().open_event();
  there.attach(live_kernel(), there_event);
  back.attach(live_kernel(), back_event);
  const auto wait = [](int event) {
    std::uint64_t posts = 0;
    ASSERT_EQ(::read(event, &posts, sizeof posts), static_cast<ssize_t>(sizeof posts));
  };
  std::thread echo([&] {
    for (int round = 0; round < kRounds;) {
      wait(there_event);
      for (; auto task = there.take(); ++round) {
        Letter letter;
        task->run(letter);
        letter.numbers.push_back(round);
        back.post(make_task<Letter>([letter = std::move(letter)](Letter& to) { to = letter; }));
      }
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    there.post(make_task<Letter>([round](Letter& to) { to.numbers.assign(3, round); }));
    auto task = back.take();
    for (; task == nullptr; task = back.take())
      wait(back_event);
    Letter letter;
    task->run(letter);
    EXPECT_EQ(letter.numbers, std::vector<int>(4, round));
  }
  echo.join();
  live_kernel().close(there_event);
  live_kernel().close(back_event);
}

}  // namespace
}  // namespace fairlead
