// EdgeSocket's part for applications that speak TLS: the handshake, and records between the socket and the peer.

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "transport/base/tracepoint.h"
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
  if (early_.empty()) return;
  tls_->received = std::exchange(early_, {});  // came with the PROXY header
  shard_.await_handshake(*this);
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
  if (options.send_proxy == ProxyProtocol::kNone) return;
  std::array<std::uint8_t, kProxyHeaderSentMax> header{};
  const std::size_t size = proxy_header(header);
  tls_->sending.insert(tls_->sending.begin(), header.begin(), header.begin() + static_cast<std::ptrdiff_t>(size));
}

void EdgeSocket::begin_handshake(std::unique_ptr<Handshake> handshake) noexcept {
  state_ = State::kHandshake;
  tls_ = std::make_unique<EdgeTls>(shard_.slice_nodes());
  tls_->handshake = std::move(handshake);
  tls_->take_output();
  shard_.timers().arm(deadline_, shard_.now() + shard_.options().handshake_timeout);
  shard_.begin_handshake(*this);
  if (tls_->saying()) mark_dirty();
  arm_receive();
}

void EdgeSocket::advance_handshake() noexcept {
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
  became_open();
  shard_.lead_client(*this, *std::exchange(opening_, nullptr));
}

void EdgeSocket::handshake_failed(const Error& error) noexcept {
  shard_.end_handshake(*this);
  group_.news = {ErrorCode::kTlsFailed, error.message};
  if (dialled_) {
    ++group_.figures.failed;
    key_.failed.count(ResetCode::kConnectFailed);
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
  if (state_ == State::kPreface) {
    return preface_failed({ErrorCode::kInvalid, "it closed before it said by the PROXY protocol who it is"});
  }
  if (state_ == State::kOpen) return fail(ResetCode::kPeerReset);
  read_finished_ = true;
  close_when_finished();
}

// ---- from the application to the peer

// What one receive may take before the application's bytes flow.
std::uint64_t EdgeSocket::handshake_room() const noexcept {
  const bool wanted = state_ == State::kRefusing || (state_ == State::kHandshake && tls_->received.empty());
  return wanted ? kHandshakeReceive : 0;
}

void EdgeSocket::take_sealed(Slice bytes) noexcept {
  if (state_ == State::kHandshake) {
    tls_->received.insert(tls_->received.end(), bytes.data(), bytes.data() + bytes.size());
    return shard_.await_handshake(*this);
  }
  if (state_ != State::kOpen || read_finished_) return;
  if (tls_->ungranted.empty() && tls_->opening.empty() && tls_->sealed.empty() && !tls_->records->has_opened()) {
    tls_->opening = std::move(bytes);
    return open_sealed();
  }
  if (!tls_->sealed.push(std::move(bytes))) fail(ResetCode::kLimit);
}

void EdgeSocket::open_sealed() noexcept {
  while (state_ == State::kOpen && !read_finished_) {
    open_records(tls_->opening);
    if (tls_->opening.empty()) tls_->opening.reset();  // an empty slice holds its block, too
    if (!tls_->ungranted.empty()) return;  // until the next grant
    if (!tls_->opening.empty() || tls_->records->has_opened()) break;
    if (tls_->sealed.empty()) return;
    tls_->opening = tls_->sealed.take_front(UINT32_MAX);
  }
  if (state_ == State::kOpen && !read_finished_) return shard_.starve(*this);
  tls_->opening.reset();
  tls_->sealed.clear();
}

void EdgeSocket::open_records(Slice& bytes) noexcept {
  while (state_ == State::kOpen && !read_finished_ && tls_->ungranted.empty()) {
    Slice plaintext;
    switch (tls_->records->open(bytes, plaintext)) {
      case EdgeRecords::Next::kData:
        take_plaintext(std::move(plaintext));
        continue;
      case EdgeRecords::Next::kNeedMore:
        if (tls_->records->wants_to_send()) mark_dirty();
        return;
      case EdgeRecords::Next::kClosed:
        read_finished_ = true;
        if (peer_ != nullptr) peer_->finish();
        return close_when_finished();
      case EdgeRecords::Next::kNoMemory:
        return;
      case EdgeRecords::Next::kError:
        return fail(ResetCode::kProtocol);
    }
  }
}

void EdgeSocket::take_plaintext(Slice bytes) noexcept {
  while (!bytes.empty() && granted_bytes_ > 0 && state_ == State::kOpen) {
    take_received(bytes.split_front(static_cast<std::uint32_t>(std::min<std::uint64_t>(granted_bytes_, bytes.size()))));
  }
  if (bytes.empty() || state_ != State::kOpen) return;
  if (!tls_->ungranted.push(std::move(bytes))) fail(ResetCode::kLimit);
}

// What came in one receive with the end of the handshake.
void EdgeSocket::take_early() noexcept {
  std::vector<std::uint8_t>& early = tls_->received;
  while (!early.empty() && state_ == State::kOpen && !read_finished_ && tls_->ungranted.empty()) {
    Block* const block = shard_.small_pool().take();
    if (block == nullptr) return shard_.starve(*this);
    const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(early.size(), block->capacity));
    std::memcpy(block->data(), early.data(), size);
    early.erase(early.begin(), early.begin() + size);
    take_sealed(Slice(block, block->data(), size));
  }
  if (read_finished_) early.clear();
}

// Goes on with what had to wait.
void EdgeSocket::read_on() noexcept {
  while (!tls_->ungranted.empty()) {
    if (granted_bytes_ == 0 || state_ != State::kOpen) return;
    take_received(
        tls_->ungranted.take_front(static_cast<std::uint32_t>(std::min<std::uint64_t>(granted_bytes_, UINT32_MAX))));
  }
  if (!tls_->opening.empty() || !tls_->sealed.empty() || tls_->records->has_opened()) open_sealed();
  if (tls_->opening.empty() && !tls_->records->has_opened()) take_early();
  if (state_ == State::kOpen && !tls_->waits()) arm_receive();
}

// Moves what waits to small blocks: who waits for a grant, or for memory, is not to hold lent ones meanwhile.
void EdgeSocket::relieve_input() noexcept {
  SliceQueue sealed(shard_.slice_nodes());
  bool kept = tls_->opening.empty() || sealed.push(std::move(tls_->opening));
  while (kept && !tls_->sealed.empty())
    kept = sealed.push(tls_->sealed.take_front(UINT32_MAX));
  if (!kept || !shard_.compact(sealed) || !shard_.compact(tls_->ungranted)) return fail(ResetCode::kLimit);
  if (!sealed.empty()) tls_->opening = sealed.take_front(UINT32_MAX);
  tls_->sealed.swap(sealed);
}

// ---- from the peer to the application

void EdgeSocket::flush_tls() noexcept {
  if (state_ == State::kOpen && tls_->waits()) read_on();
  if (send_.in_flight()) return shard_.ring().expect(send_);
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
  const bool fresh = records.pending_bytes() == 0;
  if (fresh && !records.close_notify_put() && (!out_.empty() || finish_wanted_ || records.wants_to_send())) {
    if (!records.fill(out_, finish_wanted_)) return shard_.starve(*this);
  }
  if (records.pending_bytes() > 0) {
    const std::uint32_t bytes = records.pending_bytes();
    TRACEPOINT(edge_send, static_cast<Channel*>(this), bytes);
    // Of a batch that leaves in parts all is granted with the last one.
    const bool quiet = fresh && out_.empty() && may_be_quiet(bytes);
    return shard_.ring().submit_send(send_, quiet, bytes, [&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, socket_.fd(), records.pending(), bytes, MSG_NOSIGNAL);
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
    if (!sent_any_ && payload > 0) [[unlikely]]
      first_sent(payload);
    key_.bytes_out += payload;
    moved_at_ = shard_.now();
    if (payload > 0 && peer_ != nullptr) peer_->grant(payload);
  }
  if (state_ == State::kAborting || state_ == State::kClosed) return join();
  if (done.res <= 0 && !send_again(done)) {
    if (state_ == State::kHandshake) return handshake_failed(tls_->handshake->closed_by_peer());
    // It said that it has all it wants, and is gone: to close_notify nobody listens.
    if (state_ == State::kRefusing || (read_finished_ && !handshake && tls_->records->close_notify_put())) {
      read_finished_ = write_finished_ = true;
      return receive_.in_flight() ? end(ResetCode::kNone) : close_when_finished();
    }
    return fail(ResetCode::kPeerReset);
  }
  const bool more = tls_->records != nullptr && tls_->records->wants_to_send();
  if (more || tls_->saying() || !out_.empty() || finish_wanted_ || state_ == State::kRefusing) mark_dirty();
}

}  // namespace fairlead
