// Platform: one of the kernels under comparison, and how a test waits on it: the live one lets time pass, the simulated
// one moves it. Call: a request of a test with everything it completed with.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_world.h"
#include "transport/uring/kernel.h"
#include "transport/uring/op.h"
#include "transport/uring/ring.h"

namespace fairlead::conformance {

enum class KernelKind { kLive, kSim };

inline void PrintTo(KernelKind kind, std::ostream* out) { *out << (kind == KernelKind::kLive ? "live" : "sim"); }

class Platform {
 public:
  explicit Platform(KernelKind kind);
  ~Platform();

  Kernel& kernel() noexcept { return *kernel_; }
  bool simulated() const noexcept { return world_ != nullptr; }

  // Turns until `done()`. False if that never comes: nothing is left to happen, or a live kernel did nothing for long.
  template <class Predicate>
  bool run_until(Ring& ring, Predicate&& done) {
    while (!done()) {
      if (!step(ring)) return done();
    }
    return true;
  }
  // Turns until the kernel has nothing to report for a while.
  void settle(Ring& ring);

  // The process can open no descriptor beyond those it has.
  void exhaust_descriptors();
  void restore_descriptors();

  // What the simulated kernel objects to; empty on the live one.
  std::vector<std::string> violations() const;

 private:
  bool step(Ring& ring);

  std::unique_ptr<sim::SimWorld> world_;
  std::unique_ptr<sim::SimKernel> sim_;
  Kernel* kernel_;
  std::uint64_t descriptors_max_ = 0;
};

class Call {
 public:
  bool ended() const noexcept { return !results.empty() && !op.in_flight(); }
  const Completion& last() const noexcept { return results.back(); }

  void on_done(Completion done) noexcept { results.push_back(done); }

  std::vector<Completion> results;
  OpOf<&Call::on_done> op{*this};
};

}  // namespace fairlead::conformance
