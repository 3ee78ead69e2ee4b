#include "transport/stream.h"

#include <algorithm>

#include "transport/record_io.h"
#include "transport/session.h"

namespace fairlead {

// ---- from the peer to the far end

void Stream::deliver(Slice bytes) noexcept {
  if (!state_.can_send()) return;
  if (!session_->append(out_, std::move(bytes))) [[unlikely]] {
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
    payload = out_.take_front(
        static_cast<std::uint32_t>(std::min<std::uint64_t>(send_.available(), kFramePayloadMax)));
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
  receive_.consume(bytes);
  if (state_.can_receive() && receive_.grant_due()) session_->queue_credit(*this);
}

std::uint64_t Stream::take_credit(Instant now, Duration round_trip) noexcept {
  const std::uint32_t wanted = receive_.growth_wanted(now, round_trip, session_->window_bytes_max());
  if (wanted > 0) {
    const std::uint32_t growth = session_->take_window_budget(wanted);
    window_growth_bytes_ += growth;
    receive_.grow(growth);
  }
  return receive_.grant();
}

void Stream::opened() noexcept {
  session_->send_opened(*this);
}

void Stream::receive_opened() noexcept {
  if (peer_ != nullptr) peer_->opened();
}

// ---- the end

void Stream::abort(ResetCode code) noexcept {
  if (!state_.over()) session_->reset_stream(*this, code);
}

void Stream::receive_reset(ResetCode code) noexcept {
  lose_session(code);
}

void Stream::lose_session(ResetCode code) noexcept {
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
