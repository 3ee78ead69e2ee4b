// A namespace's input, read and validated as a whole: what `run`, `check` and `link generate` begin with.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
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

// A file of input/resources as it is going to be.
struct InputChange {
  std::filesystem::path file;
  std::optional<std::string> text;  // nothing: it is removed
};

// Everything below input/resources. Usable only if the diagnostics have no errors. With `changes` as if they were made
// already; without `require_site` there may be no Site yet.
std::unique_ptr<LoadedSite> load_namespace(const NamespacePaths& paths, const std::vector<InputChange>& changes = {},
                                           bool require_site = true);

// Some files that a user wants checked. Credentials may also come from the namespace's input/certs.
std::unique_ptr<LoadedSite> load_files(const std::vector<std::filesystem::path>& files, const NamespacePaths& paths);

}  // namespace fairlead
