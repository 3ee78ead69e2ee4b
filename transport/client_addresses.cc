#include "transport/client_addresses.h"

#include <cstring>

#include <netinet/in.h>

namespace fairlead {
namespace {

using Family = ClientAddresses::Family;

struct End {
  Family family = Family::kUnknown;
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;
};

End end_of(const Address& address) noexcept {
  End end;
  if (address.family() == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address.storage, sizeof v4);
    end.family = Family::kIpv4;
    std::memcpy(end.ip.data(), &v4.sin_addr, sizeof v4.sin_addr);
    end.port = ntohs(v4.sin_port);
  } else if (address.family() == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address.storage, sizeof v6);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
    end.family = mapped ? Family::kIpv4 : Family::kIpv6;
    const std::size_t skipped = mapped ? 12 : 0;
    std::memcpy(end.ip.data(), v6.sin6_addr.s6_addr + skipped, sizeof v6.sin6_addr - skipped);
    end.port = ntohs(v6.sin6_port);
  }
  return end;
}

}  // namespace

ClientAddresses client_addresses(const Address& source, const Address& destination) noexcept {
  const End from = end_of(source);
  const End to = end_of(destination);
  if (from.family != to.family || from.family == Family::kUnknown) return {};
  return {from.family, from.ip, to.ip, from.port, to.port};
}

bool is_loopback(const Address& address) noexcept {
  const End end = end_of(address);
  if (end.family == Family::kIpv4) return end.ip[0] == 127;
  constexpr std::array<std::uint8_t, 16> kLoopback6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return end.family == Family::kIpv6 && end.ip == kLoopback6;
}

}  // namespace fairlead
