#include "transport/uring/ring.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "transport/uring/abi.h"

namespace fairlead {
namespace {

// In the user_data of a quiet send, beside the address of its Op.
constexpr std::uint64_t kQuietTag = 1;
static_assert(alignof(Op) > kQuietTag);

Op& op_of(std::uint64_t user_data) noexcept {
  return *reinterpret_cast<Op*>(user_data & ~kQuietTag);
}

}  // namespace

Result<std::unique_ptr<Ring>> Ring::open(Kernel& kernel, unsigned entries) {
  std::unique_ptr<Ring> ring(new Ring(kernel));
  io_uring_params params;
  if (const int r = kernel.setup_ring(ring->ring_, entries, params); r < 0) {
    return std::unexpected(error_from_errno(-r, "io_uring_setup"));
  }
  ring->open_ = true;
  ring->bundles_ = (params.features & abi::kFeatureRecvSendBundle) != 0;
  void* memory = ::mmap(nullptr, kParkedMax * sizeof(io_uring_sqe), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return std::unexpected(error_from_errno(errno, "mmap of parked requests"));
  ring->parked_ = static_cast<io_uring_sqe*>(memory);
  ring->quiet_ = std::make_unique_for_overwrite<QuietSend[]>(kQuietMax);
  ring->settled_ = std::make_unique_for_overwrite<QuietSend[]>(kQuietMax);
  return ring;
}

Ring::~Ring() {
  CHECK(in_flight_ == 0);
  if (parked_ != nullptr) ::munmap(parked_, kParkedMax * sizeof(io_uring_sqe));
  if (open_) kernel_.close_ring(ring_);
}

Result<void> Ring::enable() {
  if (const int r = kernel_.enable_ring(ring_); r < 0) return std::unexpected(error_from_errno(-r, "io_uring enable"));
  return {};
}

void Ring::cancel(Op& op) noexcept {
  if (!op.in_flight_) return;
  if (op.quiet_ != 0) return expect_quiet();  // it does not wait for anything
  io_uring_sqe* sqe = next_entry();
  io_uring_prep_cancel64(sqe, reinterpret_cast<std::uint64_t>(&op), 0);
  // No one waits for the cancellation's own completion: user_data 0 marks it.
  sqe->user_data = 0;
}

io_uring_sqe* Ring::next_entry() noexcept {
  if (parked_count_ == 0) {
    if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_); sqe != nullptr) return sqe;
    ++counters_.enters;
    kernel_.enter(ring_, Duration{});
    if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_); sqe != nullptr) return sqe;
  }
  // Only a kernel out of memory comes here. With the parking space full as well there is nothing left but to wait for
  // it.
  while (parked_count_ == kParkedMax) {
    ++counters_.enters;
    kernel_.enter(ring_, Duration::milliseconds(1));
    submit_parked();
  }
  ++counters_.submissions_deferred;
  io_uring_sqe* sqe = &parked_[parked_count_++];
  std::memset(sqe, 0, sizeof *sqe);
  return sqe;
}

void Ring::make_quiet(io_uring_sqe& sqe, Op& op, std::uint32_t bytes) noexcept {
  // MSG_WAITALL makes a send of fewer bytes a failure, which MSG_DONTWAIT has told of before the kernel takes the next
  // request: so what is not heard of was sent whole.
  sqe.msg_flags |= MSG_DONTWAIT | MSG_WAITALL;
  sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
  sqe.user_data |= kQuietTag;
  quiet_[quiet_count_] = {&op, bytes};
  op.quiet_ = ++quiet_count_;
}

// The last enter() has made the quiet sends, unless the kernel did not take them yet or keeps back a completion.
void Ring::settle_quiet() noexcept {
  if (quiet_count_ == 0 || !all_submitted() || io_uring_cq_has_overflow(&ring_)) return;
  CHECK(settled_count_ == 0);
  unsigned head;
  io_uring_cqe* cqe;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    if ((cqe->user_data & kQuietTag) != 0) quiet_failed(op_of(cqe->user_data));
  }
  settled_.swap(quiet_);
  settled_count_ = std::exchange(quiet_count_, 0);
  sleepless_ = false;
}

void Ring::quiet_failed(Op& op) noexcept {
  if (op.quiet_ == 0) return;  // known already
  quiet_[op.quiet_ - 1].op = nullptr;
  op.quiet_ = 0;
}

void Ring::handle_quiet() noexcept {
  for (std::uint32_t i = 0; i < settled_count_; ++i) {
    const auto [op, bytes] = settled_[i];
    if (op == nullptr) continue;
    op->quiet_ = 0;
    complete(*op, {static_cast<std::int32_t>(bytes), 0});
  }
  settled_count_ = 0;
}

void Ring::complete(Op& op, Completion done) noexcept {
  if (!done.more()) {
    op.in_flight_ = false;
    --in_flight_;
  }
  op.handler_(op, done);
}

void Ring::submit_parked() noexcept {
  unsigned moved = 0;
  while (moved < parked_count_) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) break;
    *sqe = parked_[moved++];
  }
  parked_count_ -= moved;
  std::memmove(parked_, parked_ + moved, parked_count_ * sizeof *parked_);
}

void Ring::enter(Duration wait, Duration spin) noexcept {
  ++counters_.turns;
  if (parked_count_ > 0) [[unlikely]]
    submit_parked();
  if (parked_count_ > 0 || sleepless_) wait = Duration{};
  if (spin.ns > 0 && wait.ns > 0) {
    ++counters_.enters;
    kernel_.enter(ring_, Duration{});
    if (io_uring_cq_ready(&ring_) > 0) return after_enter();
    if (kernel_.spin(ring_, std::min(spin, wait))) wait = Duration{};
  }
  ++counters_.enters;
  // Every errno of enter() leaves the requests queued or in flight; completions that are there are handled all the
  // same.
  kernel_.enter(ring_, wait);
  after_enter();
}

void Ring::after_enter() noexcept {
  if (io_uring_cq_has_overflow(&ring_)) [[unlikely]]
    ++counters_.completion_overflows;
  settle_quiet();
}

unsigned Ring::handle_completions() noexcept {
  handle_quiet();
  unsigned handled = 0;
  while (handled < kCompletionsPerTurnMax) {
    if (io_uring_cq_ready(&ring_) == 0) break;
    const io_uring_cqe* cqe = &ring_.cq.cqes[*ring_.cq.khead & ring_.cq.ring_mask];
    // Copied and released before the handler runs: a handler may submit, and a full queue may enter the kernel.
    const std::uint64_t data = cqe->user_data;
    const Completion done{cqe->res, cqe->flags};
    io_uring_cq_advance(&ring_, 1);
    ++handled;
    if (data == 0) continue;
    Op& op = op_of(data);
    if ((data & kQuietTag) != 0) quiet_failed(op);
    complete(op, done);
  }
  counters_.completions += handled;
  if (handled == kCompletionsPerTurnMax && io_uring_cq_ready(&ring_) > 0) ++counters_.bounded_turns;
  return handled;
}

}  // namespace fairlead
