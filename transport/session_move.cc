// How a session goes over to a fresh connection, with not a byte lost, repeated or out of order and no stream noticing:
// for new keys, where the old connection's cannot be replaced, and for new certificates.
//
//   dialling end                                          other end
//   dials, HELLO with the replace flag  ────────────────► answers; keeps the connection aside
//   MOVE, close_notify on the old one   ────────────────► reads the old one to MOVE, then the new one
//   sends on the new one                                  MOVE, close_notify on the old one
//   reads the old one to MOVE, then the new one ◄──────── sends on the new one
//
// MOVE is the last frame of a direction on the old connection, and what follows it is the first on the new one, so each
// end reads in the order in which the other sent. The dialling end goes first: it alone knows that both ends have the
// new connection, and until it has said MOVE that one may fail without harm. The old connection is closed once both
// ends have said all there.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "transport/session.h"
#include "transport/shard.h"

namespace fairlead {
namespace {

// Connections whose ends are under way; the oldest is closed for more.
constexpr std::size_t kRetiredMax = 2;

}  // namespace

void Session::ask_for_renewal(Renewal renewal) noexcept {
  if (state_ != State::kUp || !peer_moves_) return;
  if (std::exchange(renewal_asked_, true)) {
    // The other end is asked again once this one is done; Link remembers by itself.
    if (renewal == Renewal::kAnew) renewal_again_ = true;
    return;
  }
  if (dialled_) return shard_.report_renewal(*this);
  put_frame(FrameType::kRenew, 0, 0, {});
}

bool Session::process_renew() noexcept {
  if (!dialled_) {
    protocol_error("RENEW from the end that dialled");
    return false;
  }
  ask_for_renewal(Renewal::kAnew);
  return true;
}

void Session::replace_connection(SessionSeed seed) noexcept {
  if (state_ != State::kUp) return;  // it closes with the seed
  // The end that dialled has one under way at a time: that it comes with another means that it lost the first.
  const bool untouched = next_ && sends_ == connection_.get() && receives_ == connection_.get();
  if (!dialled_ && untouched) shard_.reap(std::move(next_));
  next_seed_ = std::make_unique<SessionSeed>(std::move(seed));
  if (!open_next()) shard_.starve(*this);
}

// False: not now.
bool Session::open_next() noexcept {
  if (next_) return true;  // after the one that is taking over
  next_ = TlsConnection::open(*this, shard_, *next_seed_);
  if (!next_) return false;
  peer_takes_key_updates_ = next_seed_->peer_takes_key_updates;
  next_seed_.reset();
  if (move_seen_) {
    move_receiver();
  } else {
    mark_dirty();
  }
  return true;
}

// Between two batches.
void Session::move_sender() noexcept {
  const bool may = next_ && sends_ == connection_.get() && (dialled_ || receives_ == next_.get());
  if (!may || state_ != State::kUp) [[likely]]
    return;
  std::uint8_t frame[kFrameHeaderSize];
  encode_header({0, FrameType::kMove, 0, 0}, frame);
  sends_->sender().put_frames(frame, sizeof frame);
  sends_->put_close_notify();
  sends_->sender().flush();
  sends_->send();
  sends_ = next_.get();
  renewal_asked_ = false;
  finish_move();
}

bool Session::process_move() noexcept {
  const bool out_of_turn = dialled_ ? sends_ != next_.get() : next_ && receives_ == next_.get();
  if (out_of_turn) {
    protocol_error("MOVE without a connection to move to");
    return false;
  }
  move_seen_ = true;
  move_seen_at_ = shard_.now();
  return true;
}

// The peer's MOVE was read. The connection it means may come later than its frames.
void Session::move_receiver() noexcept {
  if (!next_ || !alive()) return;
  move_seen_ = false;
  TlsConnection& old = *receives_;
  receives_ = next_.get();
  drain_retired(old);
  mark_dirty();
  finish_move();
  process_received();
  if (alive()) arm_receive(*receives_);
}

void Session::finish_move() noexcept {
  if (!next_ || sends_ != next_.get() || receives_ != next_.get()) return;
  if (retired_.size() == kRetiredMax) retired_.front()->cancel_and_end();
  retired_at_ = shard_.now();
  retired_.push_back(std::exchange(connection_, std::move(next_)));
  drop_done();
  ++shard_.counters().connections_replaced;
  if (dialled_) shard_.report_moved(*this);
  if (std::exchange(renewal_again_, false)) ask_for_renewal();
  if (next_seed_ && !open_next()) shard_.starve(*this);
}

// ---- the old connection: nothing but its end may come

void Session::process_retired(TlsConnection& connection, Completion done) noexcept {
  if (connection.ended() || !connection.received(done)) {
    connection.note_end();
    return drop_done();
  }
  if (done.res < 0) return shard_.starve(*this);
  drain_retired(connection);
}

void Session::drain_retired(TlsConnection& connection) noexcept {
  RecordReceiver::Run run;
  switch (connection.receiver().next(run)) {
    case RecordReceiver::Next::kFrames:
      return protocol_error("a frame behind MOVE");
    case RecordReceiver::Next::kNeedMore:
      return arm_receive(connection);
    case RecordReceiver::Next::kClosed:
    case RecordReceiver::Next::kError:
      connection.note_end();
      return drop_done();
  }
}

void Session::drop_done() noexcept {
  for (auto at = retired_.begin(); at != retired_.end();) {
    if (!(*at)->done()) {
      ++at;
      continue;
    }
    shard_.reap(std::move(*at));
    at = retired_.erase(at);
  }
}

// A peer that does not close its end is not waited for. Our own has to be out: MOVE may be part of it.
void Session::drop_overdue(Instant now) noexcept {
  if (retired_.empty() || now - retired_at_ < shard_.options().silent_limit) return;
  for (const auto& retired : retired_) {
    if (retired->write_shut()) retired->cancel_and_end();
  }
  drop_done();
}

}  // namespace fairlead
