#include <cstdio>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "router/site/site_loader.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"

namespace fairlead {

int check_resources(const CommonArguments& common, const CheckArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const std::vector<std::filesystem::path> files(arguments.files.begin(), arguments.files.end());
  const auto site = files.empty() ? load_namespace(*paths) : load_files(files, *paths);
  print_diagnostics(site->diagnostics);
  if (site->diagnostics.has_errors()) return kExitInvalid;
  const Resources& resources = site->resources;
  fmt::print("ok: {} Site, {} Link, {} RouterAccess, {} Listener, {} MultiKeyListener, {} Connector, {} Secret\n",
             resources.sites.size(), resources.links.size(), resources.router_accesses.size(),
             resources.listeners.size(), resources.multi_key_listeners.size(), resources.connectors.size(),
             resources.secrets.size());
  return kExitOk;
}

}  // namespace fairlead
