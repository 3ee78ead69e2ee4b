// The checks that need all resources of a namespace at once: one Site, names used once, ports used once, credentials
// that exist and fit, endpoints for the role that this site has.
#pragma once

#include "router/site/credential_source.h"
#include "router/site/resources.h"

namespace fairlead {

struct ValidationOptions {
  std::string namespace_name;  // that all resources must belong to; empty: whichever they share
  bool require_site = true;    // false: some files are looked at, not a whole site
};

void validate(const Resources& resources, const CredentialSource& credentials, const ValidationOptions& options,
              Diagnostics& diagnostics);

}  // namespace fairlead
