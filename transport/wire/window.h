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

// What we let the peer send. Once the reader took more than half a window in a round trip, the window and not the
// reader was the limit, and it grows to four times what is taken in one (Linux's dynamic right-sizing of TCP has the
// same aim). So it grows by four in each round trip until the way or the reader is the limit: the link knows already
// what its way carries, and a new stream need not feel for it as slowly as a new TCP connection does.
class ReceiveWindow {
 public:
  ReceiveWindow(std::uint32_t initial_bytes, Instant now) noexcept
      : granted_(initial_bytes), window_bytes_(initial_bytes), epoch_(now) {}

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
  // Whether it is now, or once so much more is consumed.
  bool grant_due(std::uint64_t more = 0) const noexcept {
    const std::uint32_t step = std::max(window_bytes_ / 8, std::min(window_bytes_ / 2, kGrantBytes));
    return consumed_ + more + window_bytes_ - granted_ >= step;
  }

  // How much the window should grow now (0: not at all); the caller grants it from its budget with grow(). The rate is
  // taken over three quarters of a window at least: a sender that is held up by the window sends less than all of it in
  // a round trip, by what is not granted yet and what is not worth a frame.
  std::uint32_t growth_wanted(Instant now, Duration round_trip, std::uint32_t window_bytes_max) noexcept {
    const std::uint64_t taken = consumed_ - epoch_offset_;
    if (taken < window_bytes_ - window_bytes_ / 4) return 0;
    const double took_ns = static_cast<double>(std::max<std::int64_t>((now - epoch_).ns, 1));
    epoch_ = now;
    epoch_offset_ = consumed_;
    const double in_round_trip = static_cast<double>(round_trip.ns) * static_cast<double>(taken) / took_ns;
    const double most = std::min<double>(4.0 * window_bytes_, window_bytes_max);
    if (2 * in_round_trip < window_bytes_ || most <= window_bytes_) return 0;
    return static_cast<std::uint32_t>(std::min(4 * in_round_trip, most)) - window_bytes_;
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
  Instant epoch_;  // when the reader had taken epoch_offset_
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
