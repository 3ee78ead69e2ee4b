// Who does the work of kernel TLS on a socket: the kernel's own code, or the network card (inet_diag,
// INET_DIAG_ULP_INFO). The kernel tells only those with CAP_NET_ADMIN.
//
// Without state; any thread. One message to the kernel and its answer, which is there at once.
#pragma once

#include <cstdint>

namespace fairlead {

enum class TlsEngine : std::uint8_t { kUnknown, kSoftware, kNic };

struct TlsEngines {
  TlsEngine send = TlsEngine::kUnknown;
  TlsEngine receive = TlsEngine::kUnknown;
};

// Of a connected TCP socket.
TlsEngines ask_tls_engines(int fd) noexcept;

}  // namespace fairlead
