// EdgeSocket's part for applications that speak TLS: the handshake, and records between the socket and the peer.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transport/edge_socket.h"
#include "transport/opening.h"
#include "transport/resolver.h"
#include "transport/shard.h"

namespace fairlead {
namespace {

// Of a handshake, received at a time.
constexpr std::uint32_t kHandshakeReceive = 16 * 1024;
// How long an application may take to read why it was refused.
constexpr Duration kRefusalTime = Duration::seconds(2);

}  // namespace

// ---- the handshake

void EdgeSocket::start_handshake(Opening& opening) noexcept {
  opening_ = &opening;
  const EdgeOptions& options = *group_.options;
  ServerHandshakeOptions tls;
  tls.peer = shard_.peer_of(socket_);
  tls.alpn.clear();
  tls.ask_for_certificate = options.client_certificate;
  auto handshake = Handshake::server(options.credentials, std::move(tls));
  if (!handshake) return handshake_failed(handshake.error());
  begin_handshake(std::move(*handshake));
}

void EdgeSocket::connect_handshake() noexcept {
  const EdgeOptions& options = *group_.options;
  ClientHandshakeOptions tls;
  if (options.verify_host) tls.host = group_.host;
  if (parse_literal(group_.host, 0).size == 0) tls.server_name = group_.host;
  tls.peer = shard_.peer_of(socket_);
  tls.alpn.clear();
  tls.present_certificate = options.client_certificate;
  auto handshake = Handshake::client(options.credentials, std::move(tls));
  if (!handshake) return handshake_failed(handshake.error());
  begin_handshake(std::move(*handshake));
}

void EdgeSocket::begin_handshake(std::unique_ptr<Handshake> handshake) noexcept {
  state_ = State::kHandshake;
  tls_ = std::make_unique<EdgeTls>();
  tls_->handshake = std::move(handshake);
  tls_->take_output();
  shard_.timers().arm(deadline_, shard_.now() + shard_.options().handshake_timeout);
  shard_.begin_handshake(*this);
  if (tls_->saying()) mark_dirty();
  arm_receive();
}

void EdgeSocket::advance_handshake() noexcept {
  if (state_ == State::kOpen && !tls_->received.empty()) {
    take_early();
    return arm_receive();
  }
  if (state_ != State::kHandshake) return;
  const auto progress = tls_->handshake->feed(tls_->received);
  tls_->received.clear();
  tls_->take_output();
  if (!progress) return handshake_failed(progress.error());
  if (tls_->saying()) mark_dirty();
  if (*progress == Handshake::Progress::kComplete) return handshake_done();
  arm_receive();
}

void EdgeSocket::handshake_done() noexcept {
  deadline_.cancel();
  HandshakeResult result = tls_->handshake->take();
  tls_->handshake.reset();
  shard_.end_handshake(*this);
  const auto role = dialled_ ? PostHandshake::Role::kClient : PostHandshake::Role::kServer;
  tls_->records = std::make_unique<EdgeRecords>(result, role, shard_.edge_pool(), shard_.small_pool(),
                                                shard_.options().records_per_key);
  tls_->received = std::move(result.leftover);
  if (dialled_) return begin();
  state_ = State::kOpen;
  shard_.lead_client(*this, *std::exchange(opening_, nullptr));
}

void EdgeSocket::handshake_failed(const Error& error) noexcept {
  shard_.end_handshake(*this);
  group_.news = error.message;
  if (dialled_) {
    ++group_.figures.failed;
    offer_to_another(ResetCode::kConnectFailed);
  } else {
    ++group_.figures.refused;
  }
  if (opening_ != nullptr) shard_.release(*std::exchange(opening_, nullptr));
  if (tls_ == nullptr || !tls_->saying()) return fail(ResetCode::kNone);
  state_ = State::kRefusing;
  part();
  shard_.timers().arm(deadline_, shard_.now() + kRefusalTime);
  mark_dirty();
  arm_receive();
}

void EdgeSocket::give_up_handshake() noexcept {
  if (state_ != State::kHandshake) return;
  handshake_failed({ErrorCode::kTimeout, "TLS handshake with " + shard_.peer_of(socket_) + " took too long"});
}

// The end of what the application says, where close_notify has not told so.
void EdgeSocket::receive_ended() noexcept {
  if (state_ == State::kHandshake) return handshake_failed(tls_->handshake->closed_by_peer());
  if (state_ == State::kOpen) return fail(ResetCode::kPeerReset);
  read_finished_ = true;
  close_when_finished();
}

// ---- from the application to the peer

std::uint64_t EdgeSocket::receive_room() const noexcept {
  switch (state_) {
    case State::kHandshake:
      return tls_->received.empty() ? kHandshakeReceive : 0;
    case State::kRefusing:
      return kHandshakeReceive;
    case State::kOpen:
      // What is sealed is longer than what is in it, so a grant is never exceeded.
      return granted_bytes_ - std::min<std::uint64_t>(granted_bytes_, tls_->records->held_bytes());
    case State::kConnecting:
    case State::kAborting:
    case State::kClosed:
      break;
  }
  return 0;
}

void EdgeSocket::take_sealed(Slice bytes) noexcept {
  if (state_ == State::kHandshake) {
    tls_->received.insert(tls_->received.end(), bytes.data(), bytes.data() + bytes.size());
    return shard_.await_handshake(*this);
  }
  while (state_ == State::kOpen && !read_finished_) {
    Slice plaintext;
    switch (tls_->records->open(bytes, plaintext)) {
      case EdgeRecords::Next::kData:
        take_received(std::move(plaintext));
        continue;
      case EdgeRecords::Next::kNeedMore:
        if (tls_->records->wants_to_send()) mark_dirty();
        return;
      case EdgeRecords::Next::kClosed:
        read_finished_ = true;
        if (peer_ != nullptr) peer_->finish();
        return close_when_finished();
      case EdgeRecords::Next::kNoMemory:
        return fail(ResetCode::kLimit);
      case EdgeRecords::Next::kError:
        return fail(ResetCode::kProtocol);
    }
  }
}

// What came in one receive with the end of the handshake.
void EdgeSocket::take_early() noexcept {
  Block* const block = shard_.edge_pool().take();
  if (block == nullptr) return shard_.starve(*this);
  const std::vector<std::uint8_t> early = std::exchange(tls_->received, {});
  const auto size = static_cast<std::uint32_t>(early.size());
  std::memcpy(block->data(), early.data(), size);
  take_sealed(Slice(block, block->data(), size));
}

// ---- from the peer to the application

void EdgeSocket::flush_tls() noexcept {
  if (send_.in_flight()) return;
  if (tls_->saying()) {
    if (state_ == State::kAborting || state_ == State::kClosed) return;
    return shard_.ring().submit(send_, [&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, socket_.fd(), tls_->sending.data() + tls_->sent, tls_->sending.size() - tls_->sent,
                         MSG_NOSIGNAL);
    });
  }
  if (state_ == State::kRefusing && !write_finished_) {
    write_finished_ = true;
    socket_.shutdown(SHUT_WR);
    return close_when_finished();
  }
  if (state_ != State::kOpen) return;
  EdgeRecords& records = *tls_->records;
  if (records.pending_bytes() == 0 && !records.close_notify_put() &&
      (!out_.empty() || finish_wanted_ || records.wants_to_send())) {
    if (!records.fill(out_, finish_wanted_)) return shard_.starve(*this);
  }
  if (records.pending_bytes() > 0) {
    return shard_.ring().submit(send_, [&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, socket_.fd(), records.pending(), records.pending_bytes(), MSG_NOSIGNAL);
    });
  }
  if (records.close_notify_put() && !write_finished_) {
    write_finished_ = true;
    socket_.shutdown(SHUT_WR);
    close_when_finished();
  }
}

void EdgeSocket::tls_sent(Completion done) noexcept {
  const bool handshake = tls_->saying();
  if (done.res > 0 && handshake) {
    tls_->sent += done.bytes();
    if (!tls_->saying()) tls_->sending = {};
  } else if (done.res > 0) {
    const std::uint32_t payload = tls_->records->sent(done.bytes());
    shard_.counters().edge_bytes_out += payload;
    moved_at_ = shard_.now();
    if (payload > 0 && peer_ != nullptr) peer_->grant(payload);
  }
  if (state_ == State::kAborting || state_ == State::kClosed) return join();
  if (done.res <= 0) {
    switch (-done.res) {
      case ECANCELED:
      case EINTR:
      case EAGAIN:
      case ENOMEM:
      case ENOBUFS:
        break;
      default:
        // It said that it has all it wants, and is gone: to close_notify nobody listens.
        if (state_ == State::kRefusing || (read_finished_ && !handshake && tls_->records->close_notify_put())) {
          read_finished_ = write_finished_ = true;
          return receive_.in_flight() ? end(ResetCode::kNone) : close_when_finished();
        }
        return fail(ResetCode::kPeerReset);
    }
  }
  const bool more = tls_->records != nullptr && tls_->records->wants_to_send();
  if (more || tls_->saying() || !out_.empty() || finish_wanted_ || state_ == State::kRefusing) mark_dirty();
}

}  // namespace fairlead
