// The server's end of the load: accepts, and does what each connection's first byte says (protocol.h). One thread.
#pragma once

#include <netinet/in.h>

namespace fairlead::load {

// Prints the endpoint it listens on, and serves until it is ended by a signal.
[[noreturn]] void serve(const sockaddr_in& address);

}  // namespace fairlead::load
