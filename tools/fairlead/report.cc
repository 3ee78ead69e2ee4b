#include "tools/fairlead/report.h"

#include <cerrno>
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

void print_not_running(const NamespacePaths& paths) {
  fmt::print(stderr, "fairlead: the gateway of namespace '{0}' is not running; "
                     "start it with: fairlead system start -n {0}\n",
             paths.name());
}

void print_error(const Error& error) {
  fmt::print(stderr, "fairlead: {}\n", error.message);
}

bool flush_output() {
  // A write between two flushes may have failed, whose reason is not known any more.
  const int error = std::fflush(stdout) != 0 ? errno : std::ferror(stdout) != 0 ? EIO : 0;
  std::clearerr(stdout);
  if (error != 0) print_error(error_from_errno(error, "cannot write to the standard output"));
  return error == 0;
}

}  // namespace fairlead
