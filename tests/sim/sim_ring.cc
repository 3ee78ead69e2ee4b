#include "tests/sim/sim_ring.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "tests/sim/sim_kernel.h"
#include "transport/base/check.h"
#include "transport/uring/abi.h"

namespace fairlead::sim {

void SimRequest::file_changed() {
  ring.make_ready(*this);
}

SimRing::SimRing(SimWorld& world, SimKernel& kernel, int number, unsigned entries, io_uring& ring,
                 io_uring_params& params)
    : world_(world), kernel_(kernel), number_(number), ring_(ring) {
  sq_entries_ = std::bit_ceil(entries);
  cq_entries_ = world.faults().completion_queue_entries;
  if (cq_entries_ == 0) cq_entries_ = sq_entries_ * 4;
  cq_entries_ = std::bit_ceil(cq_entries_);
  sq_mask_ = sq_entries_ - 1;
  cq_mask_ = cq_entries_ - 1;
  sqes_.resize(sq_entries_);
  cqes_.resize(cq_entries_);
  ring = {};
  ring.ring_fd = number;
  ring.enter_ring_fd = number;
  ring.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
               IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  ring.features = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL |
                  IORING_FEAT_EXT_ARG;
  if (kernel.options().receive_bundles) ring.features |= abi::kFeatureRecvSendBundle;
  ring.sq.khead = &sq_head_;
  ring.sq.ktail = &sq_tail_;
  ring.sq.kring_mask = &sq_mask_;
  ring.sq.kring_entries = &sq_entries_;
  ring.sq.kflags = &sq_flags_;
  ring.sq.kdropped = &sq_dropped_;
  ring.sq.sqes = sqes_.data();
  ring.sq.ring_mask = sq_mask_;
  ring.sq.ring_entries = sq_entries_;
  ring.cq.khead = &cq_head_;
  ring.cq.ktail = &cq_tail_;
  ring.cq.kring_mask = &cq_mask_;
  ring.cq.kring_entries = &cq_entries_;
  ring.cq.kflags = &cq_flags_;
  ring.cq.koverflow = &cq_overflow_;
  ring.cq.cqes = cqes_.data();
  ring.cq.ring_mask = cq_mask_;
  ring.cq.ring_entries = cq_entries_;
  params.sq_entries = sq_entries_;
  params.cq_entries = cq_entries_;
  params.flags = ring.flags;
  params.features = ring.features;
}

SimRing::~SimRing() {
  for (const auto& [id, request] : requests_) {
    if (!request->file) continue;
    request->file->remove_waiter(*request);
    request->file->drop_reference();
  }
}

// ---- submission

int SimRing::enter(Duration wait) {
  if (!enabled_) return -EBADFD;
  world_.spend(SimWorld::kEnterCost);
  if (wait.ns <= 0 || cq_head_ != cq_head_seen_) world_.note_progress();
  cq_head_seen_ = cq_head_;
  deliver_overflow();
  for (const io_uring_cqe& entry : std::exchange(late_, {}))
    queue(entry);
  const unsigned taken = take_submissions();
  world_.run_due();
  run_ready();
  // Whoever would sleep here is stepped all the same, and must not yet know that its quiet sends are made.
  const bool slept_enough = asleep_ && world_.now() >= wake_at_;
  const Instant wake_before = asleep_ ? wake_at_ : Instant::max();
  asleep_ = took_quiet_ && wait.ns > 0 && cq_tail_ == cq_head_ && overflow_.empty() && !slept_enough;
  if (!asleep_) {
    sq_head_ = sq_taken_;
    took_quiet_ = false;
  }
  wake_at_ = wait.ns <= 0 ? world_.now() : Instant::max();
  if (wait.ns > 0 && wait.ns < Instant::max().ns - world_.now().ns) wake_at_ = world_.now() + wait;
  if (asleep_) wake_at_ = std::min(wake_at_, wake_before);
  if (taken == 0 && sq_taken_ != sq_tail_) return -EAGAIN;
  return static_cast<int>(taken);
}

unsigned SimRing::take_submissions() {
  // What liburing does on the way into the kernel: publish the entries.
  ring_.sq.sqe_head = ring_.sq.sqe_tail;
  sq_tail_ = ring_.sq.sqe_tail;
  unsigned count = sq_tail_ - sq_taken_;
  if (count > 0 && world_.chance(world_.faults().submission_refused)) {
    count = static_cast<unsigned>(world_.prng().below(count));
    world_.note_progress();
  }
  for (unsigned i = 0; i < count; ++i)
    take(sqes_[sq_taken_++ & sq_mask_]);
  return count;
}

void SimRing::take(const io_uring_sqe& sqe) {
  world_.note_progress();
  const std::uint64_t id = next_id_++;
  SimRequest& request = *requests_.emplace(id, std::make_unique<SimRequest>(*this, sqe, id)).first->second;
  request.since = world_.now();
  if (kernel_.dead()) return finish(request, {-ECANCELED});
  attach(request);
  if (sqe.opcode == IORING_OP_CONNECT) world_.spend(kernel_.options().connect_cost);
  // These never wait, and happen in the order of submission: a cancellation finds its target by a number that a request
  // queued behind it may carry again.
  if (sqe.opcode == IORING_OP_ASYNC_CANCEL || sqe.opcode == IORING_OP_NOP) {
    const Tried outcome = attempt(request);
    return finish(request, *outcome);
  }
  // Nor do these wait: they fail.
  if (request.quiet()) {
    took_quiet_ = true;
    const Tried outcome = attempt(request);
    return finish(request, *outcome);
  }
  const Duration delay_max = world_.faults().request_delay_max;
  if (delay_max.ns <= 0) return make_ready(request);
  const Duration delay{static_cast<std::int64_t>(world_.prng().below(static_cast<std::uint64_t>(delay_max.ns) + 1))};
  request.ready = true;
  world_.at(world_.now() + delay, [this, id, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;
    found->second->ready = false;
    make_ready(*found->second);
  });
}

void SimRing::attach(SimRequest& request) {
  const io_uring_sqe& sqe = request.sqe;
  switch (sqe.opcode) {
    case IORING_OP_NOP:
    case IORING_OP_ASYNC_CANCEL:
      return;
    case IORING_OP_CONNECT:
      request.address.size = static_cast<socklen_t>(sqe.off);
      std::memcpy(&request.address.storage, reinterpret_cast<const void*>(sqe.addr),
                  std::min<std::size_t>(request.address.size, sizeof request.address.storage));
      break;
    case IORING_OP_SENDMSG:
    case IORING_OP_RECVMSG:
      request.message = *reinterpret_cast<const msghdr*>(sqe.addr);
      request.vectors.assign(request.message.msg_iov, request.message.msg_iov + request.message.msg_iovlen);
      if (sqe.opcode == IORING_OP_SENDMSG) {
        if (const cmsghdr* control = CMSG_FIRSTHDR(&request.message)) request.type = *CMSG_DATA(control);
      }
      break;
    case IORING_OP_SEND:
    case IORING_OP_RECV:
      request.vectors.push_back({reinterpret_cast<void*>(sqe.addr), sqe.len});
      break;
    default:
      break;
  }
  request.file = world_.file_of(sqe.fd);
  if (request.file == nullptr) return;
  request.file->add_reference();
  request.file->add_waiter(request);
}

void SimRing::make_ready(SimRequest& request) {
  if (request.ready) return;
  request.ready = true;
  ready_.push_back(request.id);
  // Perhaps during another host's turn: this one must run once more before the world counts as quiet.
  world_.note_progress();
}

void SimRing::run_ready() {
  while (!ready_.empty()) {
    std::vector<std::uint64_t> now = std::exchange(ready_, {});
    if (world_.faults().shuffle_completions) world_.shuffle(now);
    for (const std::uint64_t id : now) {
      const auto found = requests_.find(id);
      if (found == requests_.end()) continue;
      SimRequest& request = *found->second;
      request.ready = false;
      const Tried outcome = attempt(request);
      if (outcome.has_value()) {
        finish(request, *outcome);
      } else if (request.must_end) {
        finish(request, {-ECANCELED});
      } else {
        request.waiting = true;
      }
    }
    world_.run_due();
  }
}

void SimRing::cancel_all() {
  while (!requests_.empty())
    finish(*requests_.begin()->second, {-ECANCELED});
}

// ---- completion

io_uring_cqe SimRing::entry_of(std::uint64_t user_data, Outcome outcome) noexcept {
  io_uring_cqe entry{};
  entry.user_data = user_data;
  entry.res = outcome.res;
  entry.flags = outcome.flags;
  return entry;
}

void SimRing::finish(SimRequest& request, Outcome outcome) {
  const bool more = (outcome.flags & IORING_CQE_F_MORE) != 0;
  if (more && queue_full()) outcome.flags &= ~static_cast<std::uint32_t>(IORING_CQE_F_MORE);
  world_.trace({"complete", kernel_.host(), number_ * 256 + request.sqe.opcode, outcome.res, outcome.flags});
  const std::uint64_t user_data = request.sqe.user_data;
  const bool quiet = request.quiet();
  const auto bytes = static_cast<std::int32_t>(size_of(request.vectors));
  if ((outcome.flags & IORING_CQE_F_MORE) != 0) {
    make_ready(request);
  } else {
    const auto keep = requests_.extract(request.id);
    if (request.file) {
      request.file->remove_waiter(request);
      request.file->drop_reference();
    }
  }
  if (!quiet) return post(user_data, outcome);
  // Heard of only if it failed, and then before enter() comes back.
  if (outcome.res != bytes) queue(entry_of(user_data, outcome));
}

bool SimRing::queue_full() const noexcept {
  return !overflow_.empty() || cq_tail_ - cq_head_ >= cq_entries_;
}

void SimRing::post(std::uint64_t user_data, Outcome outcome) {
  world_.note_progress();
  const io_uring_cqe entry = entry_of(user_data, outcome);
  if (!late_.empty() || world_.chance(world_.faults().late_completion)) {
    late_.push_back(entry);
  } else {
    queue(entry);
  }
}

void SimRing::queue(const io_uring_cqe& entry) {
  if (!queue_full()) return put(entry);
  overflow_.push_back(entry);
  sq_flags_ |= IORING_SQ_CQ_OVERFLOW;
}

void SimRing::put(const io_uring_cqe& entry) {
  std::memcpy(&cqes_[cq_tail_++ & cq_mask_], &entry, sizeof entry);
}

void SimRing::deliver_overflow() {
  while (!overflow_.empty() && cq_tail_ - cq_head_ < cq_entries_) {
    put(overflow_.front());
    overflow_.pop_front();
    world_.note_progress();
  }
  if (overflow_.empty()) sq_flags_ &= ~static_cast<unsigned>(IORING_SQ_CQ_OVERFLOW);
}

// ---- buffers

int SimRing::register_buffers(const io_uring_buf_reg& registration) {
  if (!std::has_single_bit(registration.ring_entries)) return -EINVAL;
  if (registration.ring_addr % 4096 != 0) return -EINVAL;
  auto* ring = reinterpret_cast<io_uring_buf_ring*>(registration.ring_addr);
  const bool added = groups_.emplace(registration.bgid, BufferGroup{ring, registration.ring_entries, 0}).second;
  return added ? 0 : -EEXIST;
}

int SimRing::unregister_buffers(int group) {
  return groups_.erase(static_cast<unsigned>(group)) > 0 ? 0 : -ENOENT;
}

std::string SimRing::describe() const {
  std::string text = fmt::format("  ring {}: {} to submit, {} completed, {} kept back", number_, sq_tail_ - sq_taken_,
                                 cq_tail_ - cq_head_, overflow_.size());
  text += wake_at_ == Instant::max() ? ", waits for a completion\n"
                                     : fmt::format(", wakes at {:.6f} s\n", static_cast<double>(wake_at_.ns) / 1e9);
  for (const auto& [id, request] : requests_) {
    text += fmt::format("    opcode {} fd {} since {:.6f} s{}: {}\n", request->sqe.opcode, request->sqe.fd,
                        static_cast<double>(request->since.ns) / 1e9, request->ready ? ", about to be tried" : "",
                        request->file ? request->file->describe() : "no file");
  }
  return text;
}

}  // namespace fairlead::sim
