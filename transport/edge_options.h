// EdgeOptions: how the connections of a listener or connector are treated, apart from where they lead. Plain values;
// shards share them unchanged. A connection keeps to those that it began with; its timeouts are those of now.
#pragma once

#include <cstdint>
#include <memory>

#include "transport/base/time.h"
#include "transport/wire/proxy_protocol.h"

namespace fairlead {

class Credentials;

// What ends connections that are of no use any more, and how many there may be.
struct ConnectionLimits {
  // Off where they are 0.
  Duration idle_timeout{};         // without a byte either way
  Duration half_closed_timeout{};  // the same, once one direction has ended
  Duration user_timeout{};         // TCP_USER_TIMEOUT: bytes that were sent and not acknowledged
  // A peer that has said nothing for so long is asked whether it is there, five times within the same time again.
  Duration keepalive = Duration::seconds(300);
  std::uint32_t connections_max = 0;  // at a time; 0: no limit

  friend bool operator==(const ConnectionLimits&, const ConnectionLimits&) = default;
};

struct EdgeOptions {
  // TLS 1.3 with the application, if there are any: as a server with a listener's clients, as a client of a connector's
  // server.
  std::shared_ptr<const Credentials> credentials;
  bool client_certificate = false;  // a listener's client has to present one; a connector presents ours
  bool verify_host = false;         // a connector: the certificate has to be valid for the server's host
  bool accept_proxy = false;        // a listener: clients begin with a header of the PROXY protocol, of either version
  ProxyProtocol send_proxy = ProxyProtocol::kNone;  // a connector: the server is told who the client is
  ConnectionLimits limits;

  friend bool operator==(const EdgeOptions&, const EdgeOptions&) = default;
};

}  // namespace fairlead
