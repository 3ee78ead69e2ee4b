#include "router/site/site_loader.h"

#include "router/site/resource_reader.h"
#include "router/site/validate.h"

namespace fairlead {

namespace {

void finish(LoadedSite& site, const NamespacePaths& paths, const ValidationOptions& options) {
  add_implied_router_access(site.resources);
  const CredentialSource credentials(site.resources, paths.input_certs(), paths.input_issuers());
  validate(site.resources, credentials, options, site.diagnostics);
}

}  // namespace

std::unique_ptr<LoadedSite> load_namespace(const NamespacePaths& paths) {
  auto site = std::make_unique<LoadedSite>();
  const auto files = list_resource_files(paths.input_resources(), site->diagnostics);
  if (files.empty() && site->diagnostics.complete()) {
    site->diagnostics.error({paths.input_resources().string()},
                            "there are no resources; put a Site into a file here, for example site.yaml");
    return site;
  }
  read_resource_files(files, site->resources, site->diagnostics);
  finish(*site, paths, {.namespace_name = paths.name(), .require_site = true});
  return site;
}

std::unique_ptr<LoadedSite> load_files(const std::vector<std::filesystem::path>& files, const NamespacePaths& paths) {
  auto site = std::make_unique<LoadedSite>();
  read_resource_files(files, site->resources, site->diagnostics);
  finish(*site, paths, {.namespace_name = "", .require_site = false});
  return site;
}

}  // namespace fairlead
