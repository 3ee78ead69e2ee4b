#include "transport/paced_acceptor.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "transport/listening_socket.h"

namespace fairlead {
namespace {

constexpr Duration kRetry = Duration::milliseconds(100);  // for want of descriptors or memory

}  // namespace

Result<std::unique_ptr<PacedAcceptor>> PacedAcceptor::open(SideLoop& loop, const HostPort& address, unsigned burst,
                                                           Duration interval, Accepted accepted) {
  std::uint16_t port = 0;
  auto socket = open_listening_socket(loop.kernel(), address.host, address.port, false, port);
  if (!socket) return std::unexpected(socket.error());
  std::unique_ptr<PacedAcceptor> acceptor(
      new PacedAcceptor(loop, std::move(*socket), port, burst, interval, std::move(accepted)));
  acceptor->arm();
  return acceptor;
}

PacedAcceptor::PacedAcceptor(SideLoop& loop, Socket socket, std::uint16_t port, unsigned burst, Duration interval,
                             Accepted accepted)
    : loop_(loop),
      socket_(std::move(socket)),
      port_(port),
      burst_{interval.ns * (burst - 1)},
      interval_(interval),
      accepted_(std::move(accepted)),
      paid_until_(loop.now()) {}

void PacedAcceptor::arm() noexcept {
  if (closing_ || accept_.in_flight()) return;
  if (paid_until_ - loop_.now() > burst_) return loop_.timers().arm(due_, paid_until_ - burst_);
  loop_.ring().submit(
      accept_, [&](io_uring_sqe* sqe) { io_uring_prep_accept(sqe, socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC); });
}

void PacedAcceptor::on_accept(Completion done) noexcept {
  if (!done.ok()) {
    if (closing_) return;
    if (done.res == -ECONNABORTED || done.res == -EINTR || done.res == -EAGAIN) return arm();
    return loop_.timers().arm(due_, loop_.now() + kRetry);
  }
  Socket client(loop_.kernel(), done.res);
  if (closing_) return;
  paid_until_ = std::max(paid_until_, loop_.now()) + interval_;
  Address peer;
  loop_.kernel().peer_address(client.fd(), peer);
  arm();
  accepted_(std::move(client), peer);
}

void PacedAcceptor::on_due(Instant) noexcept {
  arm();
}

void PacedAcceptor::close() noexcept {
  if (closing_) return;
  closing_ = true;
  due_.cancel();
  loop_.ring().cancel(accept_);
  socket_.shutdown(SHUT_RDWR);
}

}  // namespace fairlead
