#include "transport/pending_session.h"

#include <algorithm>
#include <cerrno>

#include "transport/transport.h"
#include "transport/wire/frame.h"

namespace fairlead {

PendingSession::PendingSession(Transport& transport, Owner& owner, Socket socket, const Address& address,
                               std::shared_ptr<const Credentials> credentials, ClientHandshakeOptions tls, Hello hello)
    : transport_(transport),
      owner_(&owner),
      socket_(std::move(socket)),
      address_(address),
      state_(State::kConnecting),
      dialled_(true),
      peer_(tls.peer),
      credentials_(std::move(credentials)),
      client_tls_(std::move(tls)),
      hello_(std::move(hello)),
      post_handshake_(PostHandshake::Role::kClient) {
  transport_.ring().submit(
      connect_, [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, socket_.fd(), address_.get(), address_.size); });
  transport_.timers().arm(deadline_, transport_.now() + transport_.options().dial_timeout);
}

PendingSession::PendingSession(Transport& transport, Owner& owner, Socket socket, std::unique_ptr<Handshake> handshake,
                               std::shared_ptr<const Credentials> credentials, std::string peer)
    : transport_(transport),
      owner_(&owner),
      socket_(std::move(socket)),
      state_(State::kHandshake),
      dialled_(false),
      peer_(std::move(peer)),
      credentials_(std::move(credentials)),
      handshake_(std::move(handshake)),
      post_handshake_(PostHandshake::Role::kServer) {
  transport_.timers().arm(deadline_, transport_.now() + transport_.options().handshake_timeout);
  arm_receive();
}

// ---- connect

void PendingSession::on_connect(Completion done) noexcept {
  if (state_ != State::kConnecting) return;
  if (!done.ok()) return fail(error_from_errno(done.res == -ECANCELED ? ETIMEDOUT : -done.res, "connect to " + peer_));
  transport_.timers().arm(deadline_, transport_.now() + transport_.options().handshake_timeout);
  start_handshake();
}

void PendingSession::on_deadline(Instant) noexcept {
  if (state_ == State::kFailed) {  // the peer does not take our alert, or does not close
    lingering_ = false;
    transport_.ring().cancel(send_);
    return end();
  }
  if (state_ == State::kConnecting) return fail({ErrorCode::kTimeout, "connect to " + peer_ + ": no answer in time"});
  fail({ErrorCode::kTimeout, state_ == State::kHandshake ? "TLS handshake with " + peer_ + " took too long"
                                                         : "no HELLO from " + peer_ + " in time"});
}

// ---- handshake

void PendingSession::start_handshake() {
  state_ = State::kHandshake;
  auto handshake = Handshake::client(credentials_, client_tls_);
  if (!handshake) return fail(handshake.error());
  handshake_ = std::move(*handshake);
  send_queued();
  arm_receive();
}

void PendingSession::feed_handshake(std::span<const std::uint8_t> bytes) {
  const auto progress = handshake_->feed(bytes);
  if (!progress) return fail(progress.error());
  if (*progress == Handshake::Progress::kComplete) return finish_handshake();
  send_queued();
}

void PendingSession::finish_handshake() {
  queued_.insert(queued_.end(), handshake_->output().begin(), handshake_->output().end());
  handshake_->output().clear();
  tls_ = handshake_->take();
  handshake_.reset();
  if (tls_.alpn != kLinkAlpn) {
    return fail({ErrorCode::kProtocol, peer_ + " did not agree on the protocol " + kLinkAlpn});
  }
  sealer_ = std::make_unique<RecordSealer>(tls_.suite, tls_.tx_secret, tls_.tx_sequence);
  opener_ = std::make_unique<RecordOpener>(tls_.suite, tls_.rx_secret, tls_.rx_sequence);
  received_ = std::move(tls_.leftover);
  state_ = State::kHello;
  // The dialler's HELLO leaves together with the end of its handshake; the acceptor's answers it.
  if (dialled_) queue_hello();
  send_queued();
  process_records();
}

// ---- HELLO

void PendingSession::queue_frame(std::vector<std::uint8_t> frame) {
  const std::size_t size = frame.size();
  frame.push_back(0);  // sealing puts the content type behind the text
  const std::size_t at = queued_.size();
  queued_.resize(at + size + kRecordOverhead);
  sealer_->seal(ContentType::kApplicationData, frame.data(), size, queued_.data() + at);
}

void PendingSession::queue_hello() {
  queue_frame(hello_.encode());
  hello_queued_ = true;
}

// Instead of a HELLO: tells the dialler why.
void PendingSession::queue_go_away(const Error& error) {
  const ResetCode code = error.code == ErrorCode::kClosing ? ResetCode::kClosing : ResetCode::kProtocol;
  const std::string_view reason = std::string_view(error.message).substr(0, kReasonSizeMax);
  std::vector<std::uint8_t> frame(kFrameHeaderSize + 4);
  encode_header({static_cast<std::uint16_t>(4 + reason.size()), FrameType::kGoAway, 0, 0}, frame.data());
  wire::store<std::uint32_t>(frame.data() + kFrameHeaderSize, static_cast<std::uint32_t>(code));
  frame.insert(frame.end(), reason.begin(), reason.end());
  queue_frame(std::move(frame));
}

void PendingSession::queue_close_notify() {
  const std::size_t at = queued_.size();
  queued_.resize(at + kAlertRecord);
  sealer_->close_notify(queued_.data() + at);
}

void PendingSession::process_records() {
  while (state_ == State::kHello && !peer_hello_seen_) {
    const auto length = RecordOpener::peek(received_.data(), received_.size());
    if (!length) return fail(error_of(length.error()));
    if (*length == 0 || *length > received_.size()) return;
    const auto opened = opener_->open(received_.data(), *length);
    if (!opened) return fail(error_of(opened.error()));
    switch (opened->type) {
      case ContentType::kApplicationData:
        if (opened->size > 0) process_hello(*opened);
        break;
      case ContentType::kHandshake: {
        const auto action = post_handshake_.handshake(opened->data, opened->size);
        if (!action) return fail(error_of(action.error()));
        if (*action != PostHandshake::Action::kNone) {
          return fail({ErrorCode::kProtocol, peer_ + " renewed its keys before it said HELLO"});
        }
        break;
      }
      case ContentType::kAlert: {
        const auto alert = PostHandshake::alert(opened->data, opened->size);
        if (!alert) return fail(error_of(alert.error()));
        if (alert->is_close_notify()) {
          if (!dialled_) {
            queue_close_notify();  // its certificate is good enough
            return fail({ErrorCode::kClosing, "it tried the handshake only"});
          }
          return fail({ErrorCode::kReset, peer_ + " closed the connection before it said HELLO; its log says why"});
        }
        return fail(error_of_alert(alert->description, "peer at " + peer_));
      }
      case ContentType::kChangeCipherSpec:
        break;
    }
    if (state_ != State::kHello) return;
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(*length));
  }
  finish_when_sent();
}

void PendingSession::process_hello(const RecordOpener::Opened& opened) {
  FrameHeader header;
  const std::span<const std::uint8_t> bytes{opened.data, opened.size};
  const FrameCheck check = check_frame(bytes, header);
  if (check != FrameCheck::kOk || kFrameHeaderSize + header.length != bytes.size()) {
    return fail({ErrorCode::kProtocol, "the first frame of " + peer_ + " is no HELLO: " + std::string(name_of(check))});
  }
  if (header.type == FrameType::kGoAway) {
    ResetFrame reason;
    ResetFrame::decode(bytes.subspan(kFrameHeaderSize), reason);
    return fail({ErrorCode::kProtocol, peer_ + " refused the session: " + std::string(reason.reason)});
  }
  if (header.type != FrameType::kHello) {
    return fail({ErrorCode::kProtocol, "the first frame of " + peer_ + " is no HELLO"});
  }
  auto hello = Hello::decode(bytes.subspan(kFrameHeaderSize));
  if (!hello) return fail({hello.error().code, peer_ + ": " + hello.error().message});
  peer_hello_ = std::move(*hello);
  peer_hello_seen_ = true;
  if (dialled_) return;
  auto answer = owner_ != nullptr ? owner_->answer_hello(*this) : Result<Hello>(std::unexpected(Error{}));
  if (!answer) {
    queue_go_away(answer.error());
    return fail(answer.error());
  }
  hello_ = std::move(*answer);
  queue_hello();
  send_queued();
}

void PendingSession::finish_when_sent() {
  if (state_ != State::kHello || !peer_hello_seen_ || !hello_queued_ || send_.in_flight() || !queued_.empty()) return;
  // A receive that is in flight would take bytes from the session: end it first; on_receive comes back here.
  if (receive_.in_flight()) return transport_.ring().cancel(receive_);
  state_ = State::kDone;
  deadline_.cancel();
  if (owner_ != nullptr) owner_->pending_ready(*this);
}

// ---- bytes

// Records are taken one by one, to the byte: what comes behind HELLO is the session's, and the kernel can open it only
// from the beginning of a record.
std::size_t PendingSession::receive_size() const noexcept {
  if (state_ == State::kHandshake || lingering_) return buffer_.size();
  if (state_ != State::kHello || peer_hello_seen_) return 0;
  if (received_.size() < kRecordHeader) return kRecordHeader - received_.size();
  const std::size_t record = RecordOpener::peek(received_.data(), received_.size()).value_or(kRecordMax);
  return std::min(record - received_.size(), buffer_.size());
}

void PendingSession::arm_receive() noexcept {
  const std::size_t size = receive_size();
  if (receive_.in_flight() || size == 0) return;
  transport_.ring().submit(
      receive_, [&](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, socket_.fd(), buffer_.data(), size, 0); });
}

void PendingSession::on_receive(Completion done) noexcept {
  if (state_ == State::kFailed) {
    // Not lingering yet: the alert is still being sent, and has the deadline that bounds both.
    if (!lingering_) return;
    if (done.res > 0) return arm_receive();
    lingering_ = false;
    return deadline_.cancel();
  }
  if (state_ == State::kDone) return;
  if (done.res > 0) {
    const std::span<const std::uint8_t> bytes{buffer_.data(), done.bytes()};
    if (state_ == State::kHandshake) {
      feed_handshake(bytes);
    } else {
      received_.insert(received_.end(), bytes.begin(), bytes.end());
      process_records();
    }
    return arm_receive();
  }
  if (peer_hello_seen_ && done.res == -ECANCELED) return finish_when_sent();
  if (done.res == -EINTR || done.res == -EAGAIN || done.res == -ECANCELED) return arm_receive();
  if (done.res == 0) {
    if (handshake_ != nullptr) return fail(handshake_->closed_by_peer());
    return fail({ErrorCode::kReset, peer_ + " closed the connection before it said HELLO"});
  }
  fail(error_from_errno(-done.res, "connection with " + peer_));
}

void PendingSession::send_queued() noexcept {
  if (handshake_ != nullptr && !handshake_->output().empty()) {
    queued_.insert(queued_.end(), handshake_->output().begin(), handshake_->output().end());
    handshake_->output().clear();
  }
  if (send_.in_flight() || queued_.empty()) return;
  sending_ = std::exchange(queued_, {});
  sent_ = 0;
  transport_.ring().submit(send_, [&](io_uring_sqe* sqe) {
    io_uring_prep_send(sqe, socket_.fd(), sending_.data(), sending_.size(), MSG_NOSIGNAL);
  });
}

void PendingSession::on_send(Completion done) noexcept {
  if (done.res < 0 && done.res != -EINTR && done.res != -EAGAIN) {
    if (state_ == State::kFailed) return end();
    // What the peer said before it closed is the better reason: the receive will bring it, or the end of the stream.
    queued_.clear();
    return;
  }
  sent_ += done.res > 0 ? done.bytes() : 0;
  if (sent_ < sending_.size()) {
    return transport_.ring().submit(send_, [&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, socket_.fd(), sending_.data() + sent_, sending_.size() - sent_, MSG_NOSIGNAL);
    });
  }
  send_queued();
  if (send_.in_flight()) return;
  if (state_ == State::kFailed) return linger();
  finish_when_sent();
}

// ---- the end

void PendingSession::abandon() noexcept {
  owner_ = nullptr;
  if (state_ == State::kFailed || state_ == State::kDone) return;
  state_ = State::kFailed;
  deadline_.cancel();
  transport_.ring().cancel(connect_);
  transport_.ring().cancel(send_);
  end();
}

void PendingSession::fail(Error error) {
  if (state_ == State::kFailed || state_ == State::kDone) return;
  const bool connected = state_ != State::kConnecting;
  state_ = State::kFailed;
  deadline_.cancel();
  transport_.ring().cancel(connect_);
  Owner* owner = std::exchange(owner_, nullptr);
  // An alert says to the peer what is wrong; it goes out before the connection is closed.
  if (connected) send_queued();
  if (send_.in_flight()) {
    transport_.timers().arm(deadline_, transport_.now() + kLinger);
  } else {
    end();
  }
  if (owner != nullptr) owner->pending_failed(*this, error);
}

// Closing at once, with bytes of the peer unread, would make the kernel send a reset that overtakes our alert.
void PendingSession::linger() noexcept {
  lingering_ = true;
  socket_.shutdown(SHUT_WR);
  arm_receive();
}

void PendingSession::end() noexcept {
  transport_.ring().cancel(receive_);
  socket_.shutdown(SHUT_RDWR);
}

}  // namespace fairlead
