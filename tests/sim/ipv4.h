// IPv4 addresses of the simulated network, in host byte order.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "transport/uring/kernel.h"

namespace fairlead::sim {

inline sockaddr_in ipv4_of(const Address& address) noexcept {
  sockaddr_in ipv4{};
  std::memcpy(&ipv4, &address.storage, sizeof ipv4);
  return ipv4;
}

inline Address make_address(std::uint32_t ip, std::uint16_t port) noexcept {
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_addr.s_addr = htonl(ip);
  ipv4.sin_port = htons(port);
  Address address;
  std::memcpy(&address.storage, &ipv4, sizeof ipv4);
  address.size = sizeof ipv4;
  return address;
}

inline std::uint32_t ip_of(const Address& address) noexcept {
  return ntohl(ipv4_of(address).sin_addr.s_addr);
}

inline std::uint16_t port_of(const Address& address) noexcept {
  return ntohs(ipv4_of(address).sin_port);
}

inline void set_port(Address& address, std::uint16_t port) noexcept {
  address = make_address(ip_of(address), port);
}

inline bool is_loopback(std::uint32_t ip) noexcept {
  return (ip >> 24) == 127;
}

inline std::string to_string(const Address& address) {
  if (address.size == 0) return "?";
  char text[INET_ADDRSTRLEN] = {};
  const sockaddr_in ipv4 = ipv4_of(address);
  ::inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(port_of(address));
}

}  // namespace fairlead::sim
