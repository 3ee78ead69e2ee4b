// CredentialSource: where the credentials that a user gives come from: input/certs/<name>/ and input/issuers/<name>/,
// or a Secret among the resources. A directory goes before a Secret of the same name. Reads only.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "router/site/resources.h"
#include "transport/base/error.h"
#include "transport/tls/credentials.h"

namespace fairlead {

struct NamedBundle {
  PemBundle pem;
  std::string origin;  // "input/certs/west" or "Secret west", for messages
};

class CredentialSource {
 public:
  // Either directory may not exist. `resources` must outlive this.
  CredentialSource(const Resources& resources, std::filesystem::path certs, std::filesystem::path issuers);

  // Nothing if the user gave no such bundle; an error if one is there and cannot be read.
  Result<std::optional<NamedBundle>> find(const std::string& name) const;
  // The CA's certificate is in `cert`, its key in `key`.
  Result<std::optional<NamedBundle>> find_issuer(const std::string& name) const;

 private:
  const Resources& resources_;
  std::filesystem::path certs_;
  std::filesystem::path issuers_;
};

// ca.crt, tls.crt, tls.key and ca.crl of a directory; files that are not there read as empty. Nothing if none of the
// first three is there.
Result<std::optional<PemBundle>> read_bundle(const std::filesystem::path& directory);

}  // namespace fairlead
