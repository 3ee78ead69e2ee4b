// What TCP sockets of links, and of connections of applications, are set to before they listen or connect. (How their
// peers are watched: peer_watch.h.)
#pragma once

#include "transport/uring/socket.h"

namespace fairlead {

// TCP_NODELAY; and Reno, if `address` (its own, or the one that it connects to) is one of the loopback interface. There
// congestion control has no network to find out about, and where the system's choice is BBR, its pacing costs up to a
// tenth of the CPU that bulk takes. Sockets that are accepted have both from the one that listens. To be called before
// there is a connection: Linux goes on pacing one that began with BBR, whatever it is told later.
void set_tcp_options(Socket& socket, const Address& address) noexcept;

}  // namespace fairlead
