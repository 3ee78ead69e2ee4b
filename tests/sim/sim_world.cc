#include "tests/sim/sim_world.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/sim/sim_kernel.h"
#include "transport/base/check.h"

namespace fairlead::sim {

bool SimWorld::Later::operator()(const Event& a, const Event& b) const noexcept {
  if (a.when != b.when) return a.when > b.when;
  if (a.tie != b.tie) return a.tie > b.tie;
  return a.sequence > b.sequence;
}

SimWorld::SimWorld(std::uint64_t seed, Faults faults) : prng_(seed), faults_(faults) {}

SimWorld::~SimWorld() = default;

// ---- time

void SimWorld::at(Instant when, std::function<void()> run) {
  const std::uint64_t tie = faults_.shuffle_completions ? prng_.next() : 0;
  events_.push({std::max(when, now_), tie, next_sequence_++, std::move(run)});
}

void SimWorld::run_due() {
  while (!events_.empty() && events_.top().when <= now_) {
    // Moved out before it runs: it may add events.
    const std::function<void()> run = std::move(const_cast<Event&>(events_.top()).run);
    events_.pop();
    run();
  }
}

bool SimWorld::advance_to_next_event(Instant limit) {
  Instant next = Instant::max();
  if (!events_.empty()) next = events_.top().when;
  for (const SimKernel* host : hosts_) {
    if (host != nullptr) next = std::min(next, host->next_wake(now_));
  }
  if (next > limit || next == Instant::max()) return false;
  if (chance(faults_.clock_jump)) {
    next =
        next + Duration{static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(faults_.clock_jump_max.ns)))};
    trace({"clock jump", 0, next.ns});
  }
  now_ = std::max(now_, next);
  run_due();
  return true;
}

bool SimWorld::may_run(SimKernel& kernel) {
  if (kernel.paused_until() > now_) return false;
  if (!chance(faults_.pause)) return true;
  const Instant until =
      now_ + Duration{static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(faults_.pause_max.ns)) + 1)};
  trace({"pause", kernel.host(), until.ns});
  kernel.pause_until(until);
  at(until, [] {});
  return false;
}

// ---- hosts

unsigned SimWorld::add_host(SimKernel& kernel) {
  hosts_.push_back(&kernel);
  return static_cast<unsigned>(hosts_.size() - 1);
}

void SimWorld::remove_host(SimKernel& kernel) {
  hosts_[kernel.host()] = nullptr;
}

void SimWorld::partition(const SimKernel& a, const SimKernel& b) {
  trace({"partition", a.host(), b.host()});
  cuts_.insert(std::minmax(a.host(), b.host()));
}

void SimWorld::join(const SimKernel& a, const SimKernel& b) {
  trace({"join", a.host(), b.host()});
  cuts_.erase(std::minmax(a.host(), b.host()));
  std::vector<Held> still;
  std::vector<Held> free;
  for (Held& held : held_)
    (cut(held.a, held.b) ? still : free).push_back(std::move(held));
  held_ = std::move(still);
  for (Held& held : free)
    at(now_, std::move(held.run));
}

void SimWorld::heal() {
  trace({"heal"});
  faults_ = Faults{};
  ++heal_count_;
  cuts_.clear();
  for (Held& held : std::exchange(held_, {}))
    at(now_, std::move(held.run));
}

bool SimWorld::cut(unsigned a, unsigned b) const noexcept {
  return cuts_.contains(std::minmax(a, b));
}

void SimWorld::when_joined(unsigned a, unsigned b, std::function<void()> run) {
  held_.push_back({a, b, std::move(run)});
}

// ---- descriptors

int SimWorld::add_descriptor(std::shared_ptr<SimFile> file) {
  file->add_reference();
  ++descriptor_count_;
  // The lowest free number, as on Linux: a stale descriptor then meets another's file instead of an error.
  const auto free = std::find(descriptors_.begin(), descriptors_.end(), nullptr);
  const int fd = kFirstFd + static_cast<int>(free - descriptors_.begin());
  if (free == descriptors_.end()) {
    descriptors_.push_back(std::move(file));
  } else {
    *free = std::move(file);
  }
  return fd;
}

std::shared_ptr<SimFile> SimWorld::file_of(int fd) const noexcept {
  const std::int64_t index = std::int64_t{fd} - kFirstFd;
  if (index < 0 || index >= static_cast<std::int64_t>(descriptors_.size())) return nullptr;
  return descriptors_[static_cast<std::size_t>(index)];
}

void SimWorld::close_descriptor(int fd, SimFile& file) {
  const std::shared_ptr<SimFile> keep = std::move(descriptors_[static_cast<std::size_t>(fd - kFirstFd)]);
  CHECK(keep.get() == &file);
  descriptors_[static_cast<std::size_t>(fd - kFirstFd)] = nullptr;
  --descriptor_count_;
  file.drop_reference();
}

void SimWorld::close_descriptors_of(unsigned host) {
  for (std::size_t i = 0; i < descriptors_.size(); ++i) {
    if (descriptors_[i] == nullptr || descriptors_[i]->host() != host) continue;
    close_descriptor(kFirstFd + static_cast<int>(i), *descriptors_[i]);
  }
}

std::size_t SimWorld::descriptors_of(unsigned host) const noexcept {
  return static_cast<std::size_t>(std::count_if(descriptors_.begin(), descriptors_.end(), [&](const auto& file) {
    return file != nullptr && file->host() == host;
  }));
}

// ---- reports

void SimWorld::trace(const TraceLine& line) {
  const auto mix = [this](std::uint64_t value) { trace_hash_ = (trace_hash_ ^ value) * 1099511628211ULL; };
  for (const char* c = line.what; *c != 0; ++c)
    mix(static_cast<unsigned char>(*c));
  mix(static_cast<std::uint64_t>(now_.ns));
  mix(line.host);
  mix(static_cast<std::uint64_t>(line.a));
  mix(static_cast<std::uint64_t>(line.b));
  mix(static_cast<std::uint64_t>(line.c));
  if (trace_file_ == nullptr) return;
  fmt::print(trace_file_, "{:>14.6f} host {} {} {} {} {}\n", static_cast<double>(now_.ns) / 1e9, line.host, line.what,
             line.a, line.b, line.c);
}

void SimWorld::violate(std::string what) {
  if (trace_file_ != nullptr) fmt::print(trace_file_, "violation: {}\n", what);
  violations_.push_back(std::move(what));
}

std::string SimWorld::describe() const {
  std::string text = fmt::format("simulated time {:.6f} s, {} events pending, {} descriptors open\n",
                                 static_cast<double>(now_.ns) / 1e9, events_.size(), descriptor_count_);
  for (const auto& [a, b] : cuts_)
    text += fmt::format("hosts {} and {} are cut from each other\n", a, b);
  for (const SimKernel* host : hosts_) {
    if (host != nullptr) text += host->describe();
  }
  for (const std::string& violation : violations_)
    text += "violation: " + violation + "\n";
  return text;
}

}  // namespace fairlead::sim
