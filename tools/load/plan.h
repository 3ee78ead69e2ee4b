// What a load is to be, and what came of it. Values.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>

#include "tools/load/histogram.h"
#include "transport/uring/kernel.h"

namespace fairlead::load {

using Clock = std::chrono::steady_clock;

// It cannot be made, or not begin; what() says why. What goes wrong with a connection later is counted instead.
class LoadError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Phase : std::uint8_t { kBegin, kEnd };

enum class Direction : std::uint8_t { kUp, kDown, kBoth };

struct LoadResult {
  double seconds = 0;
  std::uint64_t bytes_up = 0;    // bulk: taken by the server, as it says itself unless it is a plain sink
  std::uint64_t bytes_down = 0;  // bulk: received
  std::uint64_t requests = 0;    // answered
  std::uint64_t errors = 0;      // connections that broke, answered wrongly, or not in time
  Histogram latency;             // of requests, from when they were due
};

struct LoadPlan {
  Address server;
  unsigned streams = 1;  // connections at a time
  std::uint32_t request_bytes = 64;
  double rate_per_s = 0;  // of all requests together; 0: each as soon as the one before is answered
  Direction direction = Direction::kUp;
  // Any server that sends back what it gets, or takes it; else one of ours (server.h).
  bool plain = false;
  Clock::duration duration = std::chrono::seconds(10);
  // Called a few times a second with what there is so far; may be empty.
  std::function<void(const LoadResult&)> on_progress{};
  // Called when the load begins, which is when its connections are there (those of connects are the load), and when it
  // has ended. May be empty.
  std::function<void(Phase)> on_phase{};

  void tell(Phase phase) const {
    if (on_phase) on_phase(phase);
  }
};

inline constexpr std::uint32_t kRequestBytesMax = 1024 * 1024;
inline constexpr unsigned kStreamsMax = 200'000;

// Calls on_progress when it is time to.
class Progress {
 public:
  Progress(const LoadPlan& plan, Clock::time_point start) : plan_(plan), start_(start), next_(start + kInterval) {}

  // When to look again.
  Clock::time_point next() const noexcept { return plan_.on_progress ? next_ : Clock::time_point::max(); }

  void tell(LoadResult& result, Clock::time_point now) {
    if (now < next()) return;
    next_ = now + kInterval;
    result.seconds = std::chrono::duration<double>(now - start_).count();
    plan_.on_progress(result);
  }

 private:
  static constexpr std::chrono::milliseconds kInterval{200};

  const LoadPlan& plan_;
  const Clock::time_point start_;
  Clock::time_point next_;
};

}  // namespace fairlead::load
