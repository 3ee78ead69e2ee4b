// How the kernel finds out that the peer of a TCP connection is gone without a word.
#pragma once

#include "transport/edge_options.h"
#include "transport/uring/socket.h"

namespace fairlead {

// Keepalive and TCP_USER_TIMEOUT. Those of a listening socket go over to the connections that it accepts. `anew`: the
// socket may have other ones from before.
void watch_peer(Socket& socket, const ConnectionLimits& limits, bool anew = false) noexcept;

}  // namespace fairlead
