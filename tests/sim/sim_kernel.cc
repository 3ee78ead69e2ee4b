#include "tests/sim/sim_kernel.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "tests/sim/ipv4.h"
#include "transport/base/check.h"

namespace fairlead::sim {

SimKernel::SimKernel(SimWorld& world, std::string name, Options options)
    : world_(world),
      name_(std::move(name)),
      options_(options),
      host_(world.add_host(*this)),
      entropy_(world.prng().next()) {}

SimKernel::~SimKernel() {
  kill();
  rings_.clear();
  world_.remove_host(*this);
}

void SimKernel::kill() {
  if (dead_) return;
  dead_ = true;
  world_.trace({"kill", host_});
  for (const auto& [number, ring] : rings_)
    ring->cancel_all();
  world_.close_descriptors_of(host_);
}

void SimKernel::restart() {
  CHECK(dead_ && rings_.empty());
  dead_ = false;
  world_.trace({"restart", host_});
}

Address SimKernel::address(std::uint16_t port) const noexcept {
  return make_address(ip(), port);
}

std::string SimKernel::describe() const {
  std::string text = fmt::format("host {} \"{}\"{}\n", host_, name_, paused_until_ > world_.now() ? ", paused" : "");
  for (const auto& [number, ring] : rings_)
    text += ring->describe();
  return text;
}

Instant SimKernel::next_wake(Instant now) const noexcept {
  Instant next = Instant::max();
  for (const auto& [number, ring] : rings_) {
    if (ring->wake_at() > now) next = std::min(next, ring->wake_at());
  }
  return next;
}

bool SimKernel::owns(std::uint32_t ip_address) const noexcept {
  return ip_address == ip() || ip_address == INADDR_ANY || is_loopback(ip_address);
}

unsigned SimKernel::host_of(std::uint32_t ip_address) const noexcept {
  if (owns(ip_address)) return host_;
  const std::uint32_t number = ip_address - 0x0a000001U;
  return number < world_.host_count() ? number : kNoHost;
}

std::uint16_t SimKernel::next_port() noexcept {
  if (next_port_ < kFirstPort) next_port_ = kFirstPort;
  return next_port_++;
}

// ---- rings

SimRing& SimKernel::ring_of(io_uring& ring) noexcept {
  const auto found = rings_.find(ring.ring_fd);
  CHECK(found != rings_.end());
  return *found->second;
}

int SimKernel::setup_ring(io_uring& ring, unsigned entries, io_uring_params& params) noexcept {
  params = {};
  const int number = next_ring_++;
  rings_.emplace(number, std::make_unique<SimRing>(world_, *this, number, entries, ring, params));
  return 0;
}

int SimKernel::enable_ring(io_uring& ring) noexcept {
  ring_of(ring).enable();
  return 0;
}

void SimKernel::close_ring(io_uring& ring) noexcept {
  rings_.erase(ring.ring_fd);
  ring = {};
}

int SimKernel::enter(io_uring& ring, Duration wait) noexcept {
  return ring_of(ring).enter(wait);
}

int SimKernel::register_buffer_ring(io_uring& ring, io_uring_buf_reg& registration) noexcept {
  return ring_of(ring).register_buffers(registration);
}

int SimKernel::unregister_buffer_ring(io_uring& ring, int group) noexcept {
  return ring_of(ring).unregister_buffers(group);
}

// ---- sockets

std::shared_ptr<SimSocket> SimKernel::socket_of(int fd, const char* call) {
  world_.note_progress();
  if (dead_) return nullptr;
  auto file = world_.file_of(fd);
  auto socket = std::dynamic_pointer_cast<SimSocket>(file);
  if (socket == nullptr || socket->host() != host_) {
    world_.violate(fmt::format("{} on host {} of descriptor {}, which is not an open socket of it", call, host_, fd));
    return nullptr;
  }
  return socket;
}

int SimKernel::add_socket(std::shared_ptr<SimSocket> socket) {
  return world_.add_descriptor(std::move(socket));
}

int SimKernel::open_socket(int family) noexcept {
  world_.note_progress();
  if (family != AF_INET && family != AF_INET6) return -EAFNOSUPPORT;
  if (dead_ || out_of_descriptors() || world_.chance(world_.faults().socket_failure)) return -EMFILE;
  const int fd = add_socket(std::make_shared<SimSocket>(world_, *this));
  world_.trace({"socket", host_, fd});
  return fd;
}

int SimKernel::set_option(int fd, int level, int name, std::span<const std::byte> value) noexcept {
  const auto socket = socket_of(fd, "setsockopt");
  return socket ? socket->set_option(level, name, value) : -EBADF;
}

int SimKernel::bind_and_listen(int fd, const Address& address, int backlog) noexcept {
  const auto socket = socket_of(fd, "bind");
  if (!socket) return -EBADF;
  const int result = socket->bind_and_listen(address, backlog);
  world_.trace({"listen", host_, fd, result});
  return result;
}

int SimKernel::local_address(int fd, Address& address) noexcept {
  const auto socket = socket_of(fd, "getsockname");
  if (!socket) return -EBADF;
  address = socket->local().size > 0 ? socket->local() : make_address(INADDR_ANY, 0);
  return 0;
}

int SimKernel::peer_address(int fd, Address& address) noexcept {
  const auto socket = socket_of(fd, "getpeername");
  if (!socket) return -EBADF;
  if (socket->state() != SimSocket::State::kConnected) return -ENOTCONN;
  address = socket->peer();
  return 0;
}

int SimKernel::milliseconds_since_data(int fd) noexcept {
  const auto socket = socket_of(fd, "TCP_INFO");
  return socket ? socket->milliseconds_since_data() : -EBADF;
}

TlsEngines SimKernel::tls_engines(int fd) noexcept {
  const auto socket = socket_of(fd, "sock_diag");
  return socket ? socket->tls_engines() : TlsEngines{};
}

int SimKernel::shutdown(int fd, int how) noexcept {
  const auto socket = socket_of(fd, "shutdown");
  if (!socket) return -EBADF;
  world_.trace({"shutdown", host_, fd, how});
  return socket->shutdown(how);
}

void SimKernel::close(int fd) noexcept {
  world_.note_progress();
  if (dead_) return;
  const auto file = world_.file_of(fd);
  if (!file || file->host() != host_) {
    return world_.violate(fmt::format("close on host {} of descriptor {}, which is not open", host_, fd));
  }
  world_.trace({"close", host_, fd});
  world_.close_descriptor(fd, *file);
}

void SimKernel::close_with_reset(int fd) noexcept {
  const auto socket = socket_of(fd, "close with reset");
  if (!socket) return;
  socket->reset_on_close();
  close(fd);
}

int SimKernel::open_event() noexcept {
  world_.note_progress();
  if (dead_ || out_of_descriptors()) return -EMFILE;
  return world_.add_descriptor(std::make_shared<SimEvent>(host_));
}

void SimKernel::signal_event(int fd) noexcept {
  world_.note_progress();
  if (dead_) return;
  const auto event = std::dynamic_pointer_cast<SimEvent>(world_.file_of(fd));
  if (!event || event->host() != host_) {
    return world_.violate(fmt::format("signal on host {} of descriptor {}, which is not an event of it", host_, fd));
  }
  event->signal();
}

// ---- clock and entropy

std::int64_t SimKernel::unix_seconds() noexcept {
  return kEpochSeconds + world_.now().ns / 1'000'000'000;
}

void SimKernel::random(std::span<std::uint8_t> bytes) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % 8 == 0) word = entropy_.next();
    bytes[i] = static_cast<std::uint8_t>(word >> (8 * (i % 8)));
  }
}

}  // namespace fairlead::sim
