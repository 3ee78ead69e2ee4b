// SliceQueue: the same bytes come out in the same order, whatever sizes they are taken in; compared with a string.
#include "transport/uring/slice_queue.h"

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "transport/base/prng.h"

namespace fairlead {
namespace {

class SliceQueueTest : public testing::Test {
 protected:
  Slice slice_of(const std::string& text) {
    Block* block = pool_->take();
    EXPECT_NE(block, nullptr);
    std::memcpy(block->data(), text.data(), text.size());
    return {block, block->data(), static_cast<std::uint32_t>(text.size())};
  }

  static std::string text_of(SliceQueue& queue) {
    std::string text;
    for (SliceNode* node = queue.head(); node != nullptr; node = node->next) {
      text.append(reinterpret_cast<const char*>(node->slice.data()), node->slice.size());
    }
    return text;
  }

  std::unique_ptr<BlockPool> pool_ = std::move(*BlockPool::open(256, 64));
  SliceNodes nodes_{32};
};

TEST_F(SliceQueueTest, KeepsOrderAndCountsBytes) {
  SliceQueue queue(nodes_);
  EXPECT_TRUE(queue.empty());
  ASSERT_TRUE(queue.push(slice_of("one ")));
  ASSERT_TRUE(queue.push(slice_of("two ")));
  ASSERT_TRUE(queue.push(slice_of("three")));
  EXPECT_EQ(queue.bytes(), 13U);
  EXPECT_EQ(text_of(queue), "one two three");
  EXPECT_EQ(queue.front().size(), 4U);
  EXPECT_EQ(queue.back().size(), 5U);
}

TEST_F(SliceQueueTest, DropsInTheMiddleAndAcrossSlices) {
  for (std::size_t drop = 0; drop <= 13; ++drop) {
    SliceQueue queue(nodes_);
    ASSERT_TRUE(queue.push(slice_of("one ")));
    ASSERT_TRUE(queue.push(slice_of("two ")));
    ASSERT_TRUE(queue.push(slice_of("three")));
    queue.drop_front(drop);
    EXPECT_EQ(text_of(queue), std::string("one two three").substr(drop));
    EXPECT_EQ(queue.bytes(), 13 - drop);
    EXPECT_EQ(queue.empty(), drop == 13);
  }
  EXPECT_EQ(pool_->available(), pool_->count());
  EXPECT_EQ(nodes_.in_use(), 0U);
}

TEST_F(SliceQueueTest, TakesPartOfASliceOrAllOfIt) {
  SliceQueue queue(nodes_);
  ASSERT_TRUE(queue.push(slice_of("abcdef")));
  ASSERT_TRUE(queue.push(slice_of("gh")));
  const Slice part = queue.take_front(2);
  EXPECT_EQ(part.size(), 2U);
  EXPECT_EQ(text_of(queue), "cdefgh");
  const Slice rest = queue.take_front(100);
  EXPECT_EQ(rest.size(), 4U);
  EXPECT_EQ(text_of(queue), "gh");
  EXPECT_EQ(queue.bytes(), 2U);
}

TEST_F(SliceQueueTest, GrowsItsLastSliceInPlace) {
  SliceQueue queue(nodes_);
  ASSERT_TRUE(queue.push(slice_of("head ")));
  std::memcpy(queue.back().data() + queue.back().size(), "tail", 4);
  queue.grow_back(4);
  EXPECT_EQ(text_of(queue), "head tail");
  EXPECT_EQ(queue.bytes(), 9U);
}

TEST_F(SliceQueueTest, WithoutANodeTheSliceStaysWithTheCaller) {
  SliceQueue queue(nodes_);
  for (int i = 0; i < 32; ++i) ASSERT_TRUE(queue.push(slice_of("x")));
  Slice slice = slice_of("left alone");
  EXPECT_FALSE(queue.push(std::move(slice)));
  EXPECT_EQ(slice.size(), 10U);
  EXPECT_EQ(queue.bytes(), 32U);
  queue.drop_front(1);
  EXPECT_TRUE(queue.push(std::move(slice)));
}

TEST_F(SliceQueueTest, SwapsContents) {
  SliceQueue a(nodes_);
  SliceQueue b(nodes_);
  ASSERT_TRUE(a.push(slice_of("of a")));
  a.swap(b);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(a.bytes(), 0U);
  EXPECT_EQ(text_of(b), "of a");
  ASSERT_TRUE(b.push(slice_of(" and more")));
  ASSERT_TRUE(a.push(slice_of("new")));
  EXPECT_EQ(text_of(b), "of a and more");
  b.clear();
  EXPECT_EQ(b.bytes(), 0U);
}

TEST_F(SliceQueueTest, RandomUseAgreesWithAString) {
  Prng prng(11);
  {
    SliceQueue queue(nodes_);
    std::string model;
    unsigned char next = 0;
    for (int i = 0; i < 30'000; ++i) {
      switch (prng.below(3)) {
        case 0: {
          std::string text(1 + prng.below(40), '\0');
          for (char& c : text) c = static_cast<char>(next++);
          if (pool_->available() == 0) break;
          if (queue.push(slice_of(text))) model += text;
          break;
        }
        case 1: {
          const std::size_t bytes = prng.below(queue.bytes() + 1) / 4;
          queue.drop_front(bytes);
          model.erase(0, bytes);
          break;
        }
        default: {
          if (queue.empty()) break;
          const Slice taken = queue.take_front(static_cast<std::uint32_t>(1 + prng.below(50)));
          ASSERT_EQ(model.compare(0, taken.size(), reinterpret_cast<const char*>(taken.data()), taken.size()), 0);
          model.erase(0, taken.size());
          break;
        }
      }
      ASSERT_EQ(queue.bytes(), model.size());
      ASSERT_EQ(text_of(queue), model);
    }
  }
  EXPECT_EQ(pool_->available(), pool_->count());
  EXPECT_EQ(nodes_.in_use(), 0U);
}

}  // namespace
}  // namespace fairlead
