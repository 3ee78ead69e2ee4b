#include "transport/kernel_records.h"

#include <cerrno>
#include <cstring>

#include <linux/tls.h>

#include "transport/tls/key_schedule.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace fairlead {

int KernelKey::advance() noexcept {
  secret_ = next_generation(suite_, secret_);
  return set_kernel_tls_key(kernel_, fd_, direction_, suite_, secret_, 0);
}

// ---- KernelSender

// Room for `size` bytes that are sent behind all that was put.
std::uint8_t* KernelSender::stage(std::uint32_t size) noexcept {
  std::uint8_t* const at = staging_->data() + staged_;
  staged_ += size;
  bytes_ += size;
  if (count_ > 0) {
    iovec& last = vectors_[count_ - 1];
    if (static_cast<std::uint8_t*>(last.iov_base) + last.iov_len == at) {
      last.iov_len += size;
      return at;
    }
  }
  vectors_[count_++] = {at, size};
  return at;
}

void KernelSender::put_frames(const std::uint8_t* frames, std::uint32_t size) noexcept {
  std::memcpy(stage(size), frames, size);
}

void KernelSender::put_data(const FrameHeader& header, Slice payload) noexcept {
  encode_header(header, stage(kFrameHeaderSize));
  if (payload.size() > kCopyMax) {
    bytes_ += payload.size();
    vectors_[count_] = {payload.data(), payload.size()};
    owners_[count_++] = std::move(payload);
  } else if (!payload.empty()) {
    std::memcpy(stage(payload.size()), payload.data(), payload.size());
  }
}

void KernelSender::put_close_notify() noexcept {
  after_ = {2, ContentType::kAlert, {kAlertWarning, static_cast<std::uint8_t>(AlertDescription::kCloseNotify)}};
}

void KernelSender::put_key_update() noexcept {
  before_ = {kKeyUpdateMessage.size(), ContentType::kHandshake, {}};
  std::memcpy(before_.content.data(), kKeyUpdateMessage.data(), kKeyUpdateMessage.size());
}

void KernelSender::prepare(const ControlRecord& record) noexcept {
  // The kernel only reads it.
  control_vector_ = {const_cast<std::uint8_t*>(record.content.data()), record.size};
  message_.msg_iov = &control_vector_;
  message_.msg_iovlen = 1;
  message_.msg_control = control_.data();
  message_.msg_controllen = control_.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message_);
  header->cmsg_level = SOL_TLS;
  header->cmsg_type = TLS_SET_RECORD_TYPE;
  header->cmsg_len = CMSG_LEN(sizeof(std::uint8_t));
  *CMSG_DATA(header) = static_cast<std::uint8_t>(record.type);
}

void KernelSender::prepare_send(io_uring_sqe* sqe, int fd) noexcept {
  message_ = {};
  if (before_.size > 0) {
    prepare(before_);
  } else if (first_ == count_) {
    prepare(after_);
  } else {
    message_.msg_iov = &vectors_[first_];
    message_.msg_iovlen = count_ - first_;
  }
  io_uring_prep_sendmsg(sqe, fd, &message_, MSG_NOSIGNAL);
  // The kernel may still hold a part of a record that it counts as sent, and would lose it to the FIN that follows
  // close_notify: when there is room, that part has left first.
  if (before_.size == 0 && first_ == count_) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

int KernelSender::sent(std::uint32_t bytes) noexcept {
  // A control record is so small that the kernel takes it whole or not at all.
  if (before_.size > 0) {
    before_.size = 0;
    records_ = 0;
    return key_.advance();
  }
  if (first_ == count_) {
    after_.size = 0;
    return 0;
  }
  // Records are cut at 16 KiB of what one send takes, at the least.
  records_ += 1 + bytes / kPlaintextMax;
  bytes_ -= bytes;
  while (bytes > 0) {
    iovec& vector = vectors_[first_];
    if (bytes < vector.iov_len) {
      vector.iov_base = static_cast<std::uint8_t*>(vector.iov_base) + bytes;
      vector.iov_len -= bytes;
      return 0;
    }
    bytes -= static_cast<std::uint32_t>(vector.iov_len);
    owners_[first_++].reset();
  }
  if (first_ == count_) first_ = count_ = staged_ = 0;
  return 0;
}

// ---- KernelReceiver

bool KernelReceiver::make_room() noexcept {
  if (block_->references == 1) {
    if (begin_ > 0) {
      if (partial_ > 0) std::memmove(block_->data(), block_->data() + begin_, partial_);
      begin_ = 0;
      end_ = partial_;
    }
    return true;
  }
  if (block_->capacity - end_ >= kRoomMin) return true;
  Block* fresh = pool_.take();
  if (fresh == nullptr) return false;
  if (partial_ > 0) std::memcpy(fresh->data(), block_->data() + begin_, partial_);
  BlockPool::release(block_);
  block_ = fresh;
  begin_ = 0;
  end_ = partial_;
  return true;
}

// Never waits first: a KeyUpdate that the receive before has opened and kept back is readable, and poll does not say so
// (Linux 6.14 and later) until there is a new key.
void KernelReceiver::prepare_receive(io_uring_sqe* sqe, int fd, bool) noexcept {
  vector_ = {block_->data() + end_, block_->capacity - end_};
  message_ = {};
  message_.msg_iov = &vector_;
  message_.msg_iovlen = 1;
  message_.msg_control = control_.data();
  message_.msg_controllen = control_.size();
  io_uring_prep_recvmsg(sqe, fd, &message_, 0);
}

void KernelReceiver::received(std::uint32_t bytes) noexcept {
  const cmsghdr* const header = CMSG_FIRSTHDR(&message_);
  auto type = ContentType::kApplicationData;
  if (header != nullptr && header->cmsg_level == SOL_TLS && header->cmsg_type == TLS_GET_RECORD_TYPE) {
    type = static_cast<ContentType>(*CMSG_DATA(header));
  }
  if (type == ContentType::kApplicationData) {
    end_ += bytes;
    partial_ = 0;
  } else {
    control_type_ = type;
    control_size_ = bytes;
  }
}

RecordReceiver::Next KernelReceiver::next(Run& run) noexcept {
  if (control_type_) {
    if (const Next next = next_control(); next != Next::kFrames) return next;
  }
  if (end_ - begin_ == partial_) return Next::kNeedMore;
  if (!application_data()) return end_with(RecordFault::kMessage);
  run = {block_->data() + begin_, end_ - begin_, block_};
  begin_ = end_;
  return Next::kFrames;
}

void KernelReceiver::put_back(std::uint32_t bytes) noexcept {
  begin_ -= bytes;
  partial_ = bytes;
}

// kFrames: go on.
RecordReceiver::Next KernelReceiver::next_control() noexcept {
  const std::uint8_t* const content = block_->data() + end_;
  switch (*std::exchange(control_type_, std::nullopt)) {
    case ContentType::kHandshake:
      return take_handshake(content, control_size_);
    case ContentType::kAlert:
      return take_alert(content, control_size_);
    case ContentType::kChangeCipherSpec:
    case ContentType::kApplicationData:
      break;
  }
  return end_with(RecordFault::kContentType);  // or a type that there is not
}

Error KernelReceiver::error_of_receive(int errno_value) const {
  switch (errno_value) {
    case EBADMSG:
      return error_of(RecordFault::kBadTag);
    case EMSGSIZE:
      return error_of(RecordFault::kTooLong);
    case EINVAL:
      return error_of(RecordFault::kVersion);
    default:
      return RecordReceiver::error_of_receive(errno_value);
  }
}

}  // namespace fairlead
