#include "tools/fairlead/report.h"

#include <cstdio>

#include <fmt/format.h>

namespace fairlead {

std::optional<NamespacePaths> find_namespace(const CommonArguments& common) {
  const auto root = data_root();
  if (!root) {
    print_error(root.error());
    return std::nullopt;
  }
  return NamespacePaths(*root, common.namespace_name);
}

void print_diagnostics(const Diagnostics& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics.items())
    fmt::print(stderr, "{}\n", to_string(diagnostic));
  if (!diagnostics.has_errors()) return;
  fmt::print(stderr, "fairlead: {} error{} in the resources\n", diagnostics.error_count(),
             diagnostics.error_count() == 1 ? "" : "s");
}

void print_error(const Error& error) {
  fmt::print(stderr, "fairlead: {}\n", error.message);
}

}  // namespace fairlead
