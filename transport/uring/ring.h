// Ring: one io_uring and the requests in flight on it. Owned by one thread (a shard, or the control loop), touched by
// that thread only.
//
// A turn is: submit everything queued and wait (one io_uring_enter), then run the handler of every completion. A turn's
// completions are bounded; reaching the bound is counted and the rest is left for the next turn.
//
// A small send that is alone in its turn may be made by a call of its own (submit_send): enter() would come back at
// once with its completion, and another turn would have to sleep.
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
  struct Counters {
    std::uint64_t turns = 0;
    std::uint64_t enters = 0;  // more than turns only when the submission queue filled up within a turn
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
    CHECK(!op.in_flight_);
    io_uring_sqe* sqe = next_entry();
    prepare(sqe);
    io_uring_sqe_set_data(sqe, &op);
    op.in_flight_ = true;
    ++in_flight_;
  }

  // As submit(), for a send on a socket that has no other in flight. Once after send_at_once(true) a small one is made
  // now if the socket has room, and its handler runs in handle_sent(); it counts as in flight until then. One with
  // ancillary data or IORING_RECVSEND_POLL_FIRST always goes to the ring.
  template <class Prepare>
  void submit_send(Op& op, Prepare&& prepare) noexcept {
    if (!send_at_once_) return submit(op, prepare);
    io_uring_sqe entry{};
    prepare(&entry);
    if (make_send(op, entry)) return;
    submit(op, [&](io_uring_sqe* sqe) { *sqe = entry; });
  }

  void send_at_once(bool allowed) noexcept { send_at_once_ = allowed; }

  // Runs the handler of the send that was made, if one was, and allows no other.
  bool handle_sent() noexcept;

  // Asks the kernel to end a request. Its completion still comes (with -ECANCELED, or with what it had done by then).
  void cancel(Op& op) noexcept;

  // One turn: submits, and waits at most `wait` for the first completion (0: not at all); then handles what there is,
  // and returns how many. Apart for whoever reads the clock in between: handlers should not go by a time before the
  // wait. With `spin` it does not sleep before it has looked for that long, which takes two calls.
  void enter(Duration wait, Duration spin = {}) noexcept;
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

  io_uring_sqe* next_entry() noexcept;
  bool make_send(Op& op, const io_uring_sqe& entry) noexcept;
  void submit_parked() noexcept;
  void note_overflow() noexcept;

  // Requests that the kernel could not take yet. Memory is reserved at start and touched only if needed.
  static constexpr unsigned kParkedMax = 65'536;
  // Completions handled in one turn; the queue itself holds at most four times the entries.
  static constexpr unsigned kCompletionsPerTurnMax = 4'096;
  // More takes so long that the turn does not count.
  static constexpr std::size_t kSendAtOnceBytesMax = 4'096;

  Kernel& kernel_;
  io_uring ring_{};
  io_uring_sqe* parked_ = nullptr;
  unsigned parked_count_ = 0;
  unsigned in_flight_ = 0;
  bool bundles_ = false;
  bool open_ = false;
  bool send_at_once_ = false;
  Op* sent_ = nullptr;  // made, and not handled yet
  std::int32_t sent_result_ = 0;
  Counters counters_;
};

}  // namespace fairlead
