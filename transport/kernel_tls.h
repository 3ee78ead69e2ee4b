// KernelTls: the kernel's own record protection (Linux kTLS, Documentation/networking/tls.rst): what it offers, and
// keys of a connection put into its socket. From then on the socket sends and receives plaintext, and on the wire are
// the records of TLS 1.3 that record.h would have made.
//
// A direction that the kernel has taken over stays with it for the life of the socket. Without state; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "transport/base/error.h"
#include "transport/tls/cipher.h"
#include "transport/tls/secret.h"
#include "transport/uring/kernel.h"

namespace fairlead {

enum class TlsDirection : std::uint8_t { kSend, kReceive };

struct KernelTlsFeatures {
  struct Suite {
    bool send = false;
    bool receive = false;
  };

  std::array<Suite, std::size(kDefaultSuites)> suites{};  // in the order of kDefaultSuites
  bool rekeys = false;  // a key may be replaced (Linux 6.14); without it a connection lives as long as its keys
  std::string lacking;  // why there is no kernel TLS at all, or what part of it is missing; empty if it is whole

  bool offers(CipherSuite suite, TlsDirection direction) const noexcept;
};

// Finds out by doing: each suite in each direction on a connection of the loopback interface.
KernelTlsFeatures probe_kernel_tls(Kernel& kernel);

// Prepares a connected socket for keys. What it sends and receives is still as it was. Once for each socket.
int attach_kernel_tls(Kernel& kernel, int fd) noexcept;

// Hands the traffic keys that follow from `secret` to the kernel; `sequence` is the number of the next record. A second
// call for a direction replaces the key (KernelTlsFeatures::rekeys). Returns 0 or -errno.
int set_kernel_tls_key(Kernel& kernel, int fd, TlsDirection direction, CipherSuite suite, const TrafficSecret& secret,
                       std::uint64_t sequence) noexcept;

// Lets the kernel open records straight into the receiver's memory (Linux 6.0, TLS_RX_EXPECT_NO_PAD): without, it opens
// each apart and copies it, because only then does it know where padding begins. Ours have none; one that has is opened
// twice. Where the kernel does not know of it, nothing changes.
void expect_no_padding(Kernel& kernel, int fd) noexcept;

}  // namespace fairlead
