#include "router/site/paths.h"

#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

namespace fairlead {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

Result<std::filesystem::path> absolute(std::string_view variable, std::filesystem::path path) {
  // A daemon's working directory is nobody's intention.
  if (path.is_absolute()) return path;
  return fail(ErrorCode::kInvalid, fmt::format("{} is '{}'; it must be an absolute path", variable, path.string()));
}

}  // namespace

Result<std::filesystem::path> data_root() {
  if (const auto home = environment("FAIRLEAD_HOME"); !home.empty()) return absolute("FAIRLEAD_HOME", home);
  if (geteuid() == 0) return std::filesystem::path("/var/lib/fairlead");
  if (const auto data = environment("XDG_DATA_HOME"); !data.empty()) {
    return absolute("XDG_DATA_HOME", std::filesystem::path(data) / "fairlead");
  }
  if (const auto home = environment("HOME"); !home.empty()) {
    return absolute("HOME", std::filesystem::path(home) / ".local/share/fairlead");
  }
  return fail(ErrorCode::kNotFound, "there is no place for data: set FAIRLEAD_HOME to a directory");
}

NamespacePaths::NamespacePaths(const std::filesystem::path& data_root, std::string_view namespace_name)
    : name_(namespace_name), root_(data_root / "namespaces" / namespace_name) {}

}  // namespace fairlead
