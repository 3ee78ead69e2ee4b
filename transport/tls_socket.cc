#include "transport/tls_socket.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "transport/resolver.h"

namespace fairlead {

TlsSocket::TlsSocket(SideLoop& loop, Owner& owner, Socket socket, const Address& address,
                     std::shared_ptr<const Credentials> credentials, ClientHandshakeOptions tls)
    : loop_(loop),
      owner_(&owner),
      socket_(std::move(socket)),
      address_(address),
      credentials_(std::move(credentials)),
      tls_(std::move(tls)),
      peer_(to_string(address)),
      state_(State::kConnecting),
      post_handshake_(PostHandshake::Role::kClient) {
  loop_.ring().submit(
      connect_, [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, socket_.fd(), address_.get(), address_.size); });
}

TlsSocket::TlsSocket(SideLoop& loop, Owner& owner, Socket socket, std::unique_ptr<Handshake> handshake,
                     std::string peer)
    : loop_(loop),
      owner_(&owner),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      state_(State::kHandshake),
      handshake_(std::move(handshake)),
      post_handshake_(PostHandshake::Role::kServer) {
  arm_receive();
}

TlsSocket::~TlsSocket() = default;

// ---- connect and handshake

void TlsSocket::on_connect(Completion done) noexcept {
  if (state_ != State::kConnecting) return;
  if (!done.ok()) return fail(error_from_errno(-done.res, "connect to " + peer_));
  begin_handshake();
}

void TlsSocket::begin_handshake() {
  state_ = State::kHandshake;
  auto handshake = Handshake::client(std::move(credentials_), std::move(tls_));
  if (!handshake) return fail(handshake.error());
  handshake_ = std::move(*handshake);
  flush();
  arm_receive();
}

void TlsSocket::take_handshake_bytes(std::span<const std::uint8_t> bytes) {
  const auto progress = handshake_->feed(bytes);
  if (!progress) return fail(progress.error());
  if (*progress == Handshake::Progress::kNeedMore) return flush();
  queued_.insert(queued_.end(), handshake_->output().begin(), handshake_->output().end());
  handshake_->output().clear();
  HandshakeResult result = handshake_->take();
  handshake_.reset();
  sealer_ = std::make_unique<RecordSealer>(result.suite, result.tx_secret, result.tx_sequence);
  opener_ = std::make_unique<RecordOpener>(result.suite, result.rx_secret, result.rx_sequence);
  received_ = std::move(result.leftover);
  state_ = State::kOpen;
  seal_waiting();
  flush();
  read_records();
}

// ---- receiving

void TlsSocket::arm_receive() noexcept {
  if (receive_.in_flight() || state_ == State::kOver) return;
  loop_.ring().submit(
      receive_, [&](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, socket_.fd(), buffer_.data(), buffer_.size(), 0); });
}

void TlsSocket::on_receive(Completion done) noexcept {
  if (state_ == State::kOver) return;
  if (done.res == -EINTR || done.res == -EAGAIN) return arm_receive();
  if (done.res <= 0) {
    if (state_ == State::kEnding) return end_at_once();
    if (done.res < 0) return fail(error_from_errno(-done.res, "connection to " + peer_));
    if (handshake_ != nullptr) return fail(handshake_->closed_by_peer());
    return fail({ErrorCode::kReset, peer_ + " closed the connection without saying that it is the end"});
  }
  const std::span<const std::uint8_t> bytes{buffer_.data(), done.bytes()};
  if (state_ == State::kHandshake) {
    take_handshake_bytes(bytes);
  } else if (state_ == State::kOpen) {
    received_.insert(received_.end(), bytes.begin(), bytes.end());
    read_records();
  }
  arm_receive();
}

void TlsSocket::read_records() {
  std::size_t at = 0;
  while (state_ == State::kOpen) {
    const auto length = RecordOpener::peek(received_.data() + at, received_.size() - at);
    if (!length) return fail(error_of(length.error()));
    if (*length == 0 || *length > received_.size() - at) break;
    const auto opened = opener_->open(received_.data() + at, *length);
    if (!opened) return fail(error_of(opened.error()));
    at += *length;
    switch (opened->type) {
      case ContentType::kApplicationData:
        if (!post_handshake_.application_data()) return fail(error_of(RecordFault::kMessage));
        if (opened->size > 0 && owner_ != nullptr && !finishing_) {
          owner_->received(*this, {reinterpret_cast<const char*>(opened->data), opened->size});
        }
        break;
      case ContentType::kHandshake:
        take_message(*opened);
        break;
      case ContentType::kAlert:
        take_alert(*opened);
        break;
      case ContentType::kChangeCipherSpec:
        break;
    }
  }
  received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(at));
}

void TlsSocket::take_message(const RecordOpener::Opened& opened) {
  const auto action = post_handshake_.handshake(opened.data, opened.size);
  if (!action) return fail(error_of(action.error()));
  if (*action == PostHandshake::Action::kNone) return;
  opener_->advance_key();
  if (*action != PostHandshake::Action::kAdvanceAndAnswer) return;
  const std::size_t at = queued_.size();
  queued_.resize(at + kKeyUpdateRecord);
  sealer_->key_update(queued_.data() + at, false);
  flush();
}

void TlsSocket::take_alert(const RecordOpener::Opened& opened) {
  const auto alert = PostHandshake::alert(opened.data, opened.size);
  if (!alert) return fail(error_of(alert.error()));
  if (alert->is_ignorable()) return;
  if (!alert->is_close_notify()) return fail(error_of_alert(alert->description, "peer at " + peer_));
  tell(std::nullopt);
  finish();
}

// ---- sending

void TlsSocket::send(std::string_view text) {
  waiting_.append(text);
  if (state_ != State::kOpen) return;
  seal_waiting();
  flush();
}

void TlsSocket::seal_waiting() {
  const std::size_t whole = waiting_.size();
  waiting_.push_back('\0');  // sealing borrows the byte behind the text
  for (std::size_t at = 0; at < whole;) {
    const std::size_t size = std::min(whole - at, kPlaintextMax);
    const std::size_t end = queued_.size();
    queued_.resize(end + size + kRecordOverhead);
    sealer_->seal(ContentType::kApplicationData, reinterpret_cast<std::uint8_t*>(waiting_.data()) + at, size,
                  queued_.data() + end);
    at += size;
  }
  waiting_.clear();
}

void TlsSocket::flush() noexcept {
  if (handshake_ != nullptr && !handshake_->output().empty()) {
    queued_.insert(queued_.end(), handshake_->output().begin(), handshake_->output().end());
    handshake_->output().clear();
  }
  if (send_.in_flight()) return;
  if (sent_ == sending_.size()) {
    sending_ = std::exchange(queued_, {});
    sent_ = 0;
  }
  if (sending_.empty()) {
    if (state_ == State::kEnding) begin_ending();
    return;
  }
  loop_.ring().submit(send_, [&](io_uring_sqe* sqe) {
    io_uring_prep_send(sqe, socket_.fd(), sending_.data() + sent_, sending_.size() - sent_, MSG_NOSIGNAL);
  });
}

void TlsSocket::on_send(Completion done) noexcept {
  if (state_ == State::kOver) return;
  if (done.res < 0 && done.res != -EINTR && done.res != -EAGAIN) {
    // What the peer said before it closed is the better reason: the receive brings it, or the end.
    if (state_ == State::kEnding) end_at_once();
    return;
  }
  if (done.res > 0) sent_ += done.bytes();
  flush();
}

// ---- the end

void TlsSocket::finish() noexcept {
  if (finishing_ || state_ == State::kOver) return;
  if (state_ != State::kOpen) return end_at_once();
  finishing_ = true;
  owner_ = nullptr;
  seal_waiting();
  const std::size_t at = queued_.size();
  queued_.resize(at + kAlertRecord);
  sealer_->close_notify(queued_.data() + at);
  state_ = State::kEnding;
  loop_.timers().arm(linger_, loop_.now() + kLinger);
  flush();
}

// All is out. Closing at once, with bytes of the peer unread, would make the kernel send a reset that overtakes it.
void TlsSocket::begin_ending() noexcept {
  socket_.shutdown(SHUT_WR);
  arm_receive();
}

void TlsSocket::on_linger(Instant) noexcept {
  end_at_once();
}

void TlsSocket::end_at_once() noexcept {
  if (state_ == State::kOver) return;
  state_ = State::kOver;
  owner_ = nullptr;
  linger_.cancel();
  loop_.ring().cancel(connect_);
  loop_.ring().cancel(send_);
  loop_.ring().cancel(receive_);
  socket_.shutdown(SHUT_RDWR);
}

void TlsSocket::fail(Error error) {
  if (state_ == State::kEnding || state_ == State::kOver) return end_at_once();
  const bool has_alert = handshake_ != nullptr && !handshake_->output().empty();
  tell(error);
  if (state_ == State::kOver) return;
  if (!has_alert) return end_at_once();
  // An alert says to the peer what is wrong.
  owner_ = nullptr;
  state_ = State::kEnding;
  loop_.timers().arm(linger_, loop_.now() + kLinger);
  flush();
}

void TlsSocket::tell(const std::optional<Error>& error) {
  if (Owner* const owner = std::exchange(owner_, nullptr); owner != nullptr) owner->ended(*this, error);
}

}  // namespace fairlead
