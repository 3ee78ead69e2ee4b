// The kernel's answer to who does the work of kernel TLS on a connection (inet_diag, INET_DIAG_ULP_INFO). It tells only
// those with CAP_NET_ADMIN.
//
// Without state; any thread. One message to the kernel and its answer, which is there at once.
#pragma once

#include "transport/uring/kernel.h"

namespace fairlead {

// Of the TCP connection between two addresses, the first of them ours.
TlsEngines ask_tls_engines(const Address& local, const Address& peer) noexcept;

}  // namespace fairlead
