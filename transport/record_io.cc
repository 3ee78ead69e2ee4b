#include "transport/record_io.h"

#include <algorithm>
#include <cstring>

namespace fairlead {

// ---- RecordReceiver

RecordReceiver::Next RecordReceiver::take_handshake(const std::uint8_t* content, std::size_t size) noexcept {
  const auto action = post_handshake_.handshake(content, size);
  if (!action) return end_with(action.error());
  if (*action == PostHandshake::Action::kNone) return Next::kFrames;
  if (!advance_key()) return end_with(RecordFault::kKeyUpdate);
  if (*action == PostHandshake::Action::kAdvanceAndAnswer) key_update_requested_ = true;
  return Next::kFrames;
}

RecordReceiver::Next RecordReceiver::take_alert(const std::uint8_t* content, std::size_t size) noexcept {
  const auto alert = PostHandshake::alert(content, size);
  if (!alert) return end_with(alert.error());
  if (alert->is_close_notify()) return Next::kClosed;
  if (alert->is_ignorable()) return Next::kFrames;
  alert_ = alert->description;
  return Next::kError;
}

RecordReceiver::Next RecordReceiver::end_with(RecordFault fault) noexcept {
  fault_ = fault;
  return Next::kError;
}

// ---- SealingSender

void SealingSender::seal(std::uint8_t* plaintext, std::uint32_t size) noexcept {
  end_ +=
      static_cast<std::uint32_t>(sealer_->seal(ContentType::kApplicationData, plaintext, size, out_->data() + end_));
}

void SealingSender::seal_staging() noexcept {
  if (staged_ == 0) return;
  seal(staging_, std::exchange(staged_, 0));
}

void SealingSender::put_frames(const std::uint8_t* frames, std::uint32_t size) noexcept {
  if (staged_ + size > kPlaintextMax) seal_staging();
  std::memcpy(staging_ + staged_, frames, size);
  staged_ += size;
}

void SealingSender::put_data(const FrameHeader& header, Slice payload) noexcept {
  const std::uint32_t size = kFrameHeaderSize + payload.size();
  if (payload.size() > kCopyMax) {
    seal_staging();
    std::uint8_t* frame = payload.data() - kFrameHeaderSize;
    encode_header(header, frame);
    return seal(frame, size);
  }
  if (staged_ + size > kPlaintextMax) seal_staging();
  encode_header(header, staging_ + staged_);
  if (!payload.empty()) std::memcpy(staging_ + staged_ + kFrameHeaderSize, payload.data(), payload.size());
  staged_ += size;
}

void SealingSender::put_close_notify() noexcept {
  seal_staging();
  end_ += static_cast<std::uint32_t>(sealer_->close_notify(out_->data() + end_));
}

void SealingSender::put_key_update() noexcept {
  end_ += static_cast<std::uint32_t>(sealer_->key_update(out_->data() + end_, false));
}

// ---- OpeningReceiver

bool OpeningReceiver::preload(const std::uint8_t* bytes, std::size_t size) noexcept {
  if (size > block_->capacity) return false;
  if (size > 0) std::memcpy(block_->data(), bytes, size);
  end_ = static_cast<std::uint32_t>(size);
  return true;
}

bool OpeningReceiver::make_room() noexcept {
  if (block_->references == 1) {
    // Nobody else holds any of it: begin again at the front, in memory that is still in the cache.
    if (kept_begin() > 0) move_kept(block_);
    return true;
  }
  if (block_->capacity - end_ >= kRoomMin) return true;
  Block* fresh = pool_.take();
  if (fresh == nullptr) return false;
  move_kept(fresh);
  BlockPool::release(block_);
  block_ = fresh;
  return true;
}

void OpeningReceiver::move_kept(Block* to) noexcept {
  const std::uint32_t from = kept_begin();
  if (end_ > from) std::memmove(to->data(), block_->data() + from, end_ - from);
  begin_ -= from;
  end_ -= from;
  partial_begin_ = 0;
}

RecordReceiver::Next OpeningReceiver::next(Run& run) noexcept {
  while (true) {
    std::uint8_t* record = block_->data() + begin_;
    const auto length = RecordOpener::peek(record, end_ - begin_);
    if (!length) return end_with(length.error());
    if (*length == 0 || *length > end_ - begin_) return Next::kNeedMore;
    begin_ += static_cast<std::uint32_t>(*length);
    const auto opened = opener_->open(record, *length);
    if (!opened) return end_with(opened.error());
    switch (opened->type) {
      case ContentType::kApplicationData:
        if (!application_data()) return end_with(RecordFault::kMessage);
        if (opened->size == 0) continue;
        run = {opened->data, static_cast<std::uint32_t>(opened->size), block_};
        join_partial(run);
        return Next::kFrames;
      case ContentType::kHandshake:
        if (const Next next = take_handshake(opened->data, opened->size); next != Next::kFrames) return next;
        continue;
      case ContentType::kAlert:
        if (const Next next = take_alert(opened->data, opened->size); next != Next::kFrames) return next;
        continue;
      case ContentType::kChangeCipherSpec:
        continue;
    }
  }
}

// A frame that spans records becomes whole again: its beginning moves up, over the tag and header between them.
void OpeningReceiver::join_partial(Run& run) noexcept {
  if (partial_ > 0) {
    std::memmove(run.data - partial_, block_->data() + partial_begin_, partial_);
    run.data -= partial_;
    run.size += partial_;
    partial_ = 0;
  }
  run_end_ = static_cast<std::uint32_t>(run.data - block_->data()) + run.size;
}

void OpeningReceiver::put_back(std::uint32_t bytes) noexcept {
  partial_begin_ = run_end_ - bytes;
  partial_ = bytes;
}

bool OpeningReceiver::advance_key() noexcept {
  opener_->advance_key();
  return true;
}

}  // namespace fairlead
