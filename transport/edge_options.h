// EdgeOptions: how the connections of a listener or connector are treated, apart from where they lead. Plain values;
// shards share them unchanged, and a connection keeps to those that it began with.
#pragma once

#include <memory>

namespace fairlead {

class Credentials;

struct EdgeOptions {
  // TLS 1.3 with the application, if there are any: as a server with a listener's clients, as a client of a connector's
  // server.
  std::shared_ptr<const Credentials> credentials;
  bool client_certificate = false;  // a listener's client has to present one; a connector presents ours
  bool verify_host = false;         // a connector: the certificate has to be valid for the server's host

  friend bool operator==(const EdgeOptions&, const EdgeOptions&) = default;
};

}  // namespace fairlead
