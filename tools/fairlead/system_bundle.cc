// `fairlead system generate-bundle FILE`: a site's resources, with the certificates that its user gave, as one file
// that sets the site up on another machine.

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "version.h"
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/credential_source.h"
#include "router/site/files.h"
#include "router/site/input_files.h"
#include "router/site/link_writer.h"
#include "router/site/resource_reader.h"
#include "router/site/site_loader.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/resource_documents.h"
#include "tools/fairlead/temporary_folder.h"

namespace fairlead {

namespace {

using Documents = std::vector<InputFiles::Document>;

constexpr std::string_view kResourcesFile = "resources.yaml";
constexpr std::string_view kScriptFile = "install.sh";
constexpr mode_t kScriptMode = 0700;

// {0}: program and version; {1}: site; {2}: namespace; {3}: the command that prints the resources.
constexpr std::string_view kScript = R"SCRIPT(#!/bin/sh
# Site {1}, as a bundle of {0}: puts its resources into a namespace of this machine and starts the gateway.
# It may hold private keys: keep it as safe as those.
set -eu
namespace={2} folder= remove=no
usage() {{
  cat <<'END'
usage: sh FILE [-n NAMESPACE] [-d FOLDER] [-x]
  -n NAMESPACE  where to ({2})
  -d FOLDER     write a Link for another site there, once the gateway runs
  -x            take it back: end the gateway, and take the resources out of the input
END
}}
while getopts n:d:xh option; do
  case $option in
    n) namespace=$OPTARG ;;
    d) folder=$OPTARG ;;
    x) remove=yes ;;
    h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
command -v fairlead >/dev/null || {{ echo "there is no program fairlead in the PATH: install it first" >&2; exit 1; }}
resources() {{ {3}; }}
if [ "$remove" = yes ]; then
  fairlead -n "$namespace" system stop || true
  resources | fairlead -n "$namespace" system delete -f -
  exit 0
fi
resources | fairlead -n "$namespace" system apply -f -
fairlead -n "$namespace" system start
if [ -n "$folder" ]; then
  umask 077
  mkdir -p "$folder"
  fairlead -n "$namespace" link generate > "$folder/link-{1}.yaml"
  echo "$folder/link-{1}.yaml is for one other site: 'fairlead system apply -f' it there."
fi
exit 0
)SCRIPT";

constexpr std::string_view kMarker = "# resources:\n";

int failed(const Error& error) {
  print_error(error);
  return error.code == ErrorCode::kInvalid ? kExitInvalid : kExitFailed;
}

// Where the input is: a namespace's, or a folder that has the same layout, or just the resources.
struct InputFolders {
  std::filesystem::path resources;
  std::vector<std::filesystem::path> bundles;
};

InputFolders folders_of(const NamespacePaths& paths, const std::string& folder) {
  if (folder.empty()) return {paths.input_resources(), {paths.input_certs(), paths.input_issuers()}};
  const std::filesystem::path root = folder;
  std::error_code ignored;
  if (!std::filesystem::is_directory(root / "resources", ignored)) return {root, {}};
  return {root / "resources", {root / "certs", root / "issuers"}};
}

// Certificates in folders become Secrets, which are found by the same names.
Result<void> add_bundles(const std::filesystem::path& folder, Documents& documents) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const auto bundle = read_bundle(entry->path());
    if (!bundle) return std::unexpected(bundle.error());
    if (!*bundle) continue;
    const std::string name = entry->path().filename().string();
    // A folder goes before a Secret.
    std::erase_if(documents, [&](const auto& other) { return other.kind == Secret::kKind && other.name == name; });
    documents.push_back({std::string(Secret::kKind), name, secret_document(name, **bundle)});
  }
  return {};
}

Result<Documents> collect(const InputFolders& source, const std::vector<std::filesystem::path>& files) {
  Documents documents;
  for (const std::filesystem::path& file : files) {
    auto of_file = read_documents(file.string());
    if (!of_file) return of_file;
    for (InputFiles::Document& document : *of_file)
      documents.push_back(std::move(document));
  }
  for (const std::filesystem::path& folder : source.bundles) {
    if (auto added = add_bundles(folder, documents); !added) return std::unexpected(added.error());
  }
  return documents;
}

std::string text_of(Documents& documents) {
  std::string text;
  for (InputFiles::Document& document : documents) {
    document.value["metadata"].erase("namespace");  // that of where it goes
    text += "---\n" + to_yaml(document.value);
  }
  return text;
}

Result<void> write_tarball(const std::filesystem::path& file, const std::string& script, const std::string& resources) {
  const auto folder = TemporaryFolder::make();
  if (!folder) return std::unexpected(folder.error());
  if (auto written = write_file(folder->path() / kScriptFile, script, kScriptMode, Durability::kRename); !written) {
    return written;
  }
  if (auto written = write_file(folder->path() / kResourcesFile, resources, kPrivateFileMode, Durability::kRename);
      !written) {
    return written;
  }
  return pack(folder->path(), file);
}

}  // namespace

int generate_bundle(const CommonArguments& common, const SystemBundleArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const InputFolders source = folders_of(*paths, arguments.input);
  Diagnostics diagnostics;
  const auto files = list_resource_files(source.resources, diagnostics);
  const auto site = arguments.input.empty() ? load_namespace(*paths) : load_files(files, *paths);
  if (arguments.input.empty()) {
    print_diagnostics(site->diagnostics);
  } else {
    print_diagnostics(diagnostics.has_errors() ? diagnostics : site->diagnostics);
  }
  if (diagnostics.has_errors() || site->diagnostics.has_errors()) return kExitInvalid;
  if (site->resources.site() == nullptr) {
    return failed({ErrorCode::kInvalid, "there is no Site among the resources in " + source.resources.string()});
  }
  auto documents = collect(source, files);
  if (!documents) return failed(documents.error());
  const std::string& name = site->resources.site()->metadata.name;
  const bool is_script = arguments.type == BundleType::kShellScript;
  const std::string script =
      fmt::format(kScript, "fairlead " FAIRLEAD_VERSION, name, paths->name(),
                  is_script ? "sed '1,/^# resources:$/d' \"$0\"" : "cat \"$(dirname \"$0\")/resources.yaml\"");
  const std::string resources = text_of(*documents);
  const std::filesystem::path file = std::filesystem::absolute(arguments.file);
  const auto written = is_script ? write_file(file, script + std::string(kMarker) + resources, kScriptMode,
                                              Durability::kRename)
                                 : write_tarball(file, script, resources);
  if (!written) return failed(written.error());
  fmt::print("{} sets site {} up on another machine: {}\n", file.string(), name,
             is_script ? fmt::format("'sh {}' there", file.filename().string())
                       : std::string("unpack it there, and 'sh install.sh'"));
  return flush_output() ? kExitOk : kExitFailed;
}

}  // namespace fairlead
