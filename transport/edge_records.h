// EdgeRecords: TLS records of an application's connection, sealed and opened in user space (tls/record.h). Records are
// opened in place, in the lent buffers that they were received into. Only one that came in pieces is put together, in a
// block of its own; where none is to spare, in memory of its own, and is handed out in small blocks. What is sent is
// sealed straight from the slices of the queue, a batch at a time, into a block that goes back once the kernel has
// taken it: an idle connection holds none.
//
// Owner: EdgeSocket. One shard's thread. On the byte path: no allocation but that for a record where blocks are short.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "transport/tls/handshake.h"
#include "transport/tls/post_handshake.h"
#include "transport/tls/record.h"
#include "transport/uring/block_pool.h"
#include "transport/uring/slice_queue.h"

namespace fairlead {

class EdgeRecords {
 public:
  // `large` has blocks of several records, `small` of a few KiB. The key of what is sent is replaced after
  // `records_per_key`.
  EdgeRecords(const HandshakeResult& keys, PostHandshake::Role role, BlockPool& large, BlockPool& small,
              std::uint64_t records_per_key) noexcept;
  ~EdgeRecords();
  EdgeRecords(const EdgeRecords&) = delete;
  EdgeRecords& operator=(const EdgeRecords&) = delete;

  // ---- what was received

  enum class Next : std::uint8_t {
    kData,      // `plaintext` is some of it
    kNeedMore,  // all of `bytes` is taken
    kClosed,    // the peer sent close_notify
    kNoMemory,  // to be tried again, with what is left of `bytes`
    kError,     // a bad record, or an alert: the connection ends
  };
  // Takes records off the front of `bytes`, which came in behind those of the calls before.
  Next open(Slice& bytes, Slice& plaintext) noexcept;

  // Of a record that is not whole yet. They count for what may be received: their plaintext is still to come.
  std::uint32_t held_bytes() const noexcept { return joined_.bytes; }

  // Some of a record waits for memory, whatever else came.
  bool has_opened() const noexcept { return opened_bytes_ > 0; }

  // ---- what is sent: fill, then send until pending_bytes() is 0, then the next batch

  // Seals what `queue` begins with, and close_notify behind it if `finish` and all of the queue is in. False: no block
  // to be had.
  bool fill(SliceQueue& queue, bool finish) noexcept;

  const std::uint8_t* pending() const noexcept { return batch_->data() + batch_begin_; }

  std::uint32_t pending_bytes() const noexcept { return batch_end_ - batch_begin_; }

  // Of which so many have left. Returns how many bytes of the queue that makes: 0 until the batch is out.
  std::uint32_t sent(std::uint32_t bytes) noexcept;

  bool close_notify_put() const noexcept { return close_notify_put_; }

  // Something is to be sent besides what waits in a queue.
  bool wants_to_send() const noexcept { return key_update_owed_ || pending_bytes() > 0; }

 private:
  // Payloads of up to this are copied into their record; larger ones are sealed straight from where they are.
  static constexpr std::uint32_t kCopyMax = 4096;

  // A record that came in pieces, or the beginning of one.
  struct Joined {
    Block* block = nullptr;
    std::unique_ptr<std::uint8_t[]> own;  // of kRecordMax bytes, in place of a large block where there is none
    std::uint32_t bytes = 0;

    bool any() const noexcept { return block != nullptr || own != nullptr; }
    std::uint8_t* data() const noexcept { return own != nullptr ? own.get() : block->data(); }
    std::uint32_t capacity() const noexcept;
  };

  Next open_record(Block* block, std::uint8_t* record, std::size_t length, Slice& plaintext) noexcept;
  std::optional<Next> join(Slice& bytes, Slice& plaintext) noexcept;
  Next hand_out(Slice& plaintext) noexcept;
  void grow_joined(std::uint32_t bytes) noexcept;
  Block* take_large() noexcept;
  void drop_joined() noexcept;
  void seal_front(SliceQueue& queue, std::uint32_t room) noexcept;

  RecordSealer sealer_;
  RecordOpener opener_;
  PostHandshake post_handshake_;
  BlockPool& large_;
  BlockPool& small_;
  std::uint64_t records_per_key_;
  Joined joined_;
  std::uint8_t* opened_ = nullptr;  // in joined_.own: plaintext that is not handed out yet
  std::uint32_t opened_bytes_ = 0;
  Block* batch_ = nullptr;
  std::uint32_t batch_begin_ = 0;
  std::uint32_t batch_end_ = 0;
  std::uint32_t batch_payload_ = 0;  // bytes of the queue in it
  bool key_update_owed_ = false;
  bool close_notify_put_ = false;
};

}  // namespace fairlead
