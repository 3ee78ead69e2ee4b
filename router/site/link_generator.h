// A Link and its Secret for another site to put among its resources: the way a link comes into being.
#pragma once

#include <cstdint>
#include <string>

#include "router/site/credentials_store.h"
#include "router/site/resources.h"

namespace fairlead {

struct LinkRequest {
  std::string name{};  // of the Link and the Secret; empty: link-<site>
  std::string host{};  // that the other site dials; empty: the first name of the server certificate
  std::uint32_t cost = 1;
  CredentialsStore::Renewal renewal = CredentialsStore::Renewal::kAsNeeded;
};

// YAML text with a client certificate and private key made for this call. Fails if the site accepts no links, or if the
// host is none that a server certificate of this site names. With several RouterAccesses, the first that fits is used.
Result<std::string> generate_link(const Resources& resources, CredentialsStore& store, const LinkRequest& request);

}  // namespace fairlead
