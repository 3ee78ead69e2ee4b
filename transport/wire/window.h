// Credit of a stream direction, by absolute offsets that never decrease, so that a lost or repeated update cannot
// corrupt it. Pure values.
//
//   sender:    0 ...... sent ............ limit            may send limit - sent
//   receiver:  0 ... consumed ... received ... granted     granted <= consumed + window
#pragma once

#include <algorithm>
#include <cstdint>

#include "transport/base/check.h"
#include "transport/base/time.h"

namespace fairlead {

// What the peer lets us send.
class SendWindow {
 public:
  explicit SendWindow(std::uint64_t initial_limit) noexcept : limit_(initial_limit) {}

  std::uint64_t sent() const noexcept { return sent_; }

  std::uint64_t limit() const noexcept { return limit_; }

  std::uint64_t available() const noexcept { return limit_ - sent_; }

  void use(std::uint64_t bytes) noexcept {
    DCHECK(bytes <= available());
    sent_ += bytes;
  }

  // An older limit than the present one is ignored. Returns whether there is more credit than before.
  bool raise(std::uint64_t limit) noexcept {
    if (limit <= limit_) return false;
    limit_ = limit;
    return true;
  }

 private:
  std::uint64_t sent_ = 0;
  std::uint64_t limit_;
};

// What we let the peer send. The window doubles when the reader took a whole one within two round trips, that is, when
// the window and not the reader was the limit (as Linux's dynamic right-sizing does for TCP).
class ReceiveWindow {
 public:
  explicit ReceiveWindow(std::uint32_t initial_bytes) noexcept
      : granted_(initial_bytes), window_bytes_(initial_bytes) {}

  std::uint64_t received() const noexcept { return received_; }

  std::uint64_t consumed() const noexcept { return consumed_; }

  std::uint64_t granted() const noexcept { return granted_; }

  std::uint32_t window_bytes() const noexcept { return window_bytes_; }

  // False: the peer sent more than it may, and nothing was counted.
  [[nodiscard]] bool receive(std::uint64_t bytes) noexcept {
    if (bytes > granted_ - received_) return false;
    received_ += bytes;
    return true;
  }

  void consume(std::uint64_t bytes) noexcept {
    DCHECK(bytes <= received_ - consumed_);
    consumed_ += bytes;
  }

  // What is not granted yet is idle: over a long way everything under way comes in one burst, and what its end leaves
  // below the threshold waits for the next one. So a large window is granted in eighths; a smaller one in steps of
  // kGrantBytes, or in halves if it is smaller than two of them, for fewer frames.
  bool grant_due() const noexcept {
    const std::uint32_t step = std::max(window_bytes_ / 8, std::min(window_bytes_ / 2, kGrantBytes));
    return consumed_ + window_bytes_ - granted_ >= step;
  }

  // How much the window should grow now (0: not at all); the caller grants it from its budget with grow().
  std::uint32_t growth_wanted(Instant now, Duration round_trip, std::uint32_t window_bytes_max) noexcept {
    const std::uint64_t taken = consumed_ - epoch_offset_;
    if (taken < window_bytes_) return 0;
    const Duration took = now - epoch_;
    epoch_ = now;
    epoch_offset_ = consumed_;
    // What was taken may be nearly two windows: a sender that is held up by the window sends a little less than one in
    // each round trip. So it is the rate that counts, and not the time alone.
    const double slowest = 2.0 * static_cast<double>(round_trip.ns) * static_cast<double>(taken);
    if (static_cast<double>(took.ns) * window_bytes_ > slowest || window_bytes_ >= window_bytes_max) return 0;
    return std::min(window_bytes_, window_bytes_max - window_bytes_);
  }

  void grow(std::uint32_t bytes) noexcept { window_bytes_ += bytes; }

  // The new limit to tell the peer.
  std::uint64_t grant() noexcept {
    granted_ = consumed_ + window_bytes_;
    return granted_;
  }

 private:
  static constexpr std::uint32_t kGrantBytes = 32 * 1024;

  std::uint64_t consumed_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t granted_;
  std::uint32_t window_bytes_;
  Instant epoch_{};
  std::uint64_t epoch_offset_ = 0;
};

// What the windows of a shard may grow in all. What one has is at most a third of what is left: one stream over a long
// way may have a large window, many have equal ones, and something is always left for a newcomer.
class WindowBudget {
 public:
  explicit WindowBudget(std::uint64_t bytes) noexcept : left_(bytes), bytes_(bytes) {}

  std::uint64_t used() const noexcept { return bytes_ - left_; }

  // For a stream that `has` taken as much already: what it may grow now, at most what is `wanted`.
  [[nodiscard]] std::uint32_t take(std::uint32_t wanted, std::uint64_t has) noexcept {
    const std::uint64_t most = left_ / 3 > has ? (left_ - 3 * has) / 4 : 0;
    const std::uint32_t taken = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, most));
    left_ -= taken;
    return taken;
  }

  void give_back(std::uint64_t bytes) noexcept {
    DCHECK(bytes <= used());
    left_ += bytes;
  }

 private:
  std::uint64_t left_;
  std::uint64_t bytes_;
};

}  // namespace fairlead
