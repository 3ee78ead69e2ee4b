#include "transport/access.h"

#include <cerrno>

#include "transport/base/log.h"
#include "transport/transport.h"

namespace fairlead {

Access::Access(Transport& transport, AccessConfig config, Socket socket, std::uint16_t port)
    : transport_(transport), config_(std::move(config)), socket_(std::move(socket)) {
  status_.name = config_.name;
  status_.role = config_.role;
  status_.port = port;
  status_.listening = true;
  status_.credentials = describe(*config_.credentials);
  arm();
}

void Access::set_credentials(std::shared_ptr<const Credentials> credentials) {
  config_.credentials = std::move(credentials);
  status_.credentials = describe(*config_.credentials);
  transport_.mark_status_changed();
}

void Access::note_refused_credentials(std::string why) {
  status_.credentials.refused = std::move(why);
  transport_.mark_status_changed();
}

void Access::arm() noexcept {
  if (closing_ || accept_.in_flight()) return;
  transport_.ring().submit(accept_, [&](io_uring_sqe* sqe) {
    io_uring_prep_multishot_accept(sqe, socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  });
}

void Access::on_accept(Completion done) noexcept {
  if (done.ok()) {
    Socket peer(transport_.kernel(), done.res);
    if (!closing_) accept(std::move(peer));
    if (!done.more()) arm();
    return;
  }
  if (closing_ || done.more()) return;
  if (done.res == -ECONNABORTED || done.res == -EINTR || done.res == -EAGAIN) return arm();
  if (done.res == -EMFILE || done.res == -ENFILE) transport_.count_descriptors_exhausted();
  transport_.timers().arm(retry_, transport_.now() + kRetry);
}

void Access::on_retry(Instant) noexcept {
  arm();
}

void Access::accept(Socket socket) {
  ++status_.accepted;
  Address address;
  transport_.kernel().peer_address(socket.fd(), address);
  const std::string peer = to_string(address);
  auto handshake = Handshake::server(config_.credentials, {.peer = peer,
                                                            .allow_anonymous = config_.allow_anonymous,
                                                            .suites = transport_.options().cipher_suites});
  if (!handshake) return log_error("{}: {}", config_.name, handshake.error().message);
  transport_.add_pending(
      std::make_unique<PendingSession>(transport_, *this, std::move(socket), std::move(*handshake),
                                                          config_.credentials, peer));
}

Result<Hello> Access::answer_hello(PendingSession& pending) {
  return transport_.answer_hello(*this, pending);
}

void Access::pending_ready(PendingSession& pending) {
  transport_.adopt_incoming(*this, pending);
}

void Access::pending_failed(PendingSession& pending, const Error& error) {
  // Who said so in order (`fairlead link test`) was not refused.
  const bool trial = error.code == ErrorCode::kClosing && !pending.peer_said_hello();
  const std::string message = pending.peer() + ": " + error.message;
  if (!trial) {
    ++status_.refused;
    status_.last_refused = LastError{error.code, message, transport_.kernel().unix_seconds()};
    transport_.mark_status_changed();
  }
  LogLimit& limit = log_limits_[error.code];
  if (transport_.now() < limit.next) {
    ++limit.unlogged;
    return;
  }
  limit.next = transport_.now() + kLogInterval;
  const std::string others =
      limit.unlogged > 0 ? " (and " + std::to_string(limit.unlogged) + " others before)" : "";
  if (trial) {
    log_info("{}: no link from {}{}", config_.name, message, others);
  } else {
    log_warning("{}: refused a link from {}{}", config_.name, message, others);
  }
  limit.unlogged = 0;
}

void Access::remove() noexcept {
  removed_ = true;
  transport_.abandon_pending(*this);
  close();
}

void Access::close() noexcept {
  if (closing_) return;
  closing_ = true;
  status_.listening = false;
  retry_.cancel();
  transport_.ring().cancel(accept_);
  socket_.shutdown(SHUT_RDWR);
}

}  // namespace fairlead
