// transport/base: errors, time, descriptors, the generator, log and checks.
#include <array>
#include <cerrno>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "transport/base/check.h"
#include "transport/base/error.h"
#include "transport/base/fd.h"
#include "transport/base/log.h"
#include "transport/base/prng.h"
#include "transport/base/time.h"

namespace fairlead {
namespace {

// ---- error

TEST(Error, EveryCodeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (unsigned code = 0; code <= static_cast<unsigned>(ErrorCode::kClosing); ++code) {
    const std::string_view name = name_of(static_cast<ErrorCode>(code));
    EXPECT_NE(name, "Unknown") << code;
    EXPECT_TRUE(names.insert(name).second) << name << " names two codes";
  }
  EXPECT_EQ(name_of(static_cast<ErrorCode>(200)), "Unknown");
}

TEST(Error, ErrnoKeepsItsMeaningAndItsText) {
  const std::pair<int, ErrorCode> expected[] = {
      {ECONNREFUSED, ErrorCode::kRefused},
      {ETIMEDOUT, ErrorCode::kTimeout},
      {EHOSTUNREACH, ErrorCode::kUnreachable},
      {ENETUNREACH, ErrorCode::kUnreachable},
      {ECONNRESET, ErrorCode::kReset},
      {EPIPE, ErrorCode::kReset},
      {ENOENT, ErrorCode::kNotFound},
      {EMFILE, ErrorCode::kLimit},
      {ENOBUFS, ErrorCode::kLimit},
      {EADDRINUSE, ErrorCode::kDuplicate},
      {EOPNOTSUPP, ErrorCode::kUnsupported},
      {ENOSYS, ErrorCode::kUnsupported},
      {EACCES, ErrorCode::kSystem},
  };
  for (const auto& [errno_value, code] : expected) {
    EXPECT_EQ(name_of(error_from_errno(errno_value, "x").code), name_of(code)) << errno_value;
  }
  EXPECT_EQ(error_from_errno(ECONNREFUSED, "connect to 10.0.0.1:5").message,
            "connect to 10.0.0.1:5: Connection refused");
}

TEST(Error, FailMakesAResultOfAnyType) {
  const auto half = [](int n) -> Result<int> {
    if (n % 2 != 0) return fail(ErrorCode::kInvalid, "odd");
    return n / 2;
  };
  EXPECT_EQ(half(8).value(), 4);
  const Result<int> failed = half(7);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(failed.error().message, "odd");
}

// ---- time

TEST(Time, UnitsConvertBothWays) {
  EXPECT_EQ(Duration::seconds(2), Duration::milliseconds(2'000));
  EXPECT_EQ(Duration::milliseconds(3), Duration::microseconds(3'000));
  EXPECT_EQ(Duration::microseconds(4), Duration::nanoseconds(4'000));
  EXPECT_EQ(Duration::nanoseconds(1'999'999).milliseconds(), 1);
  EXPECT_EQ(Duration::nanoseconds(1'999'999).microseconds(), 1'999);
}

TEST(Time, ArithmeticAndOrder) {
  const Instant start{1'000};
  const Instant later = start + Duration::nanoseconds(500);
  EXPECT_EQ((later - start).ns, 500);
  EXPECT_EQ((start - later).ns, -500);
  EXPECT_EQ(later - Duration::nanoseconds(500), start);
  EXPECT_LT(start, later);
  EXPECT_LT(later, Instant::max());
  EXPECT_LT(Duration::seconds(1'000'000), Duration::max());
  EXPECT_EQ(Duration::seconds(3) * 4, Duration::seconds(12));
  EXPECT_EQ(Duration::seconds(3) / 2, Duration::milliseconds(1'500));
  EXPECT_EQ(Duration::seconds(3) + Duration::seconds(1) - Duration::seconds(4), Duration{});
}

// ---- fd

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

std::array<Fd, 2> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  return {Fd(ends[0]), Fd(ends[1])};
}

TEST(Fd, ClosesAtTheEndOfItsScope) {
  int number = -1;
  {
    const auto ends = make_pipe();
    ASSERT_TRUE(ends[0]);
    number = ends[0].get();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, EmptyOwnsNothing) {
  Fd empty;
  EXPECT_FALSE(empty);
  EXPECT_EQ(empty.get(), -1);
  empty.reset();
  EXPECT_EQ(empty.release(), -1);
}

TEST(Fd, MovesLeaveOneOwner) {
  auto ends = make_pipe();
  const int read_end = ends[0].get();
  const int write_end = ends[1].get();

  Fd moved(std::move(ends[0]));
  EXPECT_FALSE(ends[0]);
  EXPECT_EQ(moved.get(), read_end);

  moved = std::move(ends[1]);  // closes what it had
  EXPECT_FALSE(is_open(read_end));
  EXPECT_EQ(moved.get(), write_end);

  Fd& itself = moved;
  moved = std::move(itself);
  EXPECT_TRUE(is_open(write_end));

  const int released = moved.release();
  EXPECT_FALSE(moved);
  EXPECT_TRUE(is_open(released));
  ::close(released);
}

// ---- prng

TEST(Prng, KnownSequence) {
  // xoshiro256** seeded by splitmix64 from 0, computed apart from this code.
  Prng prng(0);
  EXPECT_EQ(prng.next(), 0x99ec5f36cb75f2b4ULL);
  EXPECT_EQ(prng.next(), 0xbf6e1f784956452aULL);
  EXPECT_EQ(prng.next(), 0x1a5f849d4933e6e0ULL);
  for (int i = 3; i < 999; ++i)
    prng.next();
  EXPECT_EQ(prng.next(), 0x7aac8c483a2edd2fULL);
}

TEST(Prng, TheSeedDecides) {
  Prng a(7);
  Prng b(7);
  Prng c(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t value = a.next();
    EXPECT_EQ(value, b.next());
    differs |= value != c.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Prng, BelowReachesEveryValueAndNoMore) {
  Prng prng(1);
  std::array<int, 7> seen{};
  for (int i = 0; i < 7'000; ++i) {
    const std::uint64_t value = prng.below(seen.size());
    ASSERT_LT(value, seen.size());
    ++seen[value];
  }
  // 1000 expected each; six standard deviations are 176.
  for (const int count : seen)
    EXPECT_NEAR(count, 1'000, 180);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(prng.below(1), 0U);
  EXPECT_LE(prng.below(std::numeric_limits<std::uint64_t>::max()), std::numeric_limits<std::uint64_t>::max() - 1);
}

TEST(Prng, ChanceIsAPercentage) {
  Prng prng(2);
  int hits = 0;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_FALSE(prng.chance(0));
    EXPECT_TRUE(prng.chance(100));
    hits += prng.chance(30) ? 1 : 0;
  }
  EXPECT_NEAR(hits, 3'000, 280);
}

// ---- log

std::vector<std::pair<LogLevel, std::string>> g_lines;

void keep_line(LogLevel level, std::string_view line) noexcept {
  g_lines.emplace_back(level, line);
}

TEST(Log, FormatsForTheSinkFromTheLevelUp) {
  g_lines.clear();
  set_log_sink(&keep_line);
  set_log_level(LogLevel::kWarning);
  EXPECT_FALSE(log_enabled(LogLevel::kInfo));
  EXPECT_TRUE(log_enabled(LogLevel::kWarning));
  log_debug("nobody reads this");
  log_info("nor {}", "this");
  log_warning("{} of {}", 3, "four");
  log_error("broken");
  set_log_level(LogLevel::kInfo);
  set_log_sink(nullptr);
  ASSERT_EQ(g_lines.size(), 2U);
  EXPECT_EQ(g_lines[0], (std::pair<LogLevel, std::string>(LogLevel::kWarning, "3 of four")));
  EXPECT_EQ(g_lines[1], (std::pair<LogLevel, std::string>(LogLevel::kError, "broken")));
}

TEST(Log, WithoutASinkLinesGoToStderr) {
  set_log_sink(nullptr);
  testing::internal::CaptureStderr();
  log_info("hello {}", 7);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "info: hello 7\n");
}

// ---- check

TEST(CheckDeathTest, NamesConditionAndPlace) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  CHECK(1 + 1 == 2);
  EXPECT_DEATH(CHECK(1 + 1 == 3), "internal error: 1 \\+ 1 == 3 \\(.*base_test.cc:[0-9]+\\)");
}

}  // namespace
}  // namespace fairlead
