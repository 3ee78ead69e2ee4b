#include "tests/conformance/platform.h"

#include <sys/resource.h>
#include <unistd.h>

#include "transport/base/check.h"

namespace fairlead::conformance {
namespace {

// A live kernel that is silent for this long has nothing more to say. Only a failing test waits for it.
constexpr Duration kSilence = Duration::seconds(5);
// Loopback answers within the call that caused it, or a softirq right behind it.
constexpr Duration kSettled = Duration::milliseconds(20);

}  // namespace

Platform::Platform(KernelKind kind) {
  if (kind == KernelKind::kLive) {
    kernel_ = &live_kernel();
    return;
  }
  world_ = std::make_unique<sim::SimWorld>(1);
  sim_ = std::make_unique<sim::SimKernel>(*world_, "host");
  kernel_ = sim_.get();
}

Platform::~Platform() = default;

bool Platform::step(Ring& ring) {
  if (!simulated()) return ring.turn(kSilence) > 0;
  if (ring.turn(Duration::max()) > 0) return true;
  return world_->advance_to_next_event(Instant::max());
}

void Platform::settle(Ring& ring) {
  if (simulated()) {
    const Instant limit = world_->now() + kSettled;
    while (ring.turn(Duration::max()) > 0 || world_->advance_to_next_event(limit)) {
    }
    return;
  }
  while (ring.turn(kSettled) > 0) {
  }
}

void Platform::exhaust_descriptors() {
  if (simulated()) {
    sim_->options().descriptors_max = 0;
    return;
  }
  rlimit limit{};
  CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  descriptors_max_ = limit.rlim_cur;
  limit.rlim_cur = 0;
  CHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

void Platform::restore_descriptors() {
  if (simulated()) {
    sim_->options().descriptors_max = sim::SimKernel::Options{}.descriptors_max;
    return;
  }
  rlimit limit{};
  CHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = descriptors_max_;
  CHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

std::vector<std::string> Platform::violations() const {
  return simulated() ? world_->violations() : std::vector<std::string>{};
}

}  // namespace fairlead::conformance
