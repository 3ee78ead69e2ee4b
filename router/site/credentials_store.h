// CredentialsStore: the credentials in use. What the user gives is used as it is; what a site that accepts links needs and
// was not given is made and kept below runtime/: the CA (issuers/<name>/), which survives everything, and server
// certificates (certs/<name>/), which are made anew when they no longer fit. Also keeps the site's id.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "router/site/credential_source.h"
#include "router/site/paths.h"
#include "router/site/resources.h"
#include "transport/tls/certificates.h"

namespace fairlead {

class CredentialsStore {
 public:
  // Both must outlive the store.
  CredentialsStore(const NamespacePaths& paths, const CredentialSource& source);

  // A UUID, made at the first call ever.
  Result<std::string> site_id();

  // The CA of that name, made if there is none.
  Result<CertificateAuthority> authority(const std::string& name);

  // The server credentials of a RouterAccess, made if the user gave none. `issuer` is the site's default.
  Result<PemBundle> server_bundle(const RouterAccess& access, const std::string& issuer);

  // What the user gave for a link.
  Result<PemBundle> link_bundle(const Link& link);

 private:
  const NamespacePaths& paths_;
  const CredentialSource& source_;
};

// The names that a server certificate gets: those of the resource, else the host name, bindHost if it is one address,
// else every address of this machine that is not loopback or link-local. At least one, for the machine without a network.
std::vector<std::string> alternative_names(const RouterAccess& access);

}  // namespace fairlead
