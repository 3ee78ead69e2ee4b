#include "transport/listener.h"

#include <cerrno>
#include <utility>

#include "transport/peer_watch.h"
#include "transport/shard.h"

namespace fairlead {

Listener::Listener(Shard& shard, std::uint32_t id, RoutingKeys routing_keys, Strategy strategy, Socket socket,
                   EdgeGroup& group)
    : shard_(shard),
      id_(id),
      routing_keys_(std::move(routing_keys)),
      strategy_(strategy),
      socket_(std::move(socket)),
      group_(group) {
  Address local;
  takes_turns_ = shard_.kernel().local_address(socket_.fd(), local) == 0 && local.family() == AF_UNIX;
  arm();
}

void Listener::follow_options() noexcept {
  if (!takes_turns_) watch_peer(socket_, group_.options->limits, true);
}

void Listener::arm() noexcept {
  if (closing_ || accept_.in_flight()) return;
  shard_.ring().submit(accept_, [&](io_uring_sqe* sqe) {
    if (takes_turns_) return io_uring_prep_accept(sqe, socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_prep_multishot_accept(sqe, socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  });
}

void Listener::on_accept(Completion done) noexcept {
  if (done.ok()) {
    Socket client(shard_.kernel(), done.res);
    // Accepted before the end and heard of behind it: a plain close would look like an empty answer.
    if (closing_) return client.close_with_reset();
    shard_.accept_client(*this, std::move(client));
    if (!done.more()) arm();
    return;
  }
  if (closing_ || done.more()) return;
  switch (-done.res) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      ++shard_.counters().descriptors_exhausted;
      return shard_.timers().arm(retry_, shard_.now() + kRetry);
    case ECONNABORTED:  // the client gave up in the backlog
    case EINTR:
    case EAGAIN:
      return arm();
    default:
      return shard_.timers().arm(retry_, shard_.now() + kRetry);
  }
}

void Listener::on_retry(Instant) noexcept {
  arm();
}

void Listener::close() noexcept {
  if (closing_) return;
  closing_ = true;
  retry_.cancel();
  shard_.ring().cancel(accept_);
  // Clients in the backlog are reset by the kernel once the last reference to the socket goes, after the join.
  socket_.shutdown(SHUT_RDWR);
}

}  // namespace fairlead
