#include "tests/sim/sim_app.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "tests/sim/ipv4.h"
#include "transport/base/check.h"

namespace fairlead::sim {
namespace {

constexpr unsigned kRingEntries = 256;
constexpr int kBacklog = 128;

}  // namespace

// ---- AppConnection

AppConnection::AppConnection(AppHost& host, Socket socket, const Address& to, FlowEnd& end, const FlowScript& script)
    : host_(host), socket_(std::move(socket)), to_(to), end_(end), script_(script), connected_(false) {
  end_.scripted_abort = script.aborts();
  end_.stalls = script.stalls_at != FlowScript::kNever;
  host_.timers().arm(connect_deadline_, host_.now() + kConnectTimeout);
  host_.ring().submit(connect_,
                      [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, socket_.fd(), to_.get(), to_.size); });
}

AppConnection::AppConnection(AppHost& host, Socket socket, FlowEnd& end, const FlowScript& script)
    : host_(host), socket_(std::move(socket)), end_(end), script_(script), connected_(true) {
  end_.scripted_abort = script.aborts();
  end_.stalls = script.stalls_at != FlowScript::kNever;
  go_on();
}

void AppConnection::on_connect(Completion done) noexcept {
  connect_deadline_.cancel();
  if (end_.over) return end_when_idle();
  if (!done.ok()) return cut(std::string("connect: ") + std::strerror(-done.res), false);
  connected_ = true;
  host_.trace("client connected", end_, socket_.fd());
  go_on();
}

void AppConnection::on_connect_deadline(Instant) noexcept {
  cut("connect: no answer", true);
}

void AppConnection::go_on() {
  if (!connected_ || end_.over) return;
  if (aborts_now()) return cut("as scripted", true);
  receive_more();
  send_more();
}

// ---- sending

std::uint64_t AppConnection::sendable_bytes() const noexcept {
  switch (script_.sending) {
    case FlowScript::Sending::kFreely:
      return kFlowHeaderBytes + script_.bytes;
    case FlowScript::Sending::kFollowing:
      return end_.received;
    case FlowScript::Sending::kAfterPeerFinished:
      return end_.peer_finished ? kFlowHeaderBytes + script_.bytes : 0;
  }
  return 0;
}

bool AppConnection::sends_everything_yet() const noexcept {
  return script_.sending == FlowScript::Sending::kFreely || end_.peer_finished;
}

void AppConnection::send_more() {
  if (end_.over || end_.finished || send_.in_flight() || send_pause_.armed()) return;
  const std::uint64_t left = sendable_bytes() - end_.sent;
  if (left == 0) {
    if (!sends_everything_yet()) return;
    end_.finished = true;
    socket_.shutdown(SHUT_WR);
    receive_more();
    return end_when_idle();
  }
  outgoing_.resize(std::min<std::uint64_t>(left, 1 + host_.prng().below(script_.send_bytes_max)));
  write_pattern(end_.number, end_.sent, outgoing_);
  host_.ring().submit(send_, [&](io_uring_sqe* sqe) {
    io_uring_prep_send(sqe, socket_.fd(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
  });
}

void AppConnection::on_send(Completion done) noexcept {
  if (done.ok()) end_.sent += done.bytes();
  if (end_.over) return end_when_idle();
  if (!done.ok() && done.res != -EINTR && done.res != -EAGAIN) {
    return cut(std::string("send: ") + std::strerror(-done.res), false);
  }
  rest(send_pause_, script_.send_pause_max, send_pauses_left_);
  go_on();
}

void AppConnection::on_send_pause(Instant) noexcept {
  go_on();
}

// ---- receiving

void AppConnection::receive_more() {
  if (end_.over || end_.peer_finished || receive_.in_flight() || receive_pause_.armed()) return;
  if (!released_ && end_.received >= script_.stalls_at) return;
  if (script_.reads_after_sending && !end_.finished) return;
  incoming_.resize(1 + host_.prng().below(script_.receive_bytes_max));
  host_.ring().submit(receive_, [&](io_uring_sqe* sqe) {
    io_uring_prep_recv(sqe, socket_.fd(), incoming_.data(), incoming_.size(), 0);
  });
}

void AppConnection::on_receive(Completion done) noexcept {
  if (end_.over) return end_when_idle();
  if (done.res > 0) {
    host_.ledger().received(end_, {incoming_.data(), done.bytes()});
    rest(receive_pause_, script_.receive_pause_max, receive_pauses_left_);
    return go_on();
  }
  if (done.res == -EINTR || done.res == -EAGAIN) return go_on();
  if (done.res < 0) return cut(std::string("receive: ") + std::strerror(-done.res), false);
  host_.ledger().peer_finished(end_);
  go_on();
  end_when_idle();
}

void AppConnection::on_receive_pause(Instant) noexcept {
  go_on();
}

void AppConnection::rest(Timer& pause, Duration most, unsigned& left) {
  if (most.ns <= 0 || left == 0 || host_.prng().below(8) != 0) return;
  --left;
  const auto length = static_cast<std::int64_t>(host_.prng().below(static_cast<std::uint64_t>(most.ns)));
  host_.timers().arm(pause, host_.now() + Duration{length});
}

void AppConnection::release() {
  if (std::exchange(released_, true)) return;
  go_on();
}

// ---- the end

void AppConnection::cut(std::string why, bool by_us) {
  host_.trace(by_us ? "aborts" : "is cut", end_, socket_.fd());
  end_.over = true;
  end_.cut = std::move(why);
  aborting_ = by_us;
  send_pause_.cancel();
  receive_pause_.cancel();
  connect_deadline_.cancel();
  host_.ring().cancel(connect_);
  host_.ring().cancel(send_);
  host_.ring().cancel(receive_);
  end_when_idle();
}

void AppConnection::end_when_idle() {
  if (end_.finished && end_.peer_finished) end_.over = true;
  if (!end_.over || !idle()) return;
  if (aborting_) return socket_.close_with_reset();
  socket_.close();
}

// ---- AppServer

AppServer::AppServer(AppHost& host, Socket socket, std::uint16_t port, Behaviour behaviour, std::string routing_key)
    : host_(host),
      socket_(std::move(socket)),
      port_(port),
      behaviour_(behaviour),
      routing_key_(std::move(routing_key)) {
  arm();
}

void AppServer::arm() {
  if (closing_ || accept_.in_flight()) return;
  host_.ring().submit(accept_, [&](io_uring_sqe* sqe) {
    io_uring_prep_multishot_accept(sqe, socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  });
}

void AppServer::on_accept(Completion done) noexcept {
  if (done.ok()) {
    Socket socket(host_.kernel(), done.res);
    if (!closing_) host_.accept(std::move(socket), behaviour_, routing_key_);
  }
  if (!done.more()) arm();
}

void AppServer::close() {
  closing_ = true;
  host_.ring().cancel(accept_);
  socket_.shutdown(SHUT_RDWR);
}

// ---- AppHost

AppHost::AppHost(SimWorld& world, FlowLedger& ledger, const std::string& name, unsigned site, const FlowSizes& sizes)
    : world_(world),
      ledger_(ledger),
      site_(site),
      sizes_(sizes),
      // A gateway notices nothing of a connection that falls silent and has nothing to send, so only links get that
      // fault.
      kernel_(world, name, {.may_fall_silent = false}),
      prng_(world.prng().next()),
      now_(world.now()),
      timers_(now_) {
  auto ring = Ring::open(kernel_, kRingEntries);
  CHECK(ring.has_value());
  ring_ = std::move(*ring);
  CHECK(ring_->enable().has_value());
}

AppHost::~AppHost() {
  // Whatever a failed run left is ended by the end of its world.
  kernel_.kill();
  while (ring_->in_flight() > 0) {
    close_servers();
    ring_->turn(Duration{});
  }
}

FlowEnd* AppHost::connect(const Address& gateway, const std::string& routing_key, const FlowScript& script) {
  const int fd = kernel_.open_socket(AF_INET);
  if (fd < 0) return nullptr;
  FlowEnd& end = ledger_.open_client(routing_key, site_);
  trace("client", end, fd);
  connections_.emplace_back(*this, Socket(kernel_, fd), gateway, end, script);
  return &end;
}

bool AppHost::serve(std::uint16_t port, Behaviour behaviour, const std::string& routing_key) {
  const int fd = kernel_.open_socket(AF_INET);
  if (fd < 0) return false;
  Socket socket(kernel_, fd);
  CHECK(kernel_.bind_and_listen(fd, kernel_.address(port), kBacklog) == 0);
  servers_.emplace_back(*this, std::move(socket), port, behaviour, routing_key);
  return true;
}

void AppHost::refuse(std::uint16_t port) {
  for (AppServer& server : servers_) {
    if (server.port() == port) server.close();
  }
}

bool AppHost::serves(std::uint16_t port) const noexcept {
  return std::any_of(servers_.begin(), servers_.end(),
                     [&](const AppServer& server) { return server.port() == port && !server.closing(); });
}

void AppHost::accept(Socket socket, Behaviour behaviour, const std::string& routing_key) {
  Address gateway;
  if (kernel_.peer_address(socket.fd(), gateway) < 0) return;
  FlowEnd& end = ledger_.open_server(routing_key, site_, port_of(gateway));
  trace("server", end, socket.fd());
  connections_.emplace_back(*this, std::move(socket), end, draw_server(prng_, behaviour, sizes_));
}

void AppHost::trace(const char* what, const FlowEnd& end, int fd) {
  world_.trace({what, kernel_.host(), static_cast<std::int64_t>(end.number), fd});
}

void AppHost::turn() {
  ring_->turn(timers_.until_next(now_));
  now_ = kernel_.now();
  timers_.advance(now_);
  std::erase_if(connections_, [](const AppConnection& connection) { return connection.gone(); });
  std::erase_if(servers_, [](const AppServer& server) { return server.gone(); });
}

void AppHost::release_stalls() {
  sizes_.stall_percent = 0;
  for (AppConnection& connection : connections_)
    connection.release();
}

void AppHost::close_servers() {
  for (AppServer& server : servers_)
    server.close();
}

}  // namespace fairlead::sim
