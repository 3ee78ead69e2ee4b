// KernelSender and KernelReceiver: a session's frames as plaintext, in and out of a socket whose records the kernel
// protects (kernel_tls.h). Frames are gathered from the buffers they were received into and scattered into the
// session's blocks, as with a socket without TLS: no pass over the bytes in user space.
//
// A send of any size is cut into records by the kernel, so frames may span them. Records that are no application data
// (KeyUpdate, alerts, tickets) travel as control messages of their own, and a receive ends in front of one.
//
// Owner: Session. One shard's thread. No allocation after construction.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include <sys/socket.h>

#include "transport/kernel_tls.h"
#include "transport/record_io.h"

namespace fairlead {

// The key of one direction of a socket, which the kernel has, and its successors.
class KernelKey {
 public:
  KernelKey(Kernel& kernel, int fd, TlsDirection direction, CipherSuite suite, const TrafficSecret& secret,
            bool replaceable) noexcept
      : kernel_(kernel), fd_(fd), direction_(direction), suite_(suite), secret_(secret), replaceable_(replaceable) {}

  bool replaceable() const noexcept { return replaceable_; }

  // Goes over to the next generation (RFC 8446 7.2). Returns 0 or -errno.
  int advance() noexcept;

 private:
  Kernel& kernel_;
  int fd_;
  TlsDirection direction_;
  CipherSuite suite_;
  TrafficSecret secret_;
  bool replaceable_;
};

class KernelSender final : public RecordSender {
 public:
  // Payloads of more than this are gathered from where they are; a vector of its own costs as much as copying less.
  static constexpr std::uint32_t kCopyMax = 2048;

  // `staging` is a block of the link pool; one reference is taken over.
  KernelSender(const KernelKey& key, Block* staging) noexcept : key_(key), staging_(staging) {}

  ~KernelSender() override { BlockPool::release(staging_); }

  KernelSender(const KernelSender&) = delete;
  KernelSender& operator=(const KernelSender&) = delete;

  // The end of a run of staged frames, a header, a payload; and the largest run.
  bool room() const noexcept override {
    return count_ + 3 <= kVectorsMax && staging_->capacity - staged_ >= kPlaintextMax;
  }

  void put_frames(const std::uint8_t* frames, std::uint32_t size) noexcept override;
  void put_data(const FrameHeader& header, Slice payload) noexcept override;
  void put_close_notify() noexcept override;
  void put_key_update() noexcept override;

  void flush() noexcept override {}

  std::uint32_t pending_bytes() const noexcept override { return before_.size + bytes_ + after_.size; }

  void prepare_send(io_uring_sqe* sqe, int fd) noexcept override;

  // Kernel TLS refuses MSG_WAITALL (EOPNOTSUPP).
  bool may_be_quiet() const noexcept override { return false; }

  int sent(std::uint32_t bytes) noexcept override;

  bool can_update_key() const noexcept override { return key_.replaceable(); }

  std::uint64_t records_of_key() const noexcept override { return records_; }

 private:
  static constexpr std::uint32_t kVectorsMax = 64;

  // A record that is no application data; size 0: none.
  struct ControlRecord {
    std::uint8_t size = 0;
    ContentType type{};
    std::array<std::uint8_t, 8> content{};
  };

  std::uint8_t* stage(std::uint32_t size) noexcept;
  void prepare(const ControlRecord& record) noexcept;

  KernelKey key_;
  Block* staging_;
  std::uint32_t staged_ = 0;
  ControlRecord before_;     // leaves before the frames of the batch
  ControlRecord after_;      // and after them
  std::uint32_t bytes_ = 0;  // of the frames
  std::uint32_t first_ = 0;  // of the vectors that are not sent yet
  std::uint32_t count_ = 0;
  std::uint64_t records_ = 0;  // under the present key; no less than the kernel has made
  std::array<iovec, kVectorsMax> vectors_;
  std::array<Slice, kVectorsMax> owners_;  // of the bytes of each vector; empty for staged ones
  iovec control_vector_{};
  msghdr message_{};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint8_t))> control_{};
};

class KernelReceiver final : public RecordReceiver {
 public:
  // One reference of `first`, a block of `pool`, is taken over.
  KernelReceiver(const KernelKey& key, PostHandshake::Role role, BlockPool& pool, Block* first) noexcept
      : RecordReceiver(role), key_(key), pool_(pool), block_(first) {}

  ~KernelReceiver() override { BlockPool::release(block_); }

  KernelReceiver(const KernelReceiver&) = delete;
  KernelReceiver& operator=(const KernelReceiver&) = delete;

  bool make_room() noexcept override;
  void prepare_receive(io_uring_sqe* sqe, int fd, bool wait_first) noexcept override;
  void received(std::uint32_t bytes) noexcept override;
  Next next(Run& run) noexcept override;
  void put_back(std::uint32_t bytes) noexcept override;

  Error error_of_receive(int errno_value) const override;

 private:
  // The kernel opens as many records at a time as fit; below this the next receive begins in a fresh block.
  static constexpr std::uint32_t kRoomMin = 64 * 1024;

  bool advance_key() noexcept override { return key_.replaceable() && key_.advance() == 0; }

  Next next_control() noexcept;

  KernelKey key_;
  BlockPool& pool_;
  Block* block_;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t partial_ = 0;       // bytes at begin_ that wait for the rest of their frame
  std::uint32_t control_size_ = 0;  // bytes at end_ of a record that is no application data
  std::optional<ContentType> control_type_;
  iovec vector_{};
  msghdr message_{};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint8_t))> control_{};
};

}  // namespace fairlead
