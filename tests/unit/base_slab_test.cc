// Slab: a fixed number of objects, reused last-in first-out, constructed and destroyed exactly once each.
#include "transport/base/slab.h"

#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"

namespace fairlead {
namespace {

struct alignas(64) Counted {
  Counted(int& alive_count, int number) : alive(alive_count), value(number) { ++alive; }
  ~Counted() { --alive; }
  int& alive;
  int value;
};

TEST(SlabTest, MakesAsManyAsItWasAskedForAndCountsTheRest) {
  int alive = 0;
  Slab<Counted> slab(3);
  std::vector<Counted*> made;
  for (int i = 0; i < 3; ++i) made.push_back(slab.make(alive, i));
  EXPECT_EQ(slab.make(alive, 3), nullptr);
  EXPECT_EQ(slab.make(alive, 4), nullptr);
  EXPECT_EQ(slab.full_count(), 2U);
  EXPECT_EQ(slab.in_use(), 3U);
  EXPECT_EQ(slab.count(), 3U);
  EXPECT_EQ(alive, 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(made[static_cast<std::size_t>(i)]->value, i);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(made[static_cast<std::size_t>(i)]) % alignof(Counted), 0U);
  }
  EXPECT_EQ(std::set<Counted*>(made.begin(), made.end()).size(), 3U);
  for (Counted* object : made) slab.destroy(object);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(slab.in_use(), 0U);
}

TEST(SlabTest, ReusesWhatWasDestroyedLastFirst) {
  int alive = 0;
  Slab<Counted> slab(3);
  Counted* a = slab.make(alive, 1);
  Counted* b = slab.make(alive, 2);
  slab.destroy(a);
  slab.destroy(b);
  EXPECT_EQ(slab.make(alive, 3), b);
  EXPECT_EQ(slab.make(alive, 4), a);
  slab.destroy(a);
  slab.destroy(b);
}

TEST(SlabTest, RandomUseNeverGivesOutAnObjectTwice) {
  Prng prng(7);
  int alive = 0;
  Slab<Counted> slab(100);
  std::vector<Counted*> held;
  for (int i = 0; i < 20'000; ++i) {
    if (prng.below(2) == 0) {
      Counted* object = slab.make(alive, i);
      ASSERT_EQ(object == nullptr, held.size() == 100);
      if (object != nullptr) held.push_back(object);
    } else if (!held.empty()) {
      std::swap(held[prng.below(held.size())], held.back());
      slab.destroy(held.back());
      held.pop_back();
    }
    ASSERT_EQ(static_cast<std::size_t>(alive), held.size());
    ASSERT_EQ(slab.in_use(), held.size());
  }
  EXPECT_EQ(std::set<Counted*>(held.begin(), held.end()).size(), held.size());
  for (Counted* object : held) slab.destroy(object);
}

TEST(SlabTest, ASlabForNoneIsFull) {
  int alive = 0;
  Slab<Counted> slab(0);
  EXPECT_EQ(slab.make(alive, 1), nullptr);
  EXPECT_EQ(slab.full_count(), 1U);
}

// More than there can be memory for: the slab is full from the start instead of failing later.
TEST(SlabTest, WithoutAddressSpaceItIsFull) {
  struct Huge {
    std::uint8_t bytes[1 << 20];
  };
  Slab<Huge> slab(UINT32_MAX);
  if (slab.count() != 0) GTEST_SKIP() << "this machine maps 4 PiB";
  EXPECT_EQ(slab.make(), nullptr);
}

TEST(SlabDeathTest, AForgottenObjectIsABug) {
  EXPECT_DEATH(
      {
        int alive = 0;
        Slab<Counted> slab(1);
        slab.make(alive, 1);
      },
      "in_use_ == 0");
}

}  // namespace
}  // namespace fairlead
