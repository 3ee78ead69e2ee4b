// SimWorld: the clock, the network and the descriptors that simulated hosts share. One seed decides everything that
// happens in it; the same seed and the same calls give the same trace_hash().
//
// It is single-threaded and never blocks. A host is a SimKernel, which production code uses as its Kernel. The harness
// steps every loop (a shard's turn(), the control loop's turn()) and moves the clock only when nobody got on:
//
//   SimWorld world(seed);                       // a perfect world; world.faults() = ... to change that at any time
//   SimKernel west(world, "west"), east(world, "east");
//   ... build the loops over the kernels; west.address(port) is an address that others reach ...
//   while (!done()) {
//     const std::uint64_t before = world.progress();
//     world.shuffle(loops);                     // seeded order
//     for (Loop* loop : loops) {
//       if (world.may_run(*loop->kernel)) loop->turn();   // enter() returns at once, whatever it was asked to wait
//     }
//     if (world.progress() == before && !world.advance_to_next_event(limit)) FAIL() << world.describe();
//   }
//   world.violations() is empty, or names what production code did that no kernel would allow
//
// A loop that asks to wait until a time is woken then, so its timers need nothing further. enter() moves the clock by
// kEnterCost, so a loop that spins runs into `limit` instead of hanging the harness.
//
// For the liveness phase: heal() ends all partitions and sets faults() to a perfect world, which connections that are
// there already get to enjoy as well: large buffers, no latency, no reset to come. Those that had fallen silent stay
// silent: whoever uses them must notice.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/faults.h"
#include "tests/sim/sim_file.h"
#include "transport/base/prng.h"
#include "transport/base/time.h"
#include "transport/uring/kernel.h"

namespace fairlead::sim {

class Connection;
class SimKernel;
class SimSocket;

// What goes into the trace. Numbers, not pointers: a trace must not depend on where memory lies.
struct TraceLine {
  const char* what;
  std::uint64_t host = 0;
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t c = 0;
};

class SimWorld {
 public:
  // Far above real descriptors, so that a simulated one given to the real kernel by mistake fails there.
  static constexpr int kFirstFd = 1'000'000;
  static constexpr Duration kEnterCost = Duration::microseconds(1);

  explicit SimWorld(std::uint64_t seed, Faults faults = {});
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  // ---- for the harness

  Instant now() const noexcept { return now_; }

  Prng& prng() noexcept { return prng_; }

  Faults& faults() noexcept { return faults_; }

  // Grows with everything that production code does or that is done to it; equal before and after a round of turns
  // when only time can help.
  std::uint64_t progress() const noexcept { return progress_; }

  // Moves the clock to the next thing that will happen and lets it happen. False, with the clock left alone, if
  // nothing will until `limit`: a world that is quiet while work is left has lost something; see describe().
  bool advance_to_next_event(Instant limit);

  // False while a seeded pause holds the host: its loops are not to be stepped in this round.
  bool may_run(SimKernel& kernel);

  template <class Range>
  void shuffle(Range& range) {
    for (std::size_t left = range.size(); left > 1; --left)
      std::swap(range[left - 1], range[prng_.below(left)]);
  }

  // Cuts and joins a pair of hosts. While cut, nothing arrives; what was sent arrives after the cut, as TCP would
  // send it again, unless that takes longer than TCP is willing to try.
  void partition(const SimKernel& a, const SimKernel& b);
  void join(const SimKernel& a, const SimKernel& b);
  void heal();

  unsigned heal_count() const noexcept { return heal_count_; }

  std::uint64_t trace_hash() const noexcept { return trace_hash_; }

  void print_trace_to(std::FILE* file) noexcept { trace_file_ = file; }

  const std::vector<std::string>& violations() const noexcept { return violations_; }

  // Every request in flight, with the state of its file, and what the clock waits for.
  std::string describe() const;

  std::size_t open_descriptor_count() const noexcept { return descriptor_count_; }

  // ---- for the simulated kernel

  bool chance(Rate rate) noexcept { return rate > 0 && prng_.below(10'000) < rate; }

  void note_progress() noexcept { ++progress_; }

  void trace(const TraceLine& line);
  void violate(std::string what);

  void spend(Duration time) noexcept { now_ = now_ + time; }

  void at(Instant when, std::function<void()> run);
  void run_due();

  unsigned add_host(SimKernel& kernel);
  void remove_host(SimKernel& kernel);

  std::size_t host_count() const noexcept { return hosts_.size(); }

  bool cut(unsigned a, unsigned b) const noexcept;
  // Runs once when the hosts are no longer cut from each other.
  void when_joined(unsigned a, unsigned b, std::function<void()> run);

  int add_descriptor(std::shared_ptr<SimFile> file);
  std::shared_ptr<SimFile> file_of(int fd) const noexcept;
  void close_descriptor(int fd, SimFile& file);
  void close_descriptors_of(unsigned host);
  std::size_t descriptors_of(unsigned host) const noexcept;

  // Listening sockets by address; several may share one.
  std::vector<SimSocket*>& listeners() noexcept { return listeners_; }

 private:
  struct Event {
    Instant when;
    std::uint64_t tie;  // seeded order of what happens at one instant
    std::uint64_t sequence;
    std::function<void()> run;
  };

  struct Later {
    bool operator()(const Event& a, const Event& b) const noexcept;
  };

  struct Held {
    unsigned a;
    unsigned b;
    std::function<void()> run;
  };

  Instant now_ = Instant{1'000'000'000};
  Prng prng_;
  Faults faults_;
  std::priority_queue<Event, std::vector<Event>, Later> events_;
  std::uint64_t next_sequence_ = 0;
  unsigned heal_count_ = 0;
  std::uint64_t progress_ = 0;
  std::vector<SimKernel*> hosts_;  // by host number; null once it is gone
  std::set<std::pair<unsigned, unsigned>> cuts_;
  std::vector<Held> held_;
  std::vector<std::shared_ptr<SimFile>> descriptors_;
  std::size_t descriptor_count_ = 0;
  std::vector<SimSocket*> listeners_;
  std::uint64_t trace_hash_ = 14695981039346656037ULL;
  std::FILE* trace_file_ = nullptr;
  std::vector<std::string> violations_;
};

}  // namespace fairlead::sim
