// TCP options of what listens, what it accepts, and what connects: asked of the real kernel.
#include "transport/tcp_options.h"

#include <array>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "transport/listening_socket.h"
#include "transport/resolver.h"

namespace fairlead {
namespace {

std::string congestion_control(const Socket& socket) {
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX
  socklen_t size = name.size();
  if (::getsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0) return "?";
  return name.data();
}

bool sends_at_once(const Socket& socket) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &value, &size) == 0 && value != 0;
}

std::string system_choice() {
  std::string name;
  std::ifstream("/proc/sys/net/ipv4/tcp_congestion_control") >> name;
  return name;
}

Socket socket_to(const std::string& host) {
  const Address address = parse_literal(host, 1);
  Socket socket(live_kernel(), live_kernel().open_socket(address.family()));
  set_tcp_options(socket, address);
  return socket;
}

Socket listen_at(const std::string& host, std::uint16_t& port) {
  auto socket = open_listening_socket(live_kernel(), host, 0, false, port);
  EXPECT_TRUE(socket) << socket.error().message;
  return socket ? std::move(*socket) : Socket();
}

// Connects, and returns what is accepted.
Socket accept_from(const Socket& listening, const Address& address, const Socket& client) {
  const bool connected = ::connect(client.fd(), address.get(), address.size) == 0;
  EXPECT_TRUE(connected) << to_string(address);
  if (!connected) return {};  // accept() would wait
  return {live_kernel(), ::accept4(listening.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
}

TEST(TcpOptions, OfLoopbackAreReno) {
  EXPECT_EQ(congestion_control(socket_to("127.0.0.1")), "reno");
  EXPECT_EQ(congestion_control(socket_to("127.9.9.9")), "reno");
  std::uint16_t port = 0;
  const Socket listening = listen_at("127.0.0.1", port);
  const Socket client = socket_to("127.0.0.1");
  const Socket accepted = accept_from(listening, parse_literal("127.0.0.1", port), client);
  for (const Socket* socket : {&listening, &client, &accepted}) {
    EXPECT_EQ(congestion_control(*socket), "reno");
    EXPECT_TRUE(sends_at_once(*socket));
  }
}

TEST(TcpOptions, OfIpv6LoopbackAreReno) {
  const Socket socket = socket_to("::1");
  if (!socket) GTEST_SKIP() << "this machine has no IPv6";
  EXPECT_EQ(congestion_control(socket), "reno");
}

TEST(TcpOptions, OfOtherAddressesAreTheSystemsChoice) {
  if (system_choice().empty()) GTEST_SKIP() << "/proc/sys/net/ipv4/tcp_congestion_control cannot be read here";
  if (system_choice() == "reno") GTEST_SKIP() << "Reno is the system's choice here";
  const Socket away = socket_to("192.0.2.1");
  EXPECT_EQ(congestion_control(away), system_choice());
  EXPECT_TRUE(sends_at_once(away));
  std::uint16_t port = 0;
  const Socket listening = listen_at("", port);
  const Socket client = socket_to("127.0.0.1");
  const Socket accepted = accept_from(listening, parse_literal("127.0.0.1", port), client);
  EXPECT_EQ(congestion_control(accepted), system_choice());
  EXPECT_TRUE(sends_at_once(accepted));
}

}  // namespace
}  // namespace fairlead
