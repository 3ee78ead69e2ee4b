// A trial of what a link does before it is one: finds the other end, connects, and goes through the TLS handshake, and
// tells what it saw on the way. It says nothing of the link protocol and closes in order, so that the other end takes
// it for what it is. Blocks; for commands.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transport/base/error.h"
#include "transport/config.h"
#include "transport/tls/credentials.h"
#include "transport/tls/handshake.h"

namespace fairlead {

enum class TrialStep : std::uint8_t {
  kResolve,
  kConnect,
  kHandshake,
  kVerdict,  // the other end's, on our certificate: it comes behind the handshake (RFC 8446 2)
  kDone,
};

struct HandshakeTrial {
  using Time = std::chrono::microseconds;

  HostPort endpoint;
  std::vector<std::string> addresses;  // of its host
  std::string address;                 // that was tried last
  Time resolve{};
  Time connect{};
  Time handshake{};
  CipherSuite suite{};
  std::string group;
  bool post_quantum = false;
  std::string alpn;
  std::vector<CertificateInfo> chain;    // the other end's, its own first
  TrialStep step = TrialStep::kResolve;  // that it got to
  std::optional<Error> error;            // what is wrong there
};

// `options` as a link of this configuration has them; `host` and `peer` are set here.
HandshakeTrial try_handshake(const HostPort& endpoint, const std::shared_ptr<const Credentials>& credentials,
                             const ClientHandshakeOptions& options);

}  // namespace fairlead
