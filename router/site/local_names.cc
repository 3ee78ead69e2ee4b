#include "router/site/local_names.h"

#include <algorithm>
#include <array>
#include <utility>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include "router/site/names.h"

namespace fairlead {

namespace {

// Lower-case; empty if the machine's name is none that a certificate or a Link could carry.
std::string host_name() {
  std::array<char, 256> buffer{};
  if (gethostname(buffer.data(), buffer.size() - 1) != 0) return {};
  std::string name(buffer.data());
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return check_host(name) ? std::string() : name;
}

// In inet_ntop's spelling; empty for an address that means nothing to another machine.
std::string usable_address(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.sa_family == AF_INET) {
    const in_addr& ip = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    const std::uint32_t host_order = ntohl(ip.s_addr);
    constexpr std::uint32_t kLinkLocal = 0xa9fe;  // 169.254/16
    if (host_order >> 24 == IN_LOOPBACKNET || host_order >> 16 == kLinkLocal) return {};
    inet_ntop(AF_INET, &ip, text.data(), text.size());
  } else if (address.sa_family == AF_INET6) {
    const in6_addr& ip = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(&ip) || IN6_IS_ADDR_LINKLOCAL(&ip)) return {};
    inet_ntop(AF_INET6, &ip, text.data(), text.size());
  }
  return text.data();
}

// IPv4 first: it is what both ends most often have.
std::vector<std::string> interface_addresses() {
  std::vector<std::string> v4;
  std::vector<std::string> v6;
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return {};
  for (const ifaddrs* entry = interfaces; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    std::string address = usable_address(*entry->ifa_addr);
    if (address.empty()) continue;
    (entry->ifa_addr->sa_family == AF_INET ? v4 : v6).push_back(std::move(address));
  }
  freeifaddrs(interfaces);
  v4.insert(v4.end(), v6.begin(), v6.end());
  return v4;
}

}  // namespace

std::vector<std::string> alternative_names(const RouterAccess& access) {
  if (!access.subject_alternative_names.empty()) return access.subject_alternative_names;
  std::vector<std::string> names;
  const auto add = [&](std::string name) {
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  };
  const std::string& bind = access.bind_host;
  if (!bind.empty() && !is_any_address(bind)) {
    add(bind);
    add(host_name());
    return names;
  }
  for (std::string& address : interface_addresses())
    add(std::move(address));
  add(host_name());
  add("localhost");
  add("127.0.0.1");
  add("::1");
  return names;
}

}  // namespace fairlead
