// Opening a TCP port or Unix socket, with errors that say what to do.
#pragma once

#include <cstdint>
#include <string>

#include "transport/base/error.h"
#include "transport/edge_options.h"
#include "transport/uring/kernel.h"
#include "transport/uring/socket.h"

namespace fairlead {

// `host` is a literal or localhost, or "unix:/path"; empty: all interfaces, IPv6 and IPv4. `shared`: with SO_REUSEPORT,
// for a socket for each shard. `bound` is the port that it got, for a `port` of 0. Connections that are accepted have
// their TCP options from it (tcp_options.h), and how their peers are watched according to `limits`.
Result<Socket> open_listening_socket(Kernel& kernel, const std::string& host, std::uint16_t port, bool shared,
                                     std::uint16_t& bound, const ConnectionLimits* limits = nullptr);

}  // namespace fairlead
