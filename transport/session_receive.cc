// What comes from the peer: records into frames, frames to streams, answers.
#include <cerrno>

#include "transport/session.h"
#include "transport/shard.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kRouterMessageBytesMax = 4 * 1024 * 1024;

}  // namespace

void Session::arm_receive(TlsConnection& connection) noexcept {
  // Behind MOVE there is nothing to read but the end, and that waits until there is another connection to go on with.
  if (move_seen_ && &connection == receives_) return;
  if (alive() && !connection.arm_receive()) shard_.starve(*this);
}

void Session::resume_receive() noexcept {
  if (!alive()) return;
  if (next_seed_ && !open_next()) shard_.starve(*this);
  arm_receive(*receives_);
  if (connection_.get() != receives_) arm_receive(*connection_);
  for (const auto& retired : retired_)
    arm_receive(*retired);
}

void Session::on_received(TlsConnection& connection, Completion done) noexcept {
  if (state_ == State::kEnding) return join();
  if (&connection != receives_) return process_retired(connection, done);
  if (!connection.received(done)) {
    if (done.res == 0) return fail(ErrorCode::kReset, "the peer closed the connection without a close_notify");
    return fail_with_receive(-done.res);
  }
  if (done.res < 0) return shard_.starve(*this);  // tried again with the next turn
  if (!sends_->write_shut()) last_heard_ = shard_.now();
  process_received();
  if (state_ == State::kEnding) return join();
  arm_receive(*receives_);
}

void Session::process_received() noexcept {
  if (receives_->early_too_long()) {
    return fail(ErrorCode::kProtocol, "the peer sent more with its handshake than one block holds");
  }
  while (alive()) {
    RecordReceiver& receiver = receives_->receiver();
    RecordReceiver::Run run;
    switch (receiver.next(run)) {
      case RecordReceiver::Next::kFrames:
        if (!process_run(run)) return;
        if (move_seen_) [[unlikely]]
          return move_receiver();
        break;
      case RecordReceiver::Next::kNeedMore:
        if (receiver.take_key_update_request()) {
          key_update_wanted_ = true;
          mark_dirty();
        }
        return;
      case RecordReceiver::Next::kClosed:
        return fail(ErrorCode::kClosing, "the peer closed the link");
      case RecordReceiver::Next::kError:
        return fail_with_received();
    }
  }
}

bool Session::process_run(const RecordReceiver::Run& run) noexcept {
  std::uint8_t* at = run.data;
  std::uint32_t left = run.size;
  while (left > 0) {
    FrameHeader header;
    const FrameCheck check = check_frame({at, left}, header);
    if (check == FrameCheck::kNeedMore) {
      receives_->receiver().put_back(left);
      return true;
    }
    if (check != FrameCheck::kOk) {
      protocol_error(name_of(check));
      return false;
    }
    if (!process_frame(header, at + kFrameHeaderSize, run.block)) return false;
    at += kFrameHeaderSize + header.length;
    left -= kFrameHeaderSize + header.length;
    if (move_seen_ && left > 0) [[unlikely]] {
      protocol_error("a frame behind MOVE");
      return false;
    }
  }
  return true;
}

bool Session::process_frame(const FrameHeader& header, std::uint8_t* payload, Block* block) noexcept {
  const std::span<const std::uint8_t> bytes{payload, header.length};
  switch (header.type) {
    case FrameType::kData:
    case FrameType::kCredit:
    case FrameType::kReset:
    case FrameType::kOpened:
      return process_stream_frame(header, payload, block);
    case FrameType::kOpen:
      return process_open(header, bytes);
    case FrameType::kPing:
      put_frame(FrameType::kPong, 0, 0, bytes);
      return alive();
    case FrameType::kPong:
      process_pong(wire::load<std::uint64_t>(payload));
      return true;
    case FrameType::kGoAway:
      if (!std::exchange(peer_going_away_, true)) shard_.report_going_away(*this);
      return true;
    case FrameType::kControl:
      return process_control(header, bytes);
    case FrameType::kMove:
      return process_move();
    case FrameType::kRenew:
      return process_renew();
    case FrameType::kHello:
      protocol_error("a second HELLO");
      return false;
  }
  return true;  // an unknown type that says it may be skipped
}

bool Session::process_stream_frame(const FrameHeader& header, std::uint8_t* payload, Block* block) noexcept {
  Stream* stream = find({header.stream});
  if (stream == nullptr) return true;  // of a stream that ended here while the frame was under way
  switch (header.type) {
    case FrameType::kData: {
      figures_.bytes_in += header.length;
      Slice bytes = header.length > 0 ? Slice::share(block, payload, header.length) : Slice();
      if (!stream->receive_data(std::move(bytes), (header.flags & kFlagFin) != 0)) {
        protocol_error("more bytes on a stream than it has credit for, or after its FIN");
        return false;
      }
      break;
    }
    case FrameType::kCredit:
      stream->receive_credit(wire::load<std::uint64_t>(payload));
      break;
    case FrameType::kReset: {
      ResetFrame reset;
      ResetFrame::decode({payload, header.length}, reset);
      figures_.resets.count(reset.code);
      stream->receive_reset(reset.code);
      break;
    }
    case FrameType::kOpened:
      stream->receive_opened();
      break;
    case FrameType::kHello:
    case FrameType::kOpen:
    case FrameType::kPing:
    case FrameType::kPong:
    case FrameType::kGoAway:
    case FrameType::kControl:
    case FrameType::kMove:
    case FrameType::kRenew:
      UNREACHABLE();
  }
  return alive();
}

bool Session::process_open(const FrameHeader& header, std::span<const std::uint8_t> payload) noexcept {
  const StreamId id{header.stream};
  OpenFrame open;
  if (!OpenFrame::decode(payload, open)) {
    protocol_error("an OPEN without a routing key");
    return false;
  }
  if ((id.side() == 0) == dialled_ || id.slot() == 0) {
    protocol_error("an OPEN with a stream id of the wrong side");
    return false;
  }
  if (!theirs_.has(id.slot())) {
    protocol_error("an OPEN beyond the limit of streams");
    return false;
  }
  if (theirs_.at(id.slot()) != nullptr) {
    protocol_error("an OPEN for a stream id that is in use");
    return false;
  }
  Stream* stream = state_ == State::kUp ? make_stream(id, open.name) : nullptr;
  if (stream == nullptr) {
    put_reset(id, state_ == State::kUp ? ResetCode::kLimit : ResetCode::kClosing);
    return true;
  }
  theirs_.put(id.slot(), *stream);
  const Strategy strategy = (header.flags & kFlagLowestCost) != 0 ? Strategy::kLowestCost : Strategy::kBalanced;
  const ResetCode refused = shard_.connect_stream(*stream, open, strategy, link_);
  if (refused != ResetCode::kNone) reset_stream(*stream, refused);
  return true;
}

bool Session::process_control(const FrameHeader& header, std::span<const std::uint8_t> payload) noexcept {
  if ((header.flags & kFlagFirst) != 0) control_message_.clear();
  if (control_message_.size() + payload.size() > kRouterMessageBytesMax) {
    protocol_error("a router message beyond the limit");
    return false;
  }
  control_message_.insert(control_message_.end(), payload.begin(), payload.end());
  if ((header.flags & kFlagLast) == 0) return true;
  router_bytes_unhandled_ += control_message_.size();
  if (router_bytes_unhandled_ > kRouterBytesMax) {
    protocol_error("router messages faster than they can be handled");
    return false;
  }
  shard_.report_control(*this, std::move(control_message_));
  control_message_ = {};
  return true;
}

void Session::process_pong(std::uint64_t sent_ns) noexcept {
  const auto sample = static_cast<std::int64_t>(static_cast<std::uint64_t>(shard_.now().ns) - sent_ns);
  if (sample < 0 || sample > Duration::seconds(60).ns) return;  // not one of our pings
  // Smoothed as TCP does (RFC 6298 2.3).
  figures_.rtt_ns = figures_.rtt_ns == 0 ? sample : figures_.rtt_ns + (sample - figures_.rtt_ns) / 8;
  figures_.round_trips.record(Duration{sample});
  figures_.rtt_min_ns = figures_.rtt_min_ns == 0 ? sample : std::min(figures_.rtt_min_ns, sample);
}

}  // namespace fairlead
