#include "tools/load/sockets.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "tools/load/protocol.h"
#include "transport/resolver.h"

namespace fairlead::load {

void throw_errno(const std::string& what) {
  throw LoadError(what + ": " + std::strerror(errno));
}

namespace {

constexpr std::size_t kPortsOfAnAddress = 20'000;  // fewer than there are by default: 32768 to 60999

Fd open_socket(const Address& address) {
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw_errno("socket");
  return fd;
}

void set_option(const Fd& fd, int level, int name) {
  const int on = 1;
  if (::setsockopt(fd.get(), level, name, &on, sizeof on) != 0) throw_errno("setsockopt");
}

const sockaddr_in& ipv4(const Address& address) {
  return *reinterpret_cast<const sockaddr_in*>(&address.storage);
}

bool is_loopback(const Address& address) {
  return address.family() == AF_INET && (ntohl(ipv4(address).sin_addr.s_addr) >> IN_CLASSA_NSHIFT) == IN_LOOPBACKNET;
}

// To 127.0.0.1 and so many behind it; the port is chosen when it connects.
void bind_to_another(const Fd& fd, std::size_t behind) {
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(behind));
  set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) throw_errno("bind");
}

}  // namespace

Fd listen_on(const Address& address) {
  Fd fd = open_socket(address);
  if (address.family() != AF_UNIX) set_option(fd, SOL_SOCKET, SO_REUSEADDR);
  if (::bind(fd.get(), address.get(), address.size) != 0) throw_errno("cannot listen on " + to_string(address));
  if (::listen(fd.get(), 4096) != 0) throw_errno("cannot listen on " + to_string(address));
  return fd;
}

Fd start_connect(const Address& address, std::size_t number) {
  Fd fd = open_socket(address);
  if (address.family() != AF_UNIX) set_option(fd, IPPROTO_TCP, TCP_NODELAY);
  if (number >= kPortsOfAnAddress && is_loopback(address)) bind_to_another(fd, number / kPortsOfAnAddress);
  if (::connect(fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) fd.reset();
  return fd;
}

Fd connect_to(const Address& address, std::size_t number) {
  const std::string what = "cannot connect to " + to_string(address);
  Fd fd = start_connect(address, number);
  if (!fd) throw_errno(what);
  pollfd wait_for{fd.get(), POLLOUT, 0};
  if (::poll(&wait_for, 1, 10'000) != 1) throw LoadError(what + ": no answer within ten seconds");
  if (const int error = connect_error(fd); error != 0) throw LoadError(what + ": " + std::strerror(error));
  return fd;
}

std::string preamble(char purpose) {
  return std::string(kMagic) + purpose;
}

Fd open_stream(const LoadPlan& plan, char purpose, std::size_t number) {
  Fd fd = connect_to(plan.server, number);
  if (plan.plain || send_all(fd, preamble(purpose))) return fd;
  throw LoadError("a connection to " + to_string(plan.server) + " broke at its first byte");
}

int connect_error(const Fd& fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

bool send_all(const Fd& fd, std::span<const char> bytes) {
  return ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

Epoll::Epoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!fd_) throw_errno("epoll_create1");
}

void Epoll::add(const Fd& fd, std::uint32_t events, void* who) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = who;
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) throw_errno("epoll_ctl");
}

void Epoll::change(const Fd& fd, std::uint32_t events, void* who) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = who;
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd.get(), &event) != 0) throw_errno("epoll_ctl");
}

std::span<const epoll_event> Epoll::wait(Clock::time_point deadline) {
  const auto left = std::max(deadline - Clock::now(), Clock::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  timespec timeout{};
  timeout.tv_sec = seconds.count();
  timeout.tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(left - seconds).count();
  const int count = ::epoll_pwait2(fd_.get(), events_, kEventsMax, &timeout, nullptr);
  if (count < 0 && errno != EINTR) throw_errno("epoll_pwait2");
  return {events_, static_cast<std::size_t>(std::max(count, 0))};
}

}  // namespace fairlead::load
