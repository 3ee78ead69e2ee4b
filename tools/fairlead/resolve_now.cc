#include "tools/fairlead/resolve_now.h"

#include <algorithm>
#include <memory>
#include <string>

#include <netdb.h>

#include "transport/resolver.h"

namespace fairlead {

Result<std::vector<Address>> resolve_now(const HostPort& endpoint) {
  if (const Address literal = parse_literal(endpoint.host, endpoint.port); literal.size > 0)
    return std::vector{literal};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
  if (error != 0) {
    return fail(ErrorCode::kResolve, "cannot resolve " + endpoint.host + ": " + std::string(gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    Address address;
    if (at->ai_addrlen > sizeof address.storage) continue;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(at->ai_addr), at->ai_addrlen,
                reinterpret_cast<std::uint8_t*>(&address.storage));
    address.size = at->ai_addrlen;
    addresses.push_back(address);
  }
  if (addresses.empty()) return fail(ErrorCode::kResolve, endpoint.host + " has no address");
  return addresses;
}

}  // namespace fairlead
