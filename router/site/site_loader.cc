#include "router/site/site_loader.h"

#include <algorithm>

#include "router/site/resource_reader.h"
#include "router/site/token_store.h"
#include "router/site/validate.h"

namespace fairlead {

namespace {

void finish(LoadedSite& site, const NamespacePaths& paths, const ValidationOptions& options) {
  add_implied_router_access(site.resources);
  const CredentialSource credentials(site.resources, paths.input_certs(), paths.input_issuers());
  validate(site.resources, credentials, options, site.diagnostics);
}

}  // namespace

std::unique_ptr<LoadedSite> load_namespace(const NamespacePaths& paths, const std::vector<InputChange>& changes,
                                           bool require_site) {
  auto site = std::make_unique<LoadedSite>();
  auto files = list_resource_files(paths.input_resources(), site->diagnostics);
  for (const InputChange& change : changes) {
    std::erase(files, change.file);
    if (change.text) read_resources(*change.text, change.file.string(), site->resources, site->diagnostics);
  }
  const bool any = std::ranges::any_of(changes, [](const InputChange& change) { return change.text.has_value(); });
  if (files.empty() && !any && require_site && site->diagnostics.complete()) {
    site->diagnostics.error({paths.input_resources().string()},
                            "there are no resources; make a Site with: fairlead site create NAME");
    return site;
  }
  read_resource_files(files, site->resources, site->diagnostics);
  add_redeemed_links(TokenStore(paths.runtime_tokens()), site->resources, site->diagnostics);
  finish(*site, paths, {.namespace_name = paths.name(), .require_site = require_site});
  return site;
}

std::unique_ptr<LoadedSite> load_files(const std::vector<std::filesystem::path>& files, const NamespacePaths& paths) {
  auto site = std::make_unique<LoadedSite>();
  read_resource_files(files, site->resources, site->diagnostics);
  finish(*site, paths, {.namespace_name = "", .require_site = false});
  return site;
}

}  // namespace fairlead
