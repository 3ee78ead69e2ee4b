#include "router/site/port_claims.h"

#include <algorithm>
#include <utility>

#include "router/site/names.h"

namespace fairlead {

namespace {

// As the transport takes it.
std::string address_of(const std::string& host) {
  return host == "localhost" ? "127.0.0.1" : canonical_ip(host);
}

bool is_v6(const std::string& address) {
  return address.find(':') != std::string::npos;
}

bool overlap(const std::string& a_host, const std::string& b_host) {
  if (a_host.empty() || b_host.empty()) return true;
  const std::string a = address_of(a_host);
  const std::string b = address_of(b_host);
  if (is_v6(a) != is_v6(b)) return false;
  return a == b || is_any_address(a) || is_any_address(b);
}

}  // namespace

const PortClaims::Claim* PortClaims::take(std::uint16_t port, Claim claim) {
  if (!claim.host.empty() && address_of(claim.host).empty()) return nullptr;
  std::vector<Claim>& claims = claims_[port];
  const auto first = std::ranges::find_if(claims, [&](const Claim& other) { return overlap(other.host, claim.host); });
  if (first != claims.end()) return &*first;
  claims.push_back(std::move(claim));
  return nullptr;
}

std::string describe_bind_host(const std::string& host) {
  return host.empty() ? "all interfaces" : host;
}

}  // namespace fairlead
