// CredentialsStore: the credentials in use. What the user gives is used as it is; what a site that accepts links needs
// and was not given is made and kept below runtime/: the CA (issuers/<name>/), which survives everything, and server
// certificates (certs/<name>/), which are made anew when they no longer fit. Also keeps the site's id. A lock keeps two
// processes (`run` and `link generate`) from making the same thing at the same time.
#pragma once

#include <cstdint>
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

  // kKeep: what is there is used even if the machine has new addresses meanwhile, because a gateway runs with it.
  enum class Renewal : std::uint8_t { kAsNeeded, kKeep };

  // The server credentials of a RouterAccess, made if the user gave none. `default_issuer` is the site's.
  Result<PemBundle> server_bundle(const RouterAccess& access, const std::string& default_issuer, Renewal renewal);

  // The server credentials of a listener of either kind, made by `skupper-service-ca` if the user gave none. What is
  // made names the addresses that `bind_host` stands for, as those of a RouterAccess do.
  Result<PemBundle> listener_bundle(const std::string& name, const std::string& bind_host);

  // What the user gave for a connector; without certificate and key unless it is to use them.
  Result<PemBundle> connector_bundle(const Connector& connector);

  // What the user gave for a link; without certificate and key if the link has noClientAuth.
  Result<PemBundle> link_bundle(const Link& link);

 private:
  Result<CertificateAuthority> authority_locked(const std::string& name);
  Result<PemBundle> made_bundle(const std::string& name, const std::string& issuer,
                                const std::vector<std::string>& hosts, Renewal renewal);
  Result<PemBundle> given_bundle(const std::string& owner, const std::string& name);

  const NamespacePaths& paths_;
  const CredentialSource& source_;
};

}  // namespace fairlead
