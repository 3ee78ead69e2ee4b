#include "transport/edge_socket.h"

#include <algorithm>
#include <cerrno>

#include "transport/base/tracepoint.h"
#include "transport/opening.h"
#include "transport/shard.h"

namespace fairlead {
namespace {

// Received bytes up to this size are copied, so that the large buffer goes back to the kernel at once and stays in the
// cache. A copy of this size costs less than touching a cold buffer.
constexpr std::uint32_t kCopyBreak = 2048;
// A receive for less than this is not worth its system call; more credit is under way when the window is that small.
constexpr std::uint64_t kReceiveMin = 4096;
static_assert(Shard::kLocalRoomBytes >= kReceiveMin + Ring::kQuietBytesMax);
// Received at a time until a PROXY header is complete.
constexpr std::uint64_t kPrefaceReceive = 16 * 1024;
// Taken by one sendmsg: the kernel's send buffer rarely has room for more.
constexpr std::uint32_t kSendBytesMax = 512 * 1024;
// Behind a send that is in flight, slices up to this size are copied: they may wait long, and would hold a large block.
constexpr std::uint32_t kQueueCopyMax = 1024;

ResetCode code_of_connect_error(int error) noexcept {
  switch (error) {
    case ECONNREFUSED:
      return ResetCode::kConnectRefused;
    case ETIMEDOUT:
      return ResetCode::kConnectTimeout;
    default:
      return ResetCode::kConnectFailed;
  }
}

}  // namespace

EdgeSocket::EdgeSocket(Shard& shard, Socket socket, EdgeGroup& group, KeyFigures& key, LoadShare place) noexcept
    : shard_(shard),
      group_(group),
      key_(key),
      socket_(std::move(socket)),
      out_(shard.slice_nodes()),
      moved_at_(shard.now()),
      received_at_(shard.now()),
      place_(std::move(place)) {
  ++group_.figures.open;
  ++group_.figures.total;
  ++key_.open;
  ++key_.opened;
}

EdgeSocket::~EdgeSocket() {
  --group_.figures.open;
  --key_.open;
}

void EdgeSocket::start_connect(const Address& address, Opening& opening, LoadShare load) noexcept {
  dialled_ = true;
  opening_ = &opening;
  opening.server = &address;
  load_ = std::move(load);
  shard_.connect(*this);
}

void EdgeSocket::connect() noexcept {
  if (state_ != State::kConnecting) return;
  const Address& server = *opening_->server;
  shard_.ring().submit(
      connect_, [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, socket_.fd(), server.get(), server.size); });
  // From now on: how long it waited for its turn says nothing about the server.
  shard_.timers().arm(deadline_, shard_.now() + shard_.options().connect_timeout);
}

void EdgeSocket::on_connect(Completion done) noexcept {
  deadline_.cancel();
  if (state_ != State::kConnecting) return join();
  // -ECANCELED here is our own deadline.
  if (!done.ok()) return connect_failed(done.res == -ECANCELED ? ETIMEDOUT : -done.res);
  if (group_.options->credentials != nullptr) return connect_handshake();
  if (group_.options->send_proxy != ProxyProtocol::kNone && !put_proxy_header()) return;
  begin();
}

// The server is there.
void EdgeSocket::begin() noexcept {
  key_.latency.record(shard_.now() - moved_at_);
  became_open();
  shard_.release(*std::exchange(opening_, nullptr));
  if (peer_ != nullptr) peer_->opened();
  arm_receive();
  if (!out_.empty() || finish_wanted_) mark_dirty();
}

void EdgeSocket::start_accepted() noexcept {
  became_open();
}

void EdgeSocket::became_open() noexcept {
  state_ = State::kOpen;
  if (const Duration limit = idle_limit(); limit.ns > 0) shard_.timers().arm(deadline_, shard_.now() + limit);
}

void EdgeSocket::connect_failed(int error) noexcept {
  ++group_.figures.failed;
  shard_.report_connect_failed(group_, error);
  offer_to_another(code_of_connect_error(error));
  fail(code_of_connect_error(error));
}

// Nothing was sent, so all of it can go to another server.
void EdgeSocket::offer_to_another(ResetCode code) noexcept {
  Channel* client = peer_;
  if (client == nullptr) return;
  Opening& opening = *std::exchange(opening_, nullptr);
  part();
  const std::uint64_t granted = opening.client_is_stream ? 0 : Shard::kLocalRoomBytes;
  shard_.reopen(opening, *client, out_, finish_wanted_, granted, code);
}

void EdgeSocket::replay(SliceQueue& sent, bool finished) noexcept {
  out_.swap(sent);
  finish_wanted_ = finished;
}

void EdgeSocket::on_deadline(Instant now) noexcept {
  switch (state_) {
    case State::kConnecting:
      return shard_.ring().cancel(connect_);
    case State::kPreface:
      return preface_timed_out();
    case State::kHandshake:
      return give_up_handshake();
    case State::kOpen:
      return check_idle(now);
    case State::kRefusing:
    case State::kAborting:
    case State::kClosed:
      return end(ResetCode::kNone);
  }
}

// ---- connections that carry nothing

Duration EdgeSocket::idle_limit() const noexcept {
  const ConnectionLimits& limits = group_.options->limits;
  const bool half_closed = read_finished_ || write_finished_;
  if (!half_closed || limits.half_closed_timeout.ns == 0) return limits.idle_timeout;
  if (limits.idle_timeout.ns == 0) return limits.half_closed_timeout;
  return std::min(limits.half_closed_timeout, limits.idle_timeout);
}

// The timer is not moved for each byte: when it is due, it is looked at how long ago the last one was.
void EdgeSocket::check_idle(Instant now) noexcept {
  const Duration limit = idle_limit();
  if (limit.ns == 0) return;
  const Instant due = std::max(moved_at_, received_at_) + limit;
  if (now < due) return shard_.timers().arm(deadline_, due);
  ++shard_.counters().edges_idle;
  end(ResetCode::kIdle);
}

// ---- from the application to the peer

void EdgeSocket::grant(std::uint64_t bytes) noexcept {
  granted_bytes_ += bytes;
  arm_receive();
}

void EdgeSocket::arm_receive() noexcept {
  if (tls_ != nullptr && state_ == State::kOpen && tls_->waits()) {
    if (granted_bytes_ > 0) mark_dirty();  // goes on at the end of the turn
    return;
  }
  const std::uint64_t room = state_ == State::kOpen ? granted_bytes_ : waiting_room();
  if (room < kReceiveMin || receive_.in_flight() || read_finished_) return;
  if (shard_.buffers().lent() == 0) return shard_.starve(*this);
  const std::uint32_t bytes_max =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(room, BufferRing::kReceiveBytesMax));
  shard_.ring().submit(receive_, [&](io_uring_sqe* sqe) {
    shard_.buffers().prepare_receive(sqe, socket_.fd(), bytes_max, wait_first_);
  });
}

// What one receive may take before the application's bytes flow.
std::uint64_t EdgeSocket::waiting_room() noexcept {
  if (tls_ != nullptr) return handshake_room();
  if (state_ != State::kPreface) return 0;
  if (opening_ != nullptr) return kPrefaceReceive;
  if (granted_bytes_ > 0) mark_dirty();  // what came with the header goes first
  return 0;
}

void EdgeSocket::on_receive(Completion done) noexcept {
  if (done.res > 0) {
    wait_first_ = !done.socket_nonempty();
    received_at_ = shard_.now();
    shard_.loop().edge_receives.add(done.bytes());
    TRACEPOINT(edge_received, static_cast<Channel*>(this), done.bytes());
    if (tls_ == nullptr) {
      shard_.buffers().collect(done, [this](Slice bytes) { take_received(std::move(bytes)); });
    } else {
      shard_.buffers().collect(done, [this](Slice bytes) { take_sealed(std::move(bytes)); });
    }
    if (state_ == State::kAborting) return join();
    return arm_receive();
  }
  if (state_ == State::kRefusing) return receive_ended();
  if (state_ != State::kOpen && state_ != State::kHandshake && state_ != State::kPreface) return join();
  switch (-done.res) {
    case 0:
      if (state_ != State::kOpen || tls_ != nullptr) return receive_ended();
      read_finished_ = true;
      if (peer_ != nullptr) peer_->finish();
      return close_when_finished();
    case ENOBUFS:
      ++shard_.counters().receive_starved;
      return shard_.starve(*this);
    case EINTR:
    case EAGAIN:
    case ENOMEM:
      wait_first_ = true;
      return shard_.starve(*this);  // tried again with the next turn
    default:
      return state_ != State::kOpen || tls_ != nullptr ? receive_ended() : fail(ResetCode::kPeerReset);
  }
}

void EdgeSocket::take_received(Slice bytes) noexcept {
  if (state_ == State::kPreface) [[unlikely]]
    return take_preface(std::move(bytes));
  granted_bytes_ -= std::min<std::uint64_t>(granted_bytes_, bytes.size());
  if (peer_ == nullptr || state_ != State::kOpen) return;
  key_.bytes_in += bytes.size();
  if (bytes.size() <= kCopyBreak) {
    if (Slice copy = shard_.copy_small({bytes.data(), bytes.size()}); !copy.empty())
      return peer_->deliver(std::move(copy));
  }
  peer_->deliver(std::move(bytes));
}

// ---- from the peer to the application

void EdgeSocket::deliver(Slice bytes) noexcept {
  if (ending()) return;
  if (send_.in_flight() && bytes.size() <= kQueueCopyMax) {
    if (Slice copy = shard_.copy_small({bytes.data(), bytes.size()}); !copy.empty()) bytes = std::move(copy);
  }
  enqueue(std::move(bytes));
  mark_dirty();
}

void EdgeSocket::enqueue(Slice bytes) noexcept {
  if (!shard_.append(out_, std::move(bytes))) [[unlikely]] {
    ++shard_.counters().slice_nodes_exhausted;
    fail(ResetCode::kLimit);
  }
}

void EdgeSocket::finish() noexcept {
  finish_wanted_ = true;
  mark_dirty();
}

void EdgeSocket::mark_dirty() noexcept {
  shard_.mark_dirty(*this);
}

void EdgeSocket::flush() noexcept {
  if (tls_ != nullptr) return flush_tls();
  if (state_ == State::kPreface) [[unlikely]]
    deliver_early();
  if (state_ != State::kOpen) return;
  if (send_.in_flight()) return shard_.ring().expect(send_);
  if (out_.empty()) {
    if (finish_wanted_ && !write_finished_) {
      write_finished_ = true;
      socket_.shutdown(SHUT_WR);
      close_when_finished();
    }
    return;
  }
  const auto [vectors, bytes] = shard_.gather(out_, kSendBytesMax);
  if (vectors.empty()) return mark_dirty();  // this turn's vectors are used up: the next turn sends
  TRACEPOINT(edge_send, static_cast<Channel*>(this), bytes);
  const bool quiet = bytes == out_.bytes() && may_be_quiet(bytes);
  if (vectors.size() == 1) {
    return shard_.ring().submit_send(send_, quiet, bytes, [&, whole = vectors[0]](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, socket_.fd(), whole.iov_base, whole.iov_len, MSG_NOSIGNAL);
    });
  }
  const msghdr* message = shard_.message(vectors);
  shard_.ring().submit_send(send_, quiet, bytes, [&](io_uring_sqe* sqe) {
    io_uring_prep_sendmsg(sqe, socket_.fd(), message, MSG_NOSIGNAL);
  });
}

// Whether nothing has to happen once so many bytes are sent, which are all there is.
bool EdgeSocket::may_be_quiet(std::uint64_t bytes) const noexcept {
  return !full_ && !finish_wanted_ && peer_ != nullptr && !peer_->awaits_grant(bytes);
}

void EdgeSocket::on_send(Completion done) noexcept {
  if (done.res > 0) {
    full_ = false;
    shard_.loop().edge_sends.add(done.bytes());
    TRACEPOINT(edge_sent, static_cast<Channel*>(this), done.bytes());
  }
  if (tls_ != nullptr) return tls_sent(done);
  if (done.res > 0) {
    std::uint32_t payload = done.bytes();
    if (!sent_any_) [[unlikely]]
      payload = first_sent(payload);
    key_.bytes_out += payload;
    out_.drop_front(done.bytes());
    moved_at_ = shard_.now();
    if (peer_ != nullptr) peer_->grant(payload);
  }
  if (state_ != State::kOpen) return join();
  if (relieving_) {
    relieving_ = false;
    compact();
  }
  if (done.res <= 0 && !send_again(done)) return fail(ResetCode::kPeerReset);
  if (!out_.empty() || finish_wanted_) mark_dirty();
}

// Returns how many of them are the peer's.
std::uint32_t EdgeSocket::first_sent(std::uint32_t bytes) noexcept {
  const std::uint32_t header = std::min(header_bytes_, bytes);
  header_bytes_ -= header;
  sent_any_ = bytes > header;
  if (sent_any_ && !dialled_) key_.latency.record(shard_.now() - moved_at_);
  return bytes - header;
}

// Whether nothing was sent for a reason that passes: the next turn tries again.
bool EdgeSocket::send_again(Completion done) noexcept {
  switch (-done.res) {
    case EAGAIN:
      full_ = true;  // only a quiet send says so: the next one waits
      return true;
    case ECANCELED:
    case EINTR:
    case ENOMEM:
    case ENOBUFS:
      return true;
    default:
      return false;
  }
}

void EdgeSocket::resume() noexcept {
  if (tls_ != nullptr && state_ == State::kOpen) {
    read_on();
  } else {
    arm_receive();
  }
  if (tls_ != nullptr) mark_dirty();
}

std::uint64_t EdgeSocket::queued_bytes() const noexcept {
  if (tls_ == nullptr || tls_->records == nullptr) return out_.bytes();
  return out_.bytes() + tls_->records->pending_bytes() + tls_->records->held_bytes() + tls_->opening.size() +
         tls_->sealed.bytes();
}

void EdgeSocket::relieve() noexcept {
  if (tls_ != nullptr && state_ == State::kOpen && tls_->waits()) relieve_input();
  // Before it is open, too: a handshake cannot go on if what its client has sent meanwhile holds all lent blocks.
  if (ending() || out_.empty() || relieving_ || !shard_.holds_large_blocks(out_)) return;
  // With TLS what is being sent is not in the queue any more.
  if (!send_.in_flight() || tls_ != nullptr) return compact();
  // The kernel may still read from the slices of a send that waits: their blocks can go only once it is joined.
  relieving_ = true;
  shard_.ring().cancel(send_);
}

void EdgeSocket::compact() noexcept {
  if (!shard_.compact(out_)) return fail(ResetCode::kLimit);
  ++shard_.counters().edges_relieved;
}

// ---- the end

void EdgeSocket::abort(ResetCode code) noexcept {
  if (code != ResetCode::kNone) key_.failed.count(code);
  end(ResetCode::kNone);
}

void EdgeSocket::fail(ResetCode code) noexcept {
  end(code);
}

void EdgeSocket::end(ResetCode code) noexcept {
  if (state_ == State::kClosed || state_ == State::kAborting) return;
  state_ = State::kAborting;
  if (code != ResetCode::kNone) key_.failed.count(code);
  if (opening_ != nullptr) shard_.release(*std::exchange(opening_, nullptr));
  ++shard_.counters().edges_reset;
  deadline_.cancel();
  shard_.end_handshake(*this);
  // Not by shutdown(): the application would take the FIN for an orderly end of a stream that was cut.
  shard_.ring().cancel(receive_);
  shard_.ring().cancel(send_);
  shard_.ring().cancel(connect_);
  abort_peer(code);
  join();
}

void EdgeSocket::close_when_finished() noexcept {
  if (read_finished_ && write_finished_) {
    part();
    return close();
  }
  const Duration limit = idle_limit();
  if (state_ != State::kOpen || limit.ns == 0) return;
  deadline_.cancel();
  shard_.timers().arm(deadline_, shard_.now() + limit);
}

void EdgeSocket::close() noexcept {
  deadline_.cancel();
  state_ = State::kClosed;
  socket_.close();
  shard_.reap(*this);
}

void EdgeSocket::join() noexcept {
  if (state_ != State::kAborting || !idle()) return;
  state_ = State::kClosed;
  out_.clear();
  socket_.close_with_reset();
  shard_.reap(*this);
}

}  // namespace fairlead
