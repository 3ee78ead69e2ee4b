#include "bench/load/sockets.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace fairlead::load {

void die(const std::string& what) {
  std::fprintf(stderr, "load: %s\n", what.c_str());
  std::exit(1);
}

void die_errno(const std::string& what) { die(what + ": " + std::strerror(errno)); }

sockaddr_in parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::uint16_t port = 0;
  const std::string_view digits = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), port);
  if (error != std::errc{} || end != digits.end() ||
      inet_pton(AF_INET, std::string(text.substr(0, colon)).c_str(), &address.sin_addr) != 1) {
    die("'" + std::string(text) + "' is no endpoint like 127.0.0.1:8080");
  }
  address.sin_port = htons(port);
  return address;
}

namespace {

Fd open_socket() {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) die_errno("socket");
  return fd;
}

void set_option(const Fd& fd, int level, int name) {
  const int on = 1;
  if (::setsockopt(fd.get(), level, name, &on, sizeof on) != 0) die_errno("setsockopt");
}

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

}  // namespace

Fd listen_on(const sockaddr_in& address) {
  Fd fd = open_socket();
  set_option(fd, SOL_SOCKET, SO_REUSEADDR);
  if (::bind(fd.get(), generic(address), sizeof address) != 0) die_errno("bind");
  if (::listen(fd.get(), 4096) != 0) die_errno("listen");
  return fd;
}

Fd start_connect(const sockaddr_in& address) {
  Fd fd = open_socket();
  set_option(fd, IPPROTO_TCP, TCP_NODELAY);
  if (::connect(fd.get(), generic(address), sizeof address) != 0 && errno != EINPROGRESS) fd.reset();
  return fd;
}

Fd connect_to(const sockaddr_in& address) {
  Fd fd = start_connect(address);
  if (!fd) die_errno("connect");
  pollfd wait_for{fd.get(), POLLOUT, 0};
  if (::poll(&wait_for, 1, 10'000) != 1) die("connect: no answer within ten seconds");
  if (const int error = connect_error(fd); error != 0) die(std::string("connect: ") + std::strerror(error));
  return fd;
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
  if (!fd_) die_errno("epoll_create1");
}

void Epoll::add(const Fd& fd, std::uint32_t events, void* who) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = who;
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) die_errno("epoll_ctl");
}

void Epoll::change(const Fd& fd, std::uint32_t events, void* who) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = who;
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd.get(), &event) != 0) die_errno("epoll_ctl");
}

std::span<const epoll_event> Epoll::wait(Clock::time_point deadline) {
  const auto left = std::max(deadline - Clock::now(), Clock::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  timespec timeout{};
  timeout.tv_sec = seconds.count();
  timeout.tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(left - seconds).count();
  const int count = ::epoll_pwait2(fd_.get(), events_, kEventsMax, &timeout, nullptr);
  if (count < 0 && errno != EINTR) die_errno("epoll_pwait2");
  return {events_, static_cast<std::size_t>(std::max(count, 0))};
}

}  // namespace fairlead::load
