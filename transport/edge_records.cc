#include "transport/edge_records.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "transport/base/check.h"

namespace fairlead {

EdgeRecords::EdgeRecords(const HandshakeResult& keys, PostHandshake::Role role, BlockPool& large, BlockPool& small,
                         std::uint64_t records_per_key) noexcept
    : sealer_(keys.suite, keys.tx_secret, keys.tx_sequence),
      opener_(keys.suite, keys.rx_secret, keys.rx_sequence),
      post_handshake_(role),
      large_(large),
      small_(small),
      records_per_key_(records_per_key) {}

EdgeRecords::~EdgeRecords() {
  drop_joined();
  if (batch_ != nullptr) BlockPool::release(batch_);
}

// ---- what was received

EdgeRecords::Next EdgeRecords::open(Slice& bytes, Slice& plaintext) noexcept {
  if (opened_bytes_ > 0) return hand_out(plaintext);
  while (!bytes.empty()) {
    if (joined_.any()) {
      if (const auto next = join(bytes, plaintext)) return *next;
      continue;
    }
    const auto length = RecordOpener::peek(bytes.data(), bytes.size());
    if (!length) return Next::kError;
    if (*length == 0 || *length > bytes.size()) {
      grow_joined(bytes.size());
      std::memcpy(joined_.data(), bytes.data(), bytes.size());
      joined_.bytes = bytes.size();
      bytes.reset();
      return Next::kNeedMore;
    }
    // The slice keeps its block while the record is looked at.
    const Slice record = bytes.split_front(static_cast<std::uint32_t>(*length));
    if (const Next next = open_record(record.block(), record.data(), *length, plaintext); next != Next::kNeedMore) {
      return next;
    }
  }
  return Next::kNeedMore;
}

std::uint32_t EdgeRecords::Joined::capacity() const noexcept {
  return own != nullptr ? static_cast<std::uint32_t>(kRecordMax) : block->capacity;
}

// Adds to the record in pieces what belongs to it. Nothing: go on with what is left.
std::optional<EdgeRecords::Next> EdgeRecords::join(Slice& bytes, Slice& plaintext) noexcept {
  const auto take = [&](std::uint32_t count) {
    std::memcpy(joined_.data() + joined_.bytes, bytes.data(), count);
    joined_.bytes += count;
    bytes.drop_front(count);
  };
  const std::uint32_t header = static_cast<std::uint32_t>(kRecordHeader);
  if (joined_.bytes < header) take(std::min(header - joined_.bytes, bytes.size()));
  const auto length = RecordOpener::peek(joined_.data(), joined_.bytes);
  if (!length) return Next::kError;
  if (*length == 0) return std::nullopt;
  const std::uint32_t more = std::min(static_cast<std::uint32_t>(*length) - joined_.bytes, bytes.size());
  grow_joined(joined_.bytes + more);
  take(more);
  if (joined_.bytes < *length) return std::nullopt;  // all is taken
  const Next next = open_record(joined_.block, joined_.data(), *length, plaintext);
  if (opened_bytes_ > 0) return hand_out(plaintext);
  drop_joined();
  if (next == Next::kNeedMore) return std::nullopt;
  return next;
}

// A piece of what was opened in memory that no slice can hold.
EdgeRecords::Next EdgeRecords::hand_out(Slice& plaintext) noexcept {
  Block* const block = small_.take();
  if (block == nullptr) return Next::kNoMemory;
  const std::uint32_t size = std::min(opened_bytes_, block->capacity);
  std::memcpy(block->data(), opened_, size);
  plaintext = Slice(block, block->data(), size);
  opened_ += size;
  opened_bytes_ -= size;
  if (opened_bytes_ == 0) drop_joined();
  return Next::kData;
}

// Room for the first `bytes` of a record: a small block as long as that is enough, so that a peer who sends the first
// byte of a record, and no more, does not hold a large one.
void EdgeRecords::grow_joined(std::uint32_t bytes) noexcept {
  if (joined_.any() && bytes <= joined_.capacity()) return;
  Joined grown;
  grown.bytes = joined_.bytes;
  grown.block = bytes <= small_.capacity() ? small_.take() : take_large();
  if (grown.block == nullptr) grown.own = std::make_unique_for_overwrite<std::uint8_t[]>(kRecordMax);
  if (joined_.bytes > 0) std::memcpy(grown.data(), joined_.data(), joined_.bytes);
  drop_joined();
  joined_ = std::move(grown);
}

// What is received needs the last ones.
Block* EdgeRecords::take_large() noexcept {
  return large_.available() > large_.count() / 4 ? large_.take() : nullptr;
}

void EdgeRecords::drop_joined() noexcept {
  if (joined_.block != nullptr) BlockPool::release(joined_.block);
  joined_ = {};
}

// kNeedMore: there was nothing for the application in it. Without a block what there is waits to be handed out.
EdgeRecords::Next EdgeRecords::open_record(Block* block, std::uint8_t* record, std::size_t length,
                                           Slice& plaintext) noexcept {
  const auto opened = opener_.open(record, length);
  if (!opened) return Next::kError;
  switch (opened->type) {
    case ContentType::kApplicationData:
      if (!post_handshake_.application_data()) return Next::kError;
      if (opened->size == 0) return Next::kNeedMore;
      if (block == nullptr) {
        opened_ = opened->data;
        opened_bytes_ = static_cast<std::uint32_t>(opened->size);
        return Next::kData;
      }
      plaintext = Slice::share(block, opened->data, static_cast<std::uint32_t>(opened->size));
      return Next::kData;
    case ContentType::kHandshake: {
      const auto action = post_handshake_.handshake(opened->data, opened->size);
      if (!action) return Next::kError;
      if (*action != PostHandshake::Action::kNone) opener_.advance_key();
      if (*action == PostHandshake::Action::kAdvanceAndAnswer) key_update_owed_ = true;
      return Next::kNeedMore;
    }
    case ContentType::kAlert: {
      const auto alert = PostHandshake::alert(opened->data, opened->size);
      if (alert && alert->is_close_notify()) return Next::kClosed;
      return alert && alert->is_ignorable() ? Next::kNeedMore : Next::kError;
    }
    case ContentType::kChangeCipherSpec:
      break;
  }
  return Next::kNeedMore;
}

// ---- what is sent

bool EdgeRecords::fill(SliceQueue& queue, bool finish) noexcept {
  DCHECK(pending_bytes() == 0 && !close_notify_put_);
  constexpr std::uint32_t kOverhead = static_cast<std::uint32_t>(kRecordOverhead);
  // In front of and behind the data.
  constexpr std::uint32_t kReserve = static_cast<std::uint32_t>(kKeyUpdateRecord + kAlertRecord);
  const bool fits_small = queue.bytes() + kOverhead + kReserve <= small_.capacity();
  batch_ = fits_small ? nullptr : take_large();
  if (batch_ == nullptr) batch_ = small_.take();
  if (batch_ == nullptr) return false;
  if (std::exchange(key_update_owed_, false) || sealer_.records() >= records_per_key_) {
    batch_end_ += static_cast<std::uint32_t>(sealer_.key_update(batch_->data(), false));
  }
  while (!queue.empty() && batch_->capacity - batch_end_ > kOverhead + kAlertRecord) {
    const std::uint32_t room = batch_->capacity - batch_end_ - kOverhead - static_cast<std::uint32_t>(kAlertRecord);
    seal_front(queue, std::min(room, static_cast<std::uint32_t>(kPlaintextMax)));
  }
  if (finish && queue.empty()) {
    batch_end_ += static_cast<std::uint32_t>(sealer_.close_notify(batch_->data() + batch_end_));
    close_notify_put_ = true;
  }
  return true;
}

// One record of at most `room` bytes: of one large slice, or of the small ones up to the next large one.
void EdgeRecords::seal_front(SliceQueue& queue, std::uint32_t room) noexcept {
  std::uint8_t* const record = batch_->data() + batch_end_;
  std::uint32_t size = 0;
  if (Slice& front = queue.front(); front.size() > kCopyMax) {
    size = std::min(front.size(), room);
    batch_end_ += static_cast<std::uint32_t>(sealer_.seal(ContentType::kApplicationData, front.data(), size, record));
    queue.drop_front(size);
  } else {
    std::uint8_t* const text = record + kRecordHeader;
    while (size < room && !queue.empty() && queue.front().size() <= kCopyMax) {
      const std::uint32_t piece = std::min(queue.front().size(), room - size);
      std::memcpy(text + size, queue.front().data(), piece);
      size += piece;
      queue.drop_front(piece);
    }
    batch_end_ += static_cast<std::uint32_t>(sealer_.seal(ContentType::kApplicationData, text, size, record));
  }
  batch_payload_ += size;
}

std::uint32_t EdgeRecords::sent(std::uint32_t bytes) noexcept {
  batch_begin_ += bytes;
  if (batch_begin_ < batch_end_) return 0;
  BlockPool::release(std::exchange(batch_, nullptr));
  batch_begin_ = batch_end_ = 0;
  return std::exchange(batch_payload_, 0);
}

}  // namespace fairlead
