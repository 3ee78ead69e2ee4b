// Any bytes as an input file: the YAML layer, every kind's reader and the validation that needs no files. Besides
// memory errors it looks for a resource that is accepted without a name, and for control characters in messages.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "router/site/resource_reader.h"
#include "router/site/validate.h"

namespace {

bool is_harmless(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) return false;
  }
  return true;
}

template <class T>
void check_names(const std::vector<T>& resources) {
  for (const T& resource : resources) {
    if (resource.metadata.name.empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  Resources resources;
  Diagnostics diagnostics;
  read_resources({reinterpret_cast<const char*>(data), size}, "fuzz.yaml", resources, diagnostics);
  add_implied_router_access(resources);
  // Directories that cannot exist, so that nothing outside the input decides.
  const CredentialSource credentials(resources, "/dev/null/certs", "/dev/null/issuers");
  validate(resources, credentials, {.namespace_name = "", .require_site = false}, diagnostics);
  check_names(resources.sites);
  check_names(resources.links);
  check_names(resources.router_accesses);
  check_names(resources.listeners);
  check_names(resources.connectors);
  check_names(resources.secrets);
  for (const Diagnostic& diagnostic : diagnostics.items()) {
    if (!is_harmless(to_string(diagnostic))) std::abort();
  }
  return 0;
}
