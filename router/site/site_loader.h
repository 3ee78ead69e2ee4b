// A namespace's input, read and validated as a whole: what `run`, `check` and `link generate` begin with.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "router/site/credential_source.h"
#include "router/site/paths.h"
#include "router/site/resources.h"

namespace fairlead {

struct LoadedSite {
  Resources resources;  // with what is implied
  Diagnostics diagnostics;
};

// Everything below input/resources. Usable only if the diagnostics have no errors.
std::unique_ptr<LoadedSite> load_namespace(const NamespacePaths& paths);

// Some files that a user wants checked. Credentials may also come from the namespace's input/certs.
std::unique_ptr<LoadedSite> load_files(const std::vector<std::filesystem::path>& files, const NamespacePaths& paths);

}  // namespace fairlead
