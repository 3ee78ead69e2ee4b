// SimRing: one io_uring of a simulated host: its shared memory as the kernel lays it out, the requests it has taken,
// and how each is executed. Requests are tried when they are submitted and whenever their file changes, but only inside
// enter(), as with IORING_SETUP_DEFER_TASKRUN.
//
// Completions that do not fit into the completion queue are kept back in order, with IORING_SQ_CQ_OVERFLOW set, and
// delivered by a later enter(). A multishot request that meets a full queue ends there, as on Linux.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <liburing.h>
#include <sys/uio.h>

#include "tests/sim/sim_file.h"
#include "tests/sim/sim_world.h"
#include "transport/uring/kernel.h"

namespace fairlead::sim {

class SimRing;

// One request in the simulated kernel's hands. What liburing calls "stable after submission" (message headers, iovecs,
// addresses) is copied when it is taken; the bytes themselves are read and written when it is executed.
// io_uring_sqe ends with an array without a size, which must not be used here, and is not.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"

struct SimRequest final : FileWaiter {
  SimRequest(SimRing& owner, const io_uring_sqe& entry, std::uint64_t number) : ring(owner), sqe(entry), id(number) {}

  void file_changed() override;

  // A send that does not wait, and is heard of only if it fails.
  bool quiet() const noexcept { return (sqe.flags & IOSQE_CQE_SKIP_SUCCESS) != 0; }

  SimRing& ring;
  io_uring_sqe sqe;
  std::uint64_t id;
  Instant since{};
  std::shared_ptr<SimFile> file;
  std::vector<iovec> vectors;
  msghdr message{};        // SENDMSG and RECVMSG
  std::uint8_t type = 23;  // SENDMSG: of the TLS records
  Address address;
  bool ready = false;        // on the ring's list of those to try
  bool waiting = false;      // tried once; from now on only when the file is ready
  bool started = false;      // CONNECT: under way
  bool late_cancel = false;  // was asked to end when it was too late for -ECANCELED at once
  bool must_end = false;     // ... and its time is over
};

#pragma GCC diagnostic pop

class SimRing {
 public:
  SimRing(SimWorld& world, SimKernel& kernel, int number, unsigned entries, io_uring& ring, io_uring_params& params);
  ~SimRing();
  SimRing(const SimRing&) = delete;
  SimRing& operator=(const SimRing&) = delete;

  void enable() noexcept { enabled_ = true; }

  int enter(Duration wait);
  int register_buffers(const io_uring_buf_reg& registration);
  int unregister_buffers(int group);

  void make_ready(SimRequest& request);
  // The host is dead: everything in flight is cancelled.
  void cancel_all();

  Instant wake_at() const noexcept { return wake_at_; }

  std::string describe() const;

 private:
  struct BufferGroup {
    io_uring_buf_ring* ring;
    unsigned entries;
    std::uint16_t head;
  };

  // The result of trying a request: nothing yet, or its completion.
  struct Outcome {
    std::int32_t res;
    std::uint32_t flags = 0;
  };

  using Tried = std::optional<Outcome>;

  unsigned take_submissions();
  void take(const io_uring_sqe& sqe);
  void attach(SimRequest& request);
  void run_ready();
  void finish(SimRequest& request, Outcome outcome);
  static io_uring_cqe entry_of(std::uint64_t user_data, Outcome outcome) noexcept;
  void post(std::uint64_t user_data, Outcome outcome);
  void queue(const io_uring_cqe& entry);
  void put(const io_uring_cqe& entry);
  void deliver_overflow();
  bool queue_full() const noexcept;

  Tried attempt(SimRequest& request);
  Tried attempt_accept(SimRequest& request);
  Tried attempt_connect(SimRequest& request);
  Tried attempt_receive(SimRequest& request);
  Tried attempt_receive_message(SimRequest& request);
  Tried receive_into_group(SimRequest& request, BufferGroup& group);
  Tried attempt_send(SimRequest& request);
  Tried attempt_read(SimRequest& request);
  Outcome cancel(const SimRequest& request);
  Outcome reject(const SimRequest& request, const char* why);

  SimWorld& world_;
  SimKernel& kernel_;
  int number_;
  bool enabled_ = false;
  io_uring& ring_;

  // The memory shared with production code, through the pointers in io_uring.
  std::vector<io_uring_sqe> sqes_;
  std::vector<io_uring_cqe> cqes_;
  unsigned sq_head_ = 0;   // as production code sees it
  unsigned sq_taken_ = 0;  // up to here they are taken, which it learns when enter() comes back
  bool took_quiet_ = false;
  bool asleep_ = false;
  unsigned sq_tail_ = 0;
  unsigned sq_flags_ = 0;
  unsigned sq_dropped_ = 0;
  unsigned sq_mask_ = 0;
  unsigned sq_entries_ = 0;
  unsigned cq_head_ = 0;
  unsigned cq_tail_ = 0;
  unsigned cq_flags_ = 0;
  unsigned cq_overflow_ = 0;
  unsigned cq_mask_ = 0;
  unsigned cq_entries_ = 0;
  unsigned cq_head_seen_ = 0;

  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::unique_ptr<SimRequest>> requests_;  // by id: in the order of submission
  std::vector<std::uint64_t> ready_;
  std::deque<io_uring_cqe> overflow_;
  std::deque<io_uring_cqe> late_;  // for the next enter()
  std::map<unsigned, BufferGroup> groups_;
  Instant wake_at_ = Instant::max();
  // Expires with the ring, so that events about its requests are dropped.
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace fairlead::sim
