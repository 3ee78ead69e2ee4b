// Instant and Duration: monotonic nanoseconds as strong types. Time is read once per turn (Kernel::now) and passed
// down; nothing below a shard's turn reads a clock.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace fairlead {

struct Duration {
  std::int64_t ns = 0;

  static constexpr Duration nanoseconds(std::int64_t n) noexcept { return {n}; }

  static constexpr Duration microseconds(std::int64_t n) noexcept { return {n * 1'000}; }

  static constexpr Duration milliseconds(std::int64_t n) noexcept { return {n * 1'000'000}; }

  static constexpr Duration seconds(std::int64_t n) noexcept { return {n * 1'000'000'000}; }

  static constexpr Duration max() noexcept { return {std::numeric_limits<std::int64_t>::max()}; }

  constexpr std::int64_t microseconds() const noexcept { return ns / 1'000; }

  constexpr std::int64_t milliseconds() const noexcept { return ns / 1'000'000; }

  friend constexpr auto operator<=>(Duration, Duration) noexcept = default;

  friend constexpr Duration operator+(Duration a, Duration b) noexcept { return {a.ns + b.ns}; }

  friend constexpr Duration operator-(Duration a, Duration b) noexcept { return {a.ns - b.ns}; }

  friend constexpr Duration operator*(Duration a, std::int64_t n) noexcept { return {a.ns * n}; }

  friend constexpr Duration operator/(Duration a, std::int64_t n) noexcept { return {a.ns / n}; }
};

struct Instant {
  std::int64_t ns = 0;  // since an arbitrary origin (boot)

  static constexpr Instant max() noexcept { return {std::numeric_limits<std::int64_t>::max()}; }

  friend constexpr auto operator<=>(Instant, Instant) noexcept = default;

  friend constexpr Instant operator+(Instant t, Duration d) noexcept { return {t.ns + d.ns}; }

  friend constexpr Instant operator-(Instant t, Duration d) noexcept { return {t.ns - d.ns}; }

  friend constexpr Duration operator-(Instant a, Instant b) noexcept { return {a.ns - b.ns}; }
};

}  // namespace fairlead
