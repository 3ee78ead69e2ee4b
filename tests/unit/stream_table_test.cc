// StreamTable: slots of streams, and which of our own are free.
#include "transport/stream_table.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <gtest/gtest.h>

namespace fairlead {

// The table knows where streams are and no more.
class Stream {};

namespace {

TEST(StreamTable, SlotsBeginAtOneAndEndAtTheLimit) {
  StreamTable table(3);
  ASSERT_TRUE(table.complete());
  EXPECT_FALSE(table.has(0));
  EXPECT_TRUE(table.has(1));
  EXPECT_TRUE(table.has(3));
  EXPECT_FALSE(table.has(4));
  EXPECT_EQ(table.at(0), nullptr);
  EXPECT_EQ(table.at(4), nullptr);
}

TEST(StreamTable, SlotsThatWereGivenBackAreTakenFirst) {
  StreamTable table(3);
  std::array<Stream, 3> streams;
  for (std::uint32_t slot = 1; slot <= 3; ++slot) {
    EXPECT_EQ(table.free_slot(), slot);
    table.take(slot, streams[slot - 1]);
    EXPECT_EQ(table.at(slot), &streams[slot - 1]);
  }
  EXPECT_EQ(table.free_slot(), 0U);
  table.give_back(1);
  table.give_back(3);
  EXPECT_EQ(table.at(1), nullptr);
  EXPECT_EQ(table.free_slot(), 3U);
  table.take(3, streams[0]);
  EXPECT_EQ(table.free_slot(), 1U);
  table.take(1, streams[1]);
  EXPECT_EQ(table.free_slot(), 0U);
}

TEST(StreamTable, ShowsWhatWasEverUsed) {
  StreamTable table(65'536);
  Stream stream;
  EXPECT_TRUE(table.seen().empty());
  table.put(7, stream);
  EXPECT_EQ(table.seen().size(), 8U);
  EXPECT_EQ(std::ranges::count(table.seen(), &stream), 1);
  table.remove(7);
  EXPECT_EQ(table.seen().size(), 8U);
  EXPECT_EQ(std::ranges::count(table.seen(), &stream), 0);
}

TEST(StreamTable, GenerationsOfASlotStay) {
  StreamTable table(2);
  EXPECT_EQ(table.generation(2), 0U);
  table.generation(2) = 9;
  EXPECT_EQ(table.generation(2), 9U);
  EXPECT_EQ(table.generation(1), 0U);
}

}  // namespace
}  // namespace fairlead
