#include "transport/uring/buffer_ring.h"

#include <cerrno>

#include <sys/mman.h>

#include "transport/uring/abi.h"

namespace fairlead {

Result<std::unique_ptr<BufferRing>> BufferRing::open(Ring& ring, BlockPool& pool, std::uint16_t group) {
  std::unique_ptr<BufferRing> buffers(new BufferRing(ring, pool, group));
  constexpr std::size_t kRingBytes = kLentCount * sizeof(io_uring_buf);
  // The kernel demands page alignment.
  void* memory = ::mmap(nullptr, kRingBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return std::unexpected(error_from_errno(errno, "mmap of a buffer ring"));
  buffers->lent_ring_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_ring_init(buffers->lent_ring_);
  buffers->buffer_size_ = pool.capacity() - kHeadroom - kTailroom;

  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
  registration.ring_entries = kLentCount;
  registration.bgid = group;
  if (const int r = ring.kernel().register_buffer_ring(ring.raw(), registration); r < 0) {
    return std::unexpected(error_from_errno(-r, "register a ring of provided buffers (Linux 5.19)"));
  }
  buffers->registered_ = true;
  buffers->refill();
  return buffers;
}

BufferRing::~BufferRing() {
  if (registered_) ring_.kernel().unregister_buffer_ring(ring_.raw(), group_);
  for (Block* block : blocks_) {
    if (block != nullptr) BlockPool::release(block);
  }
  if (lent_ring_ != nullptr) ::munmap(lent_ring_, kLentCount * sizeof(io_uring_buf));
}

void BufferRing::prepare_receive(io_uring_sqe* sqe, int fd, std::uint32_t bytes_max, bool wait_first) const noexcept {
  const bool bundle = ring_.bundles() && bytes_max > buffer_size_;
  const std::uint32_t limit = bundle ? kReceiveBytesMax : buffer_size_;
  std::uint32_t length = bytes_max < limit ? bytes_max : limit;
  // A bundle whose length ends exactly with a buffer is not bounded by it: while the socket has more, Linux goes on
  // into further buffers. Any other length leaves the last, cut buffer unused and ends the receive. (The one division
  // here: nothing beside the receive itself.)
  if (bundle && length % buffer_size_ == 0) --length;
  io_uring_prep_recv(sqe, fd, nullptr, length, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = group_;
  if (bundle) sqe->ioprio |= abi::kRecvSendBundle;
  if (wait_first) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

Block* BufferRing::claim(std::uint16_t position) noexcept {
  Block*& block = blocks_[position & kMask];
  DCHECK(block != nullptr);
  ++used_;
  return std::exchange(block, nullptr);
}

std::uint16_t BufferRing::refill() noexcept {
  std::uint16_t added = 0;
  while (static_cast<std::uint16_t>(published_ + added - used_) < kLentCount) {
    const std::uint16_t position = static_cast<std::uint16_t>(published_ + added) & kMask;
    // Receives complete in the order in which they used positions, but their completions may be handled over two turns.
    if (blocks_[position] != nullptr) break;
    Block* block = pool_.take();
    if (block == nullptr) break;
    blocks_[position] = block;
    io_uring_buf_ring_add(lent_ring_, block->data() + kHeadroom, buffer_size_, position,
                          io_uring_buf_ring_mask(kLentCount), added);
    ++added;
  }
  if (added > 0) io_uring_buf_ring_advance(lent_ring_, added);
  published_ = static_cast<std::uint16_t>(published_ + added);
  return lent();
}

}  // namespace fairlead
