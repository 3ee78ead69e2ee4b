// BlockPool and Slice: blocks go back when their last slice goes, whoever holds it; available + referenced == count.
#include "transport/uring/block_pool.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"

namespace fairlead {
namespace {

std::unique_ptr<BlockPool> open_pool(std::uint32_t block_size, std::uint32_t count) {
  auto pool = BlockPool::open(block_size, count);
  EXPECT_TRUE(pool.has_value());
  return std::move(*pool);
}

TEST(BlockPoolTest, GivesEveryBlockOnceAndCountsWhenThereIsNone) {
  const auto pool = open_pool(256, 4);
  EXPECT_EQ(pool->capacity(), 192U);
  std::set<Block*> blocks;
  for (int i = 0; i < 4; ++i) {
    Block* block = pool->take();
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(block->pool, pool.get());
    EXPECT_EQ(block->references, 1U);
    EXPECT_EQ(block->capacity, 192U);
    std::memset(block->data(), i, block->capacity);
    blocks.insert(block);
  }
  EXPECT_EQ(blocks.size(), 4U);
  EXPECT_EQ(pool->available(), 0U);
  EXPECT_EQ(pool->take(), nullptr);
  EXPECT_EQ(pool->exhausted_count(), 1U);
  for (Block* block : blocks) {
    EXPECT_TRUE(std::all_of(block->data(), block->data() + block->capacity,
                            [&](std::uint8_t byte) { return byte == block->data()[0]; }));
    BlockPool::release(block);
  }
  EXPECT_EQ(pool->available(), 4U);
}

TEST(BlockPoolTest, TheBlockReturnedLastIsTheNextOne) {
  const auto pool = open_pool(256, 4);
  Block* a = pool->take();
  Block* b = pool->take();
  BlockPool::release(a);
  BlockPool::release(b);
  EXPECT_EQ(pool->take(), b);
  EXPECT_EQ(pool->take(), a);
  BlockPool::release(a);
  BlockPool::release(b);
}

TEST(SliceTest, HoldsItsBlockUntilItIsDestroyed) {
  const auto pool = open_pool(256, 1);
  {
    Block* block = pool->take();
    Slice slice(block, block->data() + 10, 20);
    EXPECT_EQ(slice.size(), 20U);
    EXPECT_EQ(slice.block(), block);
    EXPECT_EQ(pool->available(), 0U);
  }
  EXPECT_EQ(pool->available(), 1U);
}

TEST(SliceTest, MovesWithoutTouchingTheCount) {
  const auto pool = open_pool(256, 2);
  Block* block = pool->take();
  Slice a(block, block->data(), 5);
  Slice b(std::move(a));
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(a.block(), nullptr);
  EXPECT_EQ(block->references, 1U);
  Block* other = pool->take();
  Slice c(other, other->data(), 7);
  c = std::move(b);
  EXPECT_EQ(pool->available(), 1U) << "what the target held before is released";
  EXPECT_EQ(c.size(), 5U);
  Slice& same = c;
  c = std::move(same);
  EXPECT_EQ(c.size(), 5U);
  c.reset();
  c.reset();
  EXPECT_EQ(pool->available(), 2U);
}

TEST(SliceTest, SplitsShareTheBlock) {
  const auto pool = open_pool(256, 1);
  Block* block = pool->take();
  Slice whole(block, block->data(), 100);
  Slice front = whole.split_front(30);
  EXPECT_EQ(front.data(), block->data());
  EXPECT_EQ(front.size(), 30U);
  EXPECT_EQ(whole.data(), block->data() + 30);
  EXPECT_EQ(whole.size(), 70U);
  whole.drop_front(70);
  EXPECT_TRUE(whole.empty());
  whole.reset();
  EXPECT_EQ(pool->available(), 0U);
  front.reset();
  EXPECT_EQ(pool->available(), 1U);
}

TEST(SliceTest, RandomSplitsAndDropsLoseNoBlock) {
  Prng prng(3);
  const auto pool = open_pool(1024, 16);
  std::vector<Slice> slices;
  for (int i = 0; i < 20'000; ++i) {
    switch (prng.below(4)) {
      case 0:
        if (Block* block = pool->take(); block != nullptr) slices.emplace_back(block, block->data(), block->capacity);
        break;
      case 1:
        if (!slices.empty()) {
          Slice& slice = slices[prng.below(slices.size())];
          Slice front = slice.split_front(static_cast<std::uint32_t>(prng.below(slice.size() + 1)));
          slices.push_back(std::move(front));
        }
        break;
      default:
        if (!slices.empty()) {
          std::swap(slices[prng.below(slices.size())], slices.back());
          slices.pop_back();
        }
        break;
    }
    std::set<Block*> referenced;
    for (const Slice& slice : slices) referenced.insert(slice.block());
    ASSERT_EQ(pool->available() + referenced.size(), pool->count());
  }
}

TEST(BlockPoolDeathTest, AForgottenBlockIsABug) {
  EXPECT_DEATH(
      {
        auto pool = open_pool(256, 1);
        pool->take();
        pool.reset();
      },
      "available_ == count_");
}

}  // namespace
}  // namespace fairlead
