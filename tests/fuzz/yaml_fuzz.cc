// Any bytes as an input file: the YAML layer, every kind's reader and the validation that needs no files. Besides
// memory errors it looks for a resource that is accepted without a name, and for control characters in messages.

#include <cstdint>
#include <span>
#include <string_view>

#include "router/site/resource_reader.h"
#include "router/site/validate.h"
#include "tests/fuzz/fuzz_target.h"

namespace fairlead {
namespace {

template <class T>
void check_names(const std::vector<T>& resources) {
  for (const T& resource : resources) {
    expect(!resource.metadata.name.empty());
  }
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  Resources resources;
  Diagnostics diagnostics;
  read_resources({reinterpret_cast<const char*>(input.data()), input.size()}, "fuzz.yaml", resources, diagnostics);
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
    expect(is_harmless(to_string(diagnostic)));
  }
}

}  // namespace fairlead
