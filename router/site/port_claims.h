// PortClaims: which resource listens where, and who would be in whose way. As the kernel sees it for the sockets that
// the transport opens: "" is one for IPv4 and IPv6 alike, "::" one for IPv6 alone, and all addresses of a family clash
// with each of them. Lives for one validation.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "router/site/diagnostics.h"

namespace fairlead {

class PortClaims {
 public:
  struct Claim {
    std::string host;   // an IP literal, localhost, or empty for all interfaces
    std::string owner;  // for messages
    Position position;
  };

  // Null if `claim` has the port from now on, else the first that is in its way. A host that no socket can be bound to
  // is in nobody's.
  const Claim* take(std::uint16_t port, Claim claim);

 private:
  std::map<std::uint16_t, std::vector<Claim>> claims_;
};

// "all interfaces", or the host as it was written.
std::string describe_bind_host(const std::string& host);

}  // namespace fairlead
