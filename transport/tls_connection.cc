#include "transport/tls_connection.h"

#include <cerrno>
#include <utility>

#include "transport/base/tracepoint.h"
#include "transport/record_protection.h"
#include "transport/session.h"
#include "transport/shard.h"

namespace fairlead {

std::unique_ptr<TlsConnection> TlsConnection::open(Session& session, Shard& shard, SessionSeed& seed) {
  Block* out = shard.link_pool().take();
  Block* in = shard.link_pool().take();
  if (out == nullptr || in == nullptr) {
    if (out != nullptr) BlockPool::release(out);
    if (in != nullptr) BlockPool::release(in);
    return nullptr;
  }
  bool preloaded = true;
  auto sender = make_sender(shard.kernel(), seed, out);
  auto receiver = make_receiver(shard.kernel(), seed, shard.link_pool(), in, preloaded);
  auto connection =
      std::make_unique<TlsConnection>(session, shard, std::move(seed.socket), std::move(sender), std::move(receiver));
  connection->early_too_long_ = !preloaded;
  return connection;
}

TlsConnection::TlsConnection(Session& session, Shard& shard, Socket socket, std::unique_ptr<RecordSender> sender,
                             std::unique_ptr<RecordReceiver> receiver) noexcept
    : session_(session),
      shard_(shard),
      socket_(std::move(socket)),
      sender_(std::move(sender)),
      receiver_(std::move(receiver)) {}

void TlsConnection::send(bool all) noexcept {
  if (sending() || write_shut_ || sender_->pending_bytes() == 0) return;
  TRACEPOINT(link_send, session_.id(), sender_->pending_bytes());
  const bool quiet = all && !full_ && !close_notify_put_ && sender_->may_be_quiet();
  shard_.ring().submit_send(send_, quiet, sender_->pending_bytes(),
                            [&](io_uring_sqe* sqe) { sender_->prepare_send(sqe, socket_.fd()); });
}

void TlsConnection::expect_sent() noexcept {
  shard_.ring().expect(send_);
}

void TlsConnection::put_close_notify() noexcept {
  if (std::exchange(close_notify_put_, true)) return;
  sender_->put_close_notify();
}

bool TlsConnection::arm_receive() noexcept {
  if (receiving() || ended_) return true;
  if (!receiver_->make_room()) return false;
  shard_.ring().submit(receive_,
                       [&](io_uring_sqe* sqe) { receiver_->prepare_receive(sqe, socket_.fd(), wait_first_); });
  return true;
}

void TlsConnection::on_receive(Completion done) noexcept {
  session_.on_received(*this, done);
}

void TlsConnection::on_send(Completion done) noexcept {
  session_.on_sent(*this, done);
}

bool TlsConnection::received(Completion done) noexcept {
  if (done.res > 0) {
    wait_first_ = !done.socket_nonempty();
    shard_.loop().link_receives.add(done.bytes());
    TRACEPOINT(link_received, session_.id(), done.bytes());
    receiver_->received(done.bytes());
    return true;
  }
  wait_first_ = true;
  return is_passing(-done.res);
}

bool TlsConnection::sent(Completion done, int& error) noexcept {
  full_ = done.res == -EAGAIN;  // only a quiet send says so: the next one waits
  if (done.res > 0) {
    shard_.loop().link_sends.add(done.bytes());
    TRACEPOINT(link_sent, session_.id(), done.bytes());
  }
  error = done.res > 0 ? -sender_->sent(done.bytes()) : is_passing(-done.res) ? 0 : -done.res;
  if (error != 0) return false;
  if (close_notify_put_ && sender_->pending_bytes() == 0 && !write_shut_) {
    // To close now, with bytes of the peer unread or under way, would make the kernel answer them with a reset, which
    // takes back what the peer has not read yet. So the peer closes first, or is given up as silent.
    write_shut_ = true;
    socket_.shutdown(SHUT_WR);
  }
  return true;
}

void TlsConnection::cancel() noexcept {
  shard_.ring().cancel(receive_);
  shard_.ring().cancel(send_);
}

void TlsConnection::cancel_and_end() noexcept {
  ended_ = write_shut_ = true;
  cancel();
}

// Nothing happened, and another try may go well.
bool TlsConnection::is_passing(int errno_value) noexcept {
  return errno_value == EINTR || errno_value == EAGAIN || errno_value == ENOMEM || errno_value == ENOBUFS;
}

}  // namespace fairlead
