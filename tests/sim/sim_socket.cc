#include "tests/sim/sim_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "tests/sim/ipv4.h"
#include "tests/sim/sim_kernel.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace fairlead::sim {

SimSocket::SimSocket(SimWorld& world, SimKernel& kernel) : SimFile(kernel.host()), world_(world), kernel_(kernel) {}

SimSocket::~SimSocket() = default;

int SimSocket::set_option(int level, int name, std::span<const std::byte> bytes) noexcept {
  if (level == SOL_TLS) return set_tls_key(name, bytes);
  if (level == IPPROTO_TCP && name == TCP_ULP) {
    return attach_tls({reinterpret_cast<const char*>(bytes.data()), strnlen(
        reinterpret_cast<const char*>(bytes.data()), bytes.size())});
  }
  int value = 0;
  if (bytes.size() < sizeof value) return -EINVAL;
  std::memcpy(&value, bytes.data(), sizeof value);
  if (level == SOL_SOCKET && name == SO_REUSEPORT) {
    shares_port_ = value != 0;
  } else if (level == SOL_SOCKET && name == SO_REUSEADDR) {
    reuses_address_ = value != 0;
  } else if (level == SOL_SOCKET && name == SO_SNDBUF) {
    // Linux doubles the value for its own bookkeeping, which then takes up about that much.
    send_buffer_bytes_ = static_cast<std::size_t>(std::max(value, 2304));
  } else if (level != SOL_SOCKET && level != IPPROTO_TCP && level != IPPROTO_IP) {
    return -ENOPROTOOPT;
  }
  return 0;
}

// ---- kernel TLS

int SimSocket::attach_tls(std::string_view protocol) noexcept {
  if (protocol != "tls" || !kernel_.options().tls.present) return -ENOENT;
  if (tls_) return -EEXIST;
  if (state_ != State::kConnected) return -ENOTCONN;
  tls_ = std::make_unique<SimTls>(kernel_.options().tls, world_.prng());
  return 0;
}

int SimSocket::set_tls_key(int name, std::span<const std::byte> info) noexcept {
  if (!tls_) return -ENOPROTOOPT;
  if (name != TLS_TX && name != TLS_RX) return -ENOPROTOOPT;
  const int result = tls_->set_key(name == TLS_TX, info);
  wake();  // a receive that waits may find that what has come is a record
  return result;
}

// ---- listening

bool SimSocket::conflicts(const SimSocket& a, const Address& address) {
  if (port_of(a.local_) != port_of(address)) return false;
  return ip_of(a.local_) == ip_of(address) || ip_of(a.local_) == INADDR_ANY || ip_of(address) == INADDR_ANY;
}

int SimSocket::bind_and_listen(const Address& address, int backlog) {
  if (state_ != State::kFresh) return -EINVAL;
  if (address.family() != AF_INET) return -EAFNOSUPPORT;
  if (!kernel_.owns(ip_of(address))) return -EADDRNOTAVAIL;
  Address wanted = address;
  if (port_of(wanted) == 0) set_port(wanted, kernel_.next_port());
  for (const SimSocket* listener : world_.listeners()) {
    if (listener->host() != host() || !conflicts(*listener, wanted)) continue;
    if (!listener->shares_port_ || !shares_port_) return -EADDRINUSE;
  }
  local_ = wanted;
  backlog_ = static_cast<std::size_t>(std::max(backlog, 0)) + 1;
  state_ = State::kListening;
  world_.listeners().push_back(this);
  return 0;
}

void SimSocket::stop_listening() {
  state_ = State::kClosed;
  std::erase(world_.listeners(), this);
  // Clients that nobody accepted are reset.
  for (const auto& client : std::exchange(clients_, {})) {
    client->reset_on_close_ = true;
    client->released();
  }
}

std::shared_ptr<SimSocket> SimSocket::take_client() {
  std::shared_ptr<SimSocket> client = std::move(clients_.front());
  clients_.pop_front();
  return client;
}

// ---- connecting

int SimSocket::start_connect(const Address& address) {
  switch (state_) {
    case State::kFresh:
      break;
    case State::kConnected:
      return -EISCONN;
    case State::kConnecting:
      return -EALREADY;
    case State::kListening:
    case State::kClosed:
      return -EINVAL;
  }
  if (address.family() != AF_INET) return -EAFNOSUPPORT;
  peer_ = address;
  // Source addresses: within the host the one that is dialled, else the host's own.
  const bool local = kernel_.owns(ip_of(address)) || ip_of(address) == INADDR_ANY;
  local_ = make_address(local && ip_of(address) != INADDR_ANY ? ip_of(address) : kernel_.ip(), kernel_.next_port());
  state_ = State::kConnecting;
  const Faults& faults = world_.faults();
  Duration latency = faults.latency_min;
  const std::int64_t spread_ns = (faults.latency_max - faults.latency_min).ns;
  if (spread_ns > 0)
    latency.ns += static_cast<std::int64_t>(world_.prng().below(static_cast<std::uint64_t>(spread_ns)));
  if (world_.chance(faults.connect_slow))
    latency = Duration::milliseconds(static_cast<std::int64_t>(world_.prng().below(4'000)));
  const std::weak_ptr<SimSocket> self = weak_from_this();
  if (world_.chance(faults.connect_lost)) {
    world_.at(world_.now() + kConnectGiveUp, [self] {
      if (const auto socket = self.lock()) socket->end_connect(ETIMEDOUT);
    });
  } else if (world_.chance(faults.connect_refused)) {
    world_.at(world_.now() + latency * 2, [self] {
      if (const auto socket = self.lock()) socket->end_connect(ECONNREFUSED);
    });
  } else {
    send_syn(world_.now(), latency);
  }
  return -EINPROGRESS;
}

void SimSocket::send_syn(Instant started, Duration latency) {
  world_.at(world_.now() + latency, [self = weak_from_this(), started, latency] {
    if (const auto socket = self.lock()) socket->syn_arrives(started, latency);
  });
}

void SimSocket::retry_syn(Instant started, Duration latency) {
  if (world_.now() - started >= kConnectGiveUp) return end_connect(ETIMEDOUT);
  world_.at(world_.now() + kConnectRetry, [self = weak_from_this(), started, latency] {
    if (const auto socket = self.lock()) socket->syn_arrives(started, latency);
  });
}

SimSocket* SimSocket::listener_for(const Address& address) {
  std::vector<SimSocket*> candidates;
  for (SimSocket* listener : world_.listeners()) {
    if (port_of(listener->local_) != port_of(address)) continue;
    const std::uint32_t ip = ip_of(address);
    const bool local_only = is_loopback(ip) || ip == INADDR_ANY;
    if (local_only ? listener->host() != host() : !listener->kernel_.owns(ip)) continue;
    if (ip_of(listener->local_) == INADDR_ANY || ip == INADDR_ANY || ip_of(listener->local_) == ip) {
      candidates.push_back(listener);
    }
  }
  if (candidates.empty()) return nullptr;
  return candidates[candidates.size() == 1 ? 0 : world_.prng().below(candidates.size())];
}

void SimSocket::syn_arrives(Instant started, Duration latency) {
  if (state_ != State::kConnecting) return;
  const unsigned target = kernel_.host_of(ip_of(peer_));
  // An address nobody has answers like one that is cut off: not at all.
  if (target == SimKernel::kNoHost || world_.cut(host(), target)) return retry_syn(started, latency);
  const std::weak_ptr<SimSocket> self = weak_from_this();
  SimSocket* listener = listener_for(peer_);
  if (listener == nullptr) {
    world_.at(world_.now() + latency, [self] {
      if (const auto socket = self.lock()) socket->end_connect(ECONNREFUSED);
    });
    return;
  }
  if (listener->clients_.size() >= listener->backlog_) return retry_syn(started, latency);
  auto child = std::make_shared<SimSocket>(world_, listener->kernel_);
  child->state_ = State::kConnected;
  child->local_ = peer_;
  child->peer_ = local_;
  child->send_buffer_bytes_ = listener->send_buffer_bytes_;
  child->connection_ = std::make_shared<Connection>(world_, shared_from_this(), child);
  child->side_ = Connection::kServer;
  listener->clients_.push_back(child);
  listener->wake();
  world_.at(world_.now() + latency, [self, connection = child->connection_] {
    const auto socket = self.lock();
    if (socket == nullptr || socket->state_ != State::kConnecting) return connection->close(Connection::kClient, true);
    socket->connection_ = connection;
    socket->side_ = Connection::kClient;
    socket->state_ = State::kConnected;
    socket->wake();
  });
}

void SimSocket::end_connect(int error) {
  if (state_ != State::kConnecting) return;
  state_ = State::kClosed;
  connect_error_ = error;
  wake();
}

int SimSocket::connect_result() noexcept {
  if (state_ == State::kConnecting) return -EINPROGRESS;
  if (state_ == State::kConnected) return 0;
  const int error = std::exchange(connect_error_, 0);
  return error != 0 ? -error : -ECONNABORTED;
}

// ---- the end

int SimSocket::shutdown(int how) {
  switch (state_) {
    case State::kFresh:
    case State::kClosed:
      return -ENOTCONN;
    case State::kListening:
      if (how != SHUT_WR) stop_listening();
      wake();
      return 0;
    case State::kConnecting:
      end_connect(ECONNRESET);
      return 0;
    case State::kConnected:
      break;
  }
  if (how == SHUT_RD || how == SHUT_RDWR) connection_->shut_receive(side_);
  if (how == SHUT_WR || how == SHUT_RDWR) connection_->shut_send(side_);
  return 0;
}

void SimSocket::released() {
  if (state_ == State::kListening) stop_listening();
  if (connection_) {
    connection_->close(side_, reset_on_close_ || (tls_ && tls_->has_unread()));
    connection_.reset();
  }
  state_ = State::kClosed;
}

// ---- bytes

int SimSocket::milliseconds_since_data() const noexcept {
  return connection_ ? static_cast<int>((world_.now() - connection_->last_data(side_)).milliseconds()) : -ENOTCONN;
}

bool SimSocket::readable() const noexcept {
  if (state_ == State::kListening) return has_client();
  if (!connection_) return state_ != State::kConnecting;
  return tls_ && tls_->receives() ? tls_->readable(*connection_, side_) : connection_->readable(side_);
}

bool SimSocket::writable() const noexcept {
  return connection_ ? connection_->writable(side_) : state_ != State::kConnecting;
}

int SimSocket::receive(std::span<const iovec> to, std::size_t bytes_max, std::uint8_t* type) {
  if (!connection_) return -ENOTCONN;
  if (tls_ && tls_->receives()) return tls_->receive(*connection_, side_, to, bytes_max, type);
  return connection_->receive(side_, to, bytes_max);
}

int SimSocket::send(std::span<const iovec> from, std::size_t bytes_max, std::optional<std::uint8_t> type) {
  if (!connection_) return -EPIPE;
  if (tls_ && tls_->sends()) return tls_->send(*connection_, side_, from, bytes_max, type.value_or(23));
  return connection_->send(side_, from, bytes_max);
}

std::string SimSocket::describe() const {
  const std::string name = fmt::format("{} - {}", to_string(local_), to_string(peer_));
  switch (state_) {
    case State::kFresh:
      return "fresh socket";
    case State::kListening:
      return fmt::format("{} listening, {} to accept", name, clients_.size());
    case State::kConnecting:
      return name + " connecting";
    case State::kConnected:
      return name + ": " + connection_->describe(side_);
    case State::kClosed:
      return name + " closed";
  }
  return name;
}

}  // namespace fairlead::sim
