// Ring: one io_uring and the requests in flight on it. Owned by one thread (a shard, or the control loop), touched by
// that thread only.
//
// A turn is: submit everything queued and wait (one io_uring_enter), then run the handler of every completion. A turn's
// completions are bounded; reaching the bound is counted and the rest is left for the next turn.
//
// A send that nothing waits for is quiet (submit_send): the kernel makes it while it takes it, or says at once why not
// (IOSQE_CQE_SKIP_SUCCESS with MSG_DONTWAIT). Else each send would end the sleep of its own enter(), and cost a turn.
//
// Invariant: in_flight() is the number of Ops whose in_flight() is true; at destruction it must be 0.
#pragma once

#include <cstdint>
#include <memory>

#include <liburing.h>

#include "transport/base/error.h"
#include "transport/uring/kernel.h"
#include "transport/uring/op.h"

namespace fairlead {

class Ring {
 public:
  // Of a quiet send. More are seldom taken whole.
  static constexpr std::uint32_t kQuietBytesMax = 16 * 1024;

  struct Counters {
    std::uint64_t turns = 0;
    std::uint64_t enters = 0;  // more than turns when the submission queue filled up within a turn, and with `spin`
    std::uint64_t completions = 0;
    std::uint64_t bounded_turns = 0;         // turns that left completions for the next one
    std::uint64_t submissions_deferred = 0;  // requests parked because the kernel could not take them (out of memory)
    std::uint64_t completion_overflows = 0;  // turns in which the kernel kept completions back for want of space
  };

  static Result<std::unique_ptr<Ring>> open(Kernel& kernel, unsigned entries);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Called once by the thread that will use the ring from then on.
  Result<void> enable();

  // Queues a request for `op`, which must be idle. `prepare(sqe)` fills in the entry with an io_uring_prep_* helper.
  // The kernel sees it at the end of the turn.
  template <class Prepare>
  void submit(Op& op, Prepare&& prepare) noexcept {
    queue(op, prepare);
  }

  // As submit(), for a send of `bytes` in all on a socket that has no other in flight. A quiet one is for bytes whose
  // leaving nothing waits for: its handler learns of it only once enter() comes back, which may have slept. If the
  // socket has no room for all of them, the handler gets the bytes that were sent, or -EAGAIN. One of more than
  // kQuietBytesMax is submitted as any other. Not for sockets with kernel TLS, which refuse MSG_WAITALL.
  template <class Prepare>
  void submit_send(Op& op, bool quiet, std::uint64_t bytes, Prepare&& prepare) noexcept {
    io_uring_sqe* sqe = queue(op, prepare);
    if (quiet && bytes <= kQuietBytesMax && quiet_count_ < kQuietMax) {
      make_quiet(*sqe, op, static_cast<std::uint32_t>(bytes));
    }
  }

  // Something waits for a quiet send after all: the next enter() does not sleep if one is among what it submits, or if
  // `op` is one.
  void expect_quiet() noexcept { sleepless_ = quiet_count_ > 0; }

  void expect(const Op& op) noexcept {
    if (op.quiet_ != 0) expect_quiet();
  }

  // Asks the kernel to end a request. Its completion still comes (with -ECANCELED, or with what it had done by then).
  void cancel(Op& op) noexcept;

  // One turn: submits, and waits at most `wait` for the first completion (0: not at all); then handles what there is,
  // and returns how many, not counting quiet sends. Apart for whoever reads the clock in between: handlers should not
  // go by a time before the wait, but those of quiet sends, which were made before it. With `spin` it does not sleep
  // before it has looked for that long, which takes two calls.
  void enter(Duration wait, Duration spin = {}) noexcept;
  void handle_quiet() noexcept;
  unsigned handle_completions() noexcept;

  unsigned turn(Duration wait) noexcept {
    enter(wait);
    return handle_completions();
  }

  unsigned in_flight() const noexcept { return in_flight_; }

  // Whether the kernel has taken everything queued: until then what an entry points to must stay.
  bool all_submitted() const noexcept { return parked_count_ == 0 && io_uring_sq_ready(&ring_) == 0; }

  bool bundles() const noexcept { return bundles_; }

  Kernel& kernel() const noexcept { return kernel_; }

  io_uring& raw() noexcept { return ring_; }

  const Counters& counters() const noexcept { return counters_; }

 private:
  Ring(Kernel& kernel) noexcept : kernel_(kernel) {}

  struct QuietSend {
    Op* op;  // null: its completion told how it failed, or is about to
    std::uint32_t bytes;
  };

  template <class Prepare>
  io_uring_sqe* queue(Op& op, Prepare&& prepare) noexcept {
    CHECK(!op.in_flight_);
    io_uring_sqe* sqe = next_entry();
    prepare(sqe);
    io_uring_sqe_set_data(sqe, &op);
    op.in_flight_ = true;
    ++in_flight_;
    return sqe;
  }

  io_uring_sqe* next_entry() noexcept;
  void make_quiet(io_uring_sqe& sqe, Op& op, std::uint32_t bytes) noexcept;
  void settle_quiet() noexcept;
  void quiet_failed(Op& op) noexcept;
  void complete(Op& op, Completion done) noexcept;
  void submit_parked() noexcept;
  void after_enter() noexcept;

  // Requests that the kernel could not take yet. Memory is reserved at start and touched only if needed.
  static constexpr unsigned kParkedMax = 65'536;
  // Completions handled in one turn; the queue itself holds at most four times the entries.
  static constexpr unsigned kCompletionsPerTurnMax = 4'096;
  // Of one turn.
  static constexpr std::uint32_t kQuietMax = 1'024;

  Kernel& kernel_;
  io_uring ring_{};
  io_uring_sqe* parked_ = nullptr;
  unsigned parked_count_ = 0;
  unsigned in_flight_ = 0;
  bool bundles_ = false;
  bool open_ = false;
  bool sleepless_ = false;  // someone waits for a quiet send after all
  std::uint32_t quiet_count_ = 0;
  std::uint32_t settled_count_ = 0;
  std::unique_ptr<QuietSend[]> quiet_;    // submitted with the next enter()
  std::unique_ptr<QuietSend[]> settled_;  // ... with the last one: made, or failed
  Counters counters_;
};

}  // namespace fairlead
