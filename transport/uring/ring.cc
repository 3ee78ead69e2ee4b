#include "transport/uring/ring.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "transport/uring/abi.h"

namespace fairlead {

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

bool Ring::make_send(Op& op, const io_uring_sqe& entry) noexcept {
  CHECK(!op.in_flight_);
  if (sent_ != nullptr || entry.ioprio != 0) return false;
  iovec whole{reinterpret_cast<void*>(entry.addr), entry.len};
  msghdr message{};
  message.msg_iov = &whole;
  message.msg_iovlen = 1;
  if (entry.opcode == IORING_OP_SENDMSG) message = *reinterpret_cast<const msghdr*>(entry.addr);
  if (message.msg_controllen > 0) return false;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i)
    bytes += message.msg_iov[i].iov_len;
  if (bytes > kSendAtOnceBytesMax) return false;
  const int result = kernel_.send(entry.fd, message);
  // An error is told once: to let the ring find it again would turn a reset into an orderly end for the next receive.
  if (result == -EAGAIN) return false;
  op.in_flight_ = true;
  ++in_flight_;
  sent_ = &op;
  sent_result_ = result;
  return true;
}

bool Ring::handle_sent() noexcept {
  send_at_once_ = false;
  if (sent_ == nullptr) return false;
  Op& op = *std::exchange(sent_, nullptr);
  op.in_flight_ = false;
  --in_flight_;
  op.handler_(op, Completion{sent_result_, 0});
  return true;
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
  if (parked_count_ > 0) wait = Duration{};
  if (spin.ns > 0 && wait.ns > 0) {
    ++counters_.enters;
    kernel_.enter(ring_, Duration{});
    if (io_uring_cq_ready(&ring_) > 0) return note_overflow();
    if (kernel_.spin(ring_, std::min(spin, wait))) wait = Duration{};
  }
  ++counters_.enters;
  // Every errno of enter() leaves the requests queued or in flight; completions that are there are handled all the
  // same.
  kernel_.enter(ring_, wait);
  note_overflow();
}

void Ring::note_overflow() noexcept {
  if (io_uring_cq_has_overflow(&ring_)) [[unlikely]]
    ++counters_.completion_overflows;
}

unsigned Ring::handle_completions() noexcept {
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
    Op& op = *reinterpret_cast<Op*>(data);
    if (!done.more()) {
      op.in_flight_ = false;
      --in_flight_;
    }
    op.handler_(op, done);
  }
  counters_.completions += handled;
  if (handled == kCompletionsPerTurnMax && io_uring_cq_ready(&ring_) > 0) ++counters_.bounded_turns;
  return handled;
}

}  // namespace fairlead
