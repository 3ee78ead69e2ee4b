// How a session's frames become TLS records on its socket and back. RecordSender and RecordReceiver are the seam
// between the two kinds of record protection: in user space (here: records are sealed into, and opened in, the
// session's own blocks) and in the kernel (kernel_records.h). To the peer they are the same.
//
// Owner: Session. One shard's thread. No allocation after construction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <liburing.h>
#include <sys/socket.h>

#include "transport/base/error.h"
#include "transport/tls/post_handshake.h"
#include "transport/tls/record.h"
#include "transport/uring/block_pool.h"
#include "transport/uring/op.h"
#include "transport/wire/frame.h"

namespace fairlead {

// One batch at a time: put…, flush, then send until pending_bytes() is 0, then the next batch.
class RecordSender {
 public:
  virtual ~RecordSender() = default;

  // Whether one more frame of any size may be put.
  virtual bool room() const noexcept = 0;
  // Whole frames that are small (at most a small block): copied.
  virtual void put_frames(const std::uint8_t* frames, std::uint32_t size) noexcept = 0;
  // One frame. The kFrameHeaderSize bytes in front of a payload of more than kCopyMax bytes and the byte behind it may
  // be overwritten for the duration of the call: they are headroom, tailroom, or bytes that are done with.
  virtual void put_data(const FrameHeader& header, Slice payload) noexcept = 0;
  // TLS close_notify: nothing may be put after it.
  virtual void put_close_notify() noexcept = 0;
  // Goes over to the next key, and tells the peer so (RFC 8446 4.6.3): first in its batch, and if can_update_key().
  virtual void put_key_update() noexcept = 0;
  // Ends the batch.
  virtual void flush() noexcept = 0;

  virtual std::uint32_t pending_bytes() const noexcept = 0;
  virtual void prepare_send(io_uring_sqe* sqe, int fd) noexcept = 0;
  // Whether the ring may be asked to make it quietly (ring.h).
  virtual bool may_be_quiet() const noexcept = 0;
  // 0, or -errno: then nothing more can be sent.
  virtual int sent(std::uint32_t bytes) noexcept = 0;

  virtual bool can_update_key() const noexcept = 0;
  // That the present key protects, with those of the batch; never fewer than there are.
  virtual std::uint64_t records_of_key() const noexcept = 0;
};

class RecordReceiver {
 public:
  enum class Next : std::uint8_t {
    kFrames,    // a run of plaintext: frames, the last of which may not be whole
    kNeedMore,  // receive more bytes
    kClosed,    // the peer sent close_notify
    kError,     // error() says what is wrong; the session ends
  };

  struct Run {
    std::uint8_t* data = nullptr;
    std::uint32_t size = 0;
    Block* block = nullptr;  // holds the bytes; share it to keep them
  };

  explicit RecordReceiver(PostHandshake::Role role) noexcept : post_handshake_(role) {}

  virtual ~RecordReceiver() = default;

  // Makes room for the next receive. False: no block to be had now.
  virtual bool make_room() noexcept = 0;
  // `wait_first`: there is probably nothing to receive yet.
  virtual void prepare_receive(io_uring_sqe* sqe, int fd, bool wait_first) noexcept = 0;
  virtual void received(std::uint32_t bytes) noexcept = 0;
  virtual Next next(Run& run) noexcept = 0;
  // The last bytes of the run that next() gave are the beginning of a frame: the next run begins with them. They are
  // fewer than the largest frame has.
  virtual void put_back(std::uint32_t bytes) noexcept = 0;
  // Set when the peer asked for a KeyUpdate of ours; reading it resets it.
  bool take_key_update_request() noexcept { return std::exchange(key_update_requested_, false); }

  // Why next() said kError.
  Error error() const { return fault_ ? error_of(*fault_) : error_of_alert(alert_, "the peer"); }

  // What a receive failed with, in words.
  virtual Error error_of_receive(int errno_value) const {
    return error_from_errno(errno_value, "connection to the peer");
  }

 protected:
  // What records that are no application data mean, whoever opened them. kFrames: go on with the next.
  Next take_handshake(const std::uint8_t* content, std::size_t size) noexcept;
  Next take_alert(const std::uint8_t* content, std::size_t size) noexcept;
  // Goes over to the peer's next key. False: that cannot be.
  virtual bool advance_key() noexcept = 0;
  Next end_with(RecordFault fault) noexcept;

  // To be called for each record of application data, as PostHandshake says.
  [[nodiscard]] bool application_data() noexcept { return post_handshake_.application_data(); }

 private:
  PostHandshake post_handshake_;
  bool key_update_requested_ = false;
  std::optional<RecordFault> fault_;
  std::uint8_t alert_ = 0;  // if not fault_: the peer's
};

// Records sealed in user space. Payloads of more than kCopyMax bytes are sealed straight from where they were received;
// smaller ones and control frames are put together in a staging buffer, so that many small frames share a record.
class SealingSender final : public RecordSender {
 public:
  static constexpr std::uint32_t kCopyMax = 4096;

  // `out` is a block of the link pool; one reference is taken over.
  SealingSender(std::unique_ptr<RecordSealer> sealer, Block* out) noexcept : sealer_(std::move(sealer)), out_(out) {}

  ~SealingSender() override { BlockPool::release(out_); }

  SealingSender(const SealingSender&) = delete;
  SealingSender& operator=(const SealingSender&) = delete;

  // A staged record, a direct one, and a key update or alert.
  bool room() const noexcept override { return out_->capacity - end_ >= 2 * (kPlaintextMax + kRecordOverhead) + 256; }

  void put_frames(const std::uint8_t* frames, std::uint32_t size) noexcept override;
  void put_data(const FrameHeader& header, Slice payload) noexcept override;
  void put_close_notify() noexcept override;
  void put_key_update() noexcept override;

  void flush() noexcept override { seal_staging(); }

  std::uint32_t pending_bytes() const noexcept override { return end_ - begin_; }

  void prepare_send(io_uring_sqe* sqe, int fd) noexcept override {
    io_uring_prep_send(sqe, fd, out_->data() + begin_, end_ - begin_, MSG_NOSIGNAL);
  }

  bool may_be_quiet() const noexcept override { return true; }

  int sent(std::uint32_t bytes) noexcept override {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
    return 0;
  }

  bool can_update_key() const noexcept override { return true; }

  std::uint64_t records_of_key() const noexcept override { return sealer_->records(); }

 private:
  void seal(std::uint8_t* plaintext, std::uint32_t size) noexcept;
  void seal_staging() noexcept;

  std::unique_ptr<RecordSealer> sealer_;
  Block* out_;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t staged_ = 0;
  // One byte more than a record's plaintext: sealing puts the content type behind it.
  alignas(64) std::uint8_t staging_[kPlaintextMax + 1];
};

// Records opened in user space, in place, in the block they were received into.
class OpeningReceiver final : public RecordReceiver {
 public:
  // One reference of `first`, a block of `pool`, is taken over; a block must hold at least two records.
  OpeningReceiver(std::unique_ptr<RecordOpener> opener, PostHandshake::Role role, BlockPool& pool,
                  Block* first) noexcept
      : RecordReceiver(role), opener_(std::move(opener)), pool_(pool), block_(first) {}

  ~OpeningReceiver() override { BlockPool::release(block_); }

  OpeningReceiver(const OpeningReceiver&) = delete;
  OpeningReceiver& operator=(const OpeningReceiver&) = delete;

  // Bytes that came in before the session took the socket over. False: more than a block holds.
  bool preload(const std::uint8_t* bytes, std::size_t size) noexcept;

  bool make_room() noexcept override;

  void prepare_receive(io_uring_sqe* sqe, int fd, bool wait_first) noexcept override {
    io_uring_prep_recv(sqe, fd, block_->data() + end_, block_->capacity - end_, 0);
    if (wait_first) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
  }

  void received(std::uint32_t bytes) noexcept override { end_ += bytes; }

  Next next(Run& run) noexcept override;
  void put_back(std::uint32_t bytes) noexcept override;

 private:
  // A receive into less than this is not worth its system call: the rest moves to a fresh block.
  static constexpr std::uint32_t kRoomMin = 64 * 1024;

  bool advance_key() noexcept override;

  // Where what has to be kept begins.
  std::uint32_t kept_begin() const noexcept { return partial_ > 0 ? partial_begin_ : begin_; }

  void move_kept(Block* to) noexcept;
  void join_partial(Run& run) noexcept;

  std::unique_ptr<RecordOpener> opener_;
  BlockPool& pool_;
  Block* block_;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t run_end_ = 0;  // of the last run that was given
  // The beginning of a frame, opened; the record with its rest comes behind it, after the tag of its own record.
  std::uint32_t partial_begin_ = 0;
  std::uint32_t partial_ = 0;
};

}  // namespace fairlead
