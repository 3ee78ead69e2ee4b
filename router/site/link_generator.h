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

// Under which host this site is dialled, and what it presents there.
struct Entry {
  std::string host;
  PemBundle bundle;
};

// `host` may be empty: the first name of a server certificate. Fails as generate_link() does.
Result<Entry> find_entry(const Resources& resources, CredentialsStore& store, const std::string& host);

// What a redeemed token is answered with.
struct RedemptionRequest {
  std::string name;        // of the Link and the Secret
  std::string subject;     // of the certificate: the site that redeems
  std::string host;        // as LinkRequest::host
  std::string issuer;      // empty: that of the RouterAccess
  std::string public_key;  // DER; empty: a key is made, and is in the answer
};

// YAML as Skupper answers: a Secret, then a Link. The certificate names no host and is for dialling only, so that
// nobody can pass for a server with it.
Result<std::string> answer_redemption(const Resources& resources, CredentialsStore& store,
                                      const RedemptionRequest& request);

}  // namespace fairlead
