// Scheduler: deficit round robin with new entries first. Order and removal by hand in every state; fairness, absence of
// starvation and bookkeeping against a model that knows what every entry has to send, by seed.
#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"
#include "transport/scheduler.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kQuantum = static_cast<std::uint32_t>(Scheduler::kQuantumBytes);

struct Entry : ScheduleEntry {
  std::uint64_t waiting_bytes = 0;
  std::uint64_t sent_bytes = 0;
};

class SchedulerTest : public testing::Test {
 protected:
  void offer(Entry& entry, std::uint64_t bytes) {
    entry.waiting_bytes += bytes;
    scheduler_.activate(entry);
  }

  // Serves the next entry as a session does, one frame at most; null when there is none.
  Entry* serve(std::uint32_t frame_max = kQuantum) {
    auto* entry = static_cast<Entry*>(scheduler_.next());
    if (entry == nullptr) return nullptr;
    const std::uint64_t bytes = std::min(entry->waiting_bytes, std::uint64_t{frame_max});
    entry->waiting_bytes -= bytes;
    entry->sent_bytes += bytes;
    scheduler_.sent(*entry, static_cast<std::uint32_t>(bytes), entry->waiting_bytes > 0);
    return entry;
  }

  Scheduler scheduler_;
};

TEST_F(SchedulerTest, HasNothingAtFirst) {
  EXPECT_TRUE(scheduler_.empty());
  EXPECT_EQ(scheduler_.next(), nullptr);
}

TEST_F(SchedulerTest, ServesOneEntryUntilItIsEmpty) {
  Entry entry;
  offer(entry, 3 * kQuantum + 5);
  while (serve() != nullptr) {
  }
  EXPECT_EQ(entry.sent_bytes, 3 * kQuantum + 5);
  EXPECT_TRUE(scheduler_.empty());
  EXPECT_FALSE(entry.is_linked());
}

TEST_F(SchedulerTest, TakesTurnsAmongBulk) {
  Entry a, b, c;
  for (Entry* entry : {&a, &b, &c})
    offer(*entry, 10 * kQuantum);
  std::vector<Entry*> order;
  for (int i = 0; i < 9; ++i)
    order.push_back(serve());
  EXPECT_EQ(order, (std::vector<Entry*>{&a, &b, &c, &a, &b, &c, &a, &b, &c}));
}

TEST_F(SchedulerTest, ALongerQuantumLetsEachSendMoreInARow) {
  Entry a, b;
  scheduler_.set_quantum(2 * Scheduler::kQuantumBytes);
  for (Entry* entry : {&a, &b})
    offer(*entry, 10 * kQuantum);
  std::vector<Entry*> order;
  for (int i = 0; i < 8; ++i)
    order.push_back(serve());
  EXPECT_EQ(order, (std::vector<Entry*>{&a, &a, &b, &b, &a, &a, &b, &b}));
  scheduler_.set_quantum(Scheduler::kQuantumBytes);
  order.clear();
  for (int i = 0; i < 6; ++i)
    order.push_back(serve());
  // The turn that `a` has had already is as long as it was.
  EXPECT_EQ(order, (std::vector<Entry*>{&a, &a, &b, &a, &b, &a}));
}

TEST_F(SchedulerTest, ServesANewEntryBeforeBulk) {
  Entry bulk, other, request;
  offer(bulk, 10 * kQuantum);
  offer(other, 10 * kQuantum);
  serve();
  serve();
  serve();  // both are old by now, and `other` is next
  offer(request, 64);
  EXPECT_EQ(serve(), &request);
  EXPECT_EQ(serve(), &other);
}

TEST_F(SchedulerTest, DoesNotLetAnEntryThatComesBackAtOnceStarveBulk) {
  Entry bulk, chatty;
  offer(bulk, 1'000 * kQuantum);
  serve();
  serve();
  for (int i = 0; i < 1'000; ++i) {
    if (chatty.waiting_bytes == 0) offer(chatty, 1'000);
    serve();
  }
  EXPECT_GT(bulk.sent_bytes, 100 * kQuantum);
  EXPECT_GT(chatty.sent_bytes, 100'000U);
}

TEST_F(SchedulerTest, KeepsAnEntryThatRanEmptyOnceOnTheOldList) {
  Entry bulk, request;
  offer(bulk, 10 * kQuantum);
  serve();
  serve(1'000);  // bulk is old now, and has the rest of its turn before it
  offer(request, 64);
  ASSERT_EQ(serve(), &request);
  EXPECT_TRUE(request.is_linked());
  EXPECT_EQ(scheduler_.count(), 2U);
  offer(request, 64);  // no longer new
  EXPECT_EQ(serve(), &bulk);
  EXPECT_EQ(serve(), &request);
  EXPECT_FALSE(request.is_linked());
  EXPECT_EQ(scheduler_.count(), 1U);
}

TEST_F(SchedulerTest, ActivatesAnActiveEntryOnlyOnce) {
  Entry entry;
  scheduler_.activate(entry);
  scheduler_.activate(entry);
  EXPECT_EQ(scheduler_.count(), 1U);
}

TEST_F(SchedulerTest, RemovesInEveryState) {
  Entry idle, fresh, old, other;
  scheduler_.remove(idle);
  EXPECT_TRUE(scheduler_.empty());

  offer(fresh, kQuantum);
  scheduler_.remove(fresh);
  EXPECT_TRUE(scheduler_.empty());
  EXPECT_EQ(scheduler_.next(), nullptr);

  offer(old, 10 * kQuantum);
  offer(other, 10 * kQuantum);
  for (int i = 0; i < 4; ++i)
    serve();
  scheduler_.remove(old);
  EXPECT_EQ(scheduler_.count(), 1U);
  EXPECT_EQ(serve(), &other);
  EXPECT_EQ(serve(), &other);

  // Between next() and sent(): the owner then leaves sent() out.
  auto* current = scheduler_.next();
  ASSERT_EQ(current, &other);
  scheduler_.remove(*current);
  EXPECT_TRUE(scheduler_.empty());
  EXPECT_EQ(scheduler_.next(), nullptr);

  // What was removed may come back.
  offer(old, 1);
  EXPECT_EQ(serve(), &old);
}

TEST_F(SchedulerTest, TakesAnEntryActivatedBetweenNextAndSent) {
  Entry bulk, request;
  offer(bulk, 10 * kQuantum);
  serve();
  serve();
  auto* current = scheduler_.next();
  ASSERT_EQ(current, &bulk);
  offer(request, 64);
  scheduler_.sent(*current, 100, false);
  EXPECT_FALSE(bulk.is_linked());
  EXPECT_EQ(serve(), &request);
}

TEST_F(SchedulerTest, SharesByBytesAndNotByFrames) {
  // One entry sends frames of 300 bytes, the other of 16 KiB; both always have more.
  Entry small, large;
  offer(small, UINT32_MAX);
  offer(large, UINT32_MAX);
  for (int i = 0; i < 20'000; ++i) {
    const bool is_small = scheduler_.next() == &small;
    serve(is_small ? 300 : kQuantum);
  }
  const auto difference = static_cast<std::int64_t>(small.sent_bytes) - static_cast<std::int64_t>(large.sent_bytes);
  EXPECT_LE(std::abs(difference), 2 * Scheduler::kQuantumBytes);
}

// Seeded mixes of bulk and of entries that come and go. Whoever always has something to send gets the same, up to two
// quanta. Who comes and goes may take a quantum as new and one as old in a round of the others, but never more.
TEST_F(SchedulerTest, IsFairToEveryEntryThatIsAlwaysActive) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    std::vector<std::unique_ptr<Entry>> bulk(1 + prng.below(8));
    std::vector<std::unique_ptr<Entry>> chatty(prng.below(8));
    for (auto& entry : bulk) {
      entry = std::make_unique<Entry>();
      offer(*entry, UINT32_MAX);
    }
    for (auto& entry : chatty)
      entry = std::make_unique<Entry>();
    for (int i = 0; i < 5'000; ++i) {
      if (!chatty.empty()) {
        if (prng.chance(20)) offer(*chatty[prng.below(chatty.size())], 1 + prng.below(3 * kQuantum));
      }
      ASSERT_NE(serve(static_cast<std::uint32_t>(1 + prng.below(kQuantum))), nullptr);
    }
    const auto by_bytes = [](const auto& a, const auto& b) { return a->sent_bytes < b->sent_bytes; };
    const auto [least, most] = std::minmax_element(bulk.begin(), bulk.end(), by_bytes);
    EXPECT_LE((*most)->sent_bytes - (*least)->sent_bytes, 2 * kQuantum);
    for (const auto& entry : chatty) {
      EXPECT_LE(entry->sent_bytes, 2 * (*most)->sent_bytes + 2 * kQuantum);
    }
    for (auto& entry : bulk)
      scheduler_.remove(*entry);
    while (serve() != nullptr) {
    }
    EXPECT_TRUE(scheduler_.empty());
    for (const auto& entry : chatty)
      EXPECT_EQ(entry->waiting_bytes, 0U);
  }
}

// Every active entry is served within a bounded number of turns, whoever comes and goes.
TEST_F(SchedulerTest, StarvesNobody) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng prng(seed);
    constexpr std::size_t kEntries = 12;
    std::vector<Entry> entries(kEntries);
    std::vector<std::uint64_t> turns_waited(kEntries, 0);
    for (int i = 0; i < 5'000; ++i) {
      for (std::uint64_t n = prng.below(3); n > 0; --n)
        offer(entries[prng.below(kEntries)], 1 + prng.below(kQuantum));
      if (prng.chance(2)) {
        Entry& gone = entries[prng.below(kEntries)];
        scheduler_.remove(gone);
        gone.waiting_bytes = 0;
      }
      Entry* served = serve();
      for (std::size_t k = 0; k < kEntries; ++k) {
        if (served == &entries[k] || entries[k].waiting_bytes == 0) {
          turns_waited[k] = 0;
        } else if (served != nullptr) {
          turns_waited[k] += 1;
        }
        // Each other entry may be served as new, once more for the rest of its quantum, and as old, before it is our
        // turn.
        ASSERT_LE(turns_waited[k], 6 * kEntries);
      }
    }
    for (Entry& entry : entries)
      scheduler_.remove(entry);
  }
}

}  // namespace
}  // namespace fairlead
