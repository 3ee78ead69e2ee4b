#include "transport/stream.h"

#include <algorithm>

#include "transport/base/tracepoint.h"
#include "transport/opening.h"
#include "transport/record_io.h"
#include "transport/session.h"
#include "transport/shard.h"

namespace fairlead {

// ---- from the peer to the far end

void Stream::deliver(Slice bytes) noexcept {
  if (!state_.can_send()) return;
  if (out_.empty()) moved_at_ = session_->now();
  TRACEPOINT(stream_queued, session_->id(), id_.value, bytes.size(), peer_);
  if (!session_->append(out_, std::move(bytes))) [[unlikely]] {
    if (opening_ != nullptr) established();  // these bytes are lost, so no other destination can have them all
    return session_->reset_stream(*this, ResetCode::kLimit);
  }
  session_->activate(*this);
}

void Stream::finish() noexcept {
  if (!state_.can_send()) return;
  finish_wanted_ = true;
  session_->activate(*this);
}

std::uint32_t Stream::pull(RecordSender& sender, bool& more) noexcept {
  std::uint32_t size = 0;
  Slice payload;
  if (!out_.empty() && send_.available() > 0) {
    payload = take_piece();
    size = payload.size();
    send_.use(size);
  }
  const bool fin = finish_wanted_ && out_.empty() && state_.can_send();
  if (size > 0 || fin) {
    sender.put_data({static_cast<std::uint16_t>(size), FrameType::kData, fin ? kFlagFin : std::uint8_t{0}, id_.value},
                    std::move(payload));
  }
  // Without credit the stream waits outside the scheduler, for receive_credit.
  more = !out_.empty() && send_.available() > 0;
  if (fin) {
    state_.fin_sent();
    leave_when_over();
  } else if (!transit_) {
    update_allowance();
  } else if (size > 0 && peer_ != nullptr) {
    peer_->grant(size);
  }
  return size;
}

Slice Stream::take_piece() noexcept {
  const std::uint64_t most = std::min<std::uint64_t>(send_.available(), kFramePayloadMax);
  if (opening_ == nullptr) return out_.take_front(static_cast<std::uint32_t>(most));
  // Kept as it is for another destination. Sealing a large payload in place would write over the end of the one before.
  Slice piece = out_.take_front(static_cast<std::uint32_t>(std::min<std::uint64_t>(most, SealingSender::kCopyMax)));
  if (!kept_.push(Slice::share(piece.block(), piece.data(), piece.size()))) [[unlikely]]
    established();  // no memory to keep it: this destination is the last
  return piece;
}

void Stream::receive_credit(std::uint64_t limit) noexcept {
  if (!send_.raise(limit)) return;
  update_allowance();
  if (!out_.empty() && state_.can_send()) session_->activate(*this);
}

void Stream::update_allowance() noexcept {
  if (peer_ == nullptr || transit_ || finish_wanted_ || !state_.can_send()) return;
  const std::uint64_t target = std::min(send_.limit(), send_.sent() + session_->stream_backlog_bytes());
  // In steps, so that the peer's receives stay large; at once when it may have nothing left to go on with.
  if (target <= allowed_ || (target - allowed_ < kBacklogBytesMin && !out_.empty())) return;
  const std::uint64_t more = target - allowed_;
  allowed_ = target;
  peer_->grant(more);
}

// ---- from the far end to the peer

bool Stream::receive_data(Slice bytes, bool fin) noexcept {
  if (!state_.can_receive() || !receive_.receive(bytes.size())) return false;
  if (opening_ != nullptr) established();
  TRACEPOINT(frame_received, session_->id(), id_.value, bytes.size(), peer_);
  if (!bytes.empty()) {
    if (peer_ != nullptr) peer_->deliver(std::move(bytes));
  }
  // deliver() may have ended the stream.
  if (fin && state_.fin_received()) {
    if (peer_ != nullptr) peer_->finish();
    leave_when_over();
  }
  return true;
}

void Stream::grant(std::uint64_t bytes) noexcept {
  if (granted_before_ > 0) [[unlikely]] {
    const std::uint64_t again = std::min(bytes, granted_before_);
    granted_before_ -= again;
    bytes -= again;
  }
  receive_.consume(bytes);
  if (state_.can_receive() && receive_.grant_due()) session_->queue_credit(*this);
}

std::uint64_t Stream::take_credit(Instant now, Duration round_trip) noexcept {
  const std::uint32_t wanted = receive_.growth_wanted(now, round_trip, session_->window_bytes_max());
  if (wanted > 0) {
    const std::uint32_t growth = session_->window_budget().take(wanted, window_growth_bytes_);
    window_growth_bytes_ += growth;
    receive_.grow(growth);
  }
  return receive_.grant();
}

void Stream::opened() noexcept {
  session_->send_opened(*this);
}

void Stream::receive_opened() noexcept {
  if (opening_ != nullptr) established();
  if (peer_ != nullptr) peer_->opened();
}

// ---- memory

void Stream::relieve(Shard& shard) noexcept {
  for (SliceQueue* queue : {&out_, &kept_}) {
    if (!shard.holds_large_blocks(*queue)) continue;
    if (!shard.compact(*queue)) return sacrifice();
    ++shard.counters().streams_relieved;
  }
}

void Stream::sacrifice() noexcept {
  if (opening_ != nullptr) established();  // with another destination it would hold as much
  session_->reset_stream(*this, ResetCode::kLimit);
}

// ---- the end

void Stream::abort(ResetCode code) noexcept {
  if (opening_ != nullptr) established();  // whoever waited for it is gone
  if (!state_.over()) session_->reset_stream(*this, code);
}

// ---- until OPENED

void Stream::keep_opening(Opening& opening, LoadShare load) noexcept {
  opening_ = &opening;
  load_ = std::move(load);
}

void Stream::replay(SliceQueue& sent, bool finished) noexcept {
  out_.swap(sent);
  finish_wanted_ = finished;
  if (!out_.empty() || finished) session_->activate(*this);
}

void Stream::established() noexcept {
  session_->release(*opening_);
  opening_ = nullptr;
  kept_.clear();
}

bool Stream::try_another(ResetCode code) noexcept {
  // A link that was lost leaves open what became of the bytes on it.
  const bool nothing_left = code == ResetCode::kLinkLost && send_.sent() == 0;
  Channel* client = peer_;
  if (client == nullptr || (!may_try_another(code) && !nothing_left)) {
    established();
    return false;
  }
  Opening& opening = *std::exchange(opening_, nullptr);
  part();
  state_.reset();
  while (!out_.empty()) {
    Slice rest = out_.take_front(UINT32_MAX);
    if (kept_.push(std::move(rest))) continue;
    session_->release(opening);
    client->abort(ResetCode::kLimit);
    kept_.clear();
    out_.clear();
    session_->forget(*this);
    return true;
  }
  session_->reopen(opening, *client, kept_, finish_wanted_, transit_ ? send_.sent() : allowed_, code);
  kept_.clear();
  session_->forget(*this);
  return true;
}

void Stream::receive_reset(ResetCode code) noexcept {
  lose_session(code);
}

void Stream::lose_session(ResetCode code) noexcept {
  if (opening_ != nullptr && try_another(code)) return;
  state_.reset();
  out_.clear();
  abort_peer(code);
  session_->forget(*this);
}

void Stream::leave_when_over() noexcept {
  if (!state_.over()) return;
  part();
  session_->forget(*this);
}

}  // namespace fairlead
