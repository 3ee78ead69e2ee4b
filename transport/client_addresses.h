// What a socket's two addresses are to the PROXY protocol.
#pragma once

#include "transport/uring/kernel.h"
#include "transport/wire/client_attributes.h"

namespace fairlead {

// IPv4 addresses that a socket for both families shows as IPv6 (::ffff:10.0.0.1) are told as IPv4.
ClientAddresses client_addresses(const Address& source, const Address& destination) noexcept;

// Of this machine itself.
bool is_loopback(const Address& address) noexcept;

}  // namespace fairlead
