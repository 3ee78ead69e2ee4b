// `fairlead system reload`: has the running gateway read its input anew now, waits for the outcome, and prints what
// changed.

#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/reload_request.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

// The files are watched: most often what a user wants to be in effect already is.
void print_earlier(const Json& reload) {
  if (reload["earlierChanges"].empty()) {
    fmt::print("Nothing changed.\n");
    return;
  }
  const auto age = reload["earlierAgeSeconds"].get<std::int64_t>();
  fmt::print("Nothing changed. The last change, {} ago, is in effect:\n", format_age(age));
  for (const Json& line : reload["earlierChanges"])
    fmt::print("{}\n", line.get_ref<const std::string&>());
}

void print_reload(const Json& reload) {
  for (const Json& line : reload["changes"])
    fmt::print("{}\n", line.get_ref<const std::string&>());
  if (reload["changes"].empty() && reload["errors"].empty()) print_earlier(reload);
  for (const Json& line : reload["warnings"])
    fmt::print(stderr, "warning: {}\n", line.get_ref<const std::string&>());
  for (const Json& line : reload["refusedBundles"])
    fmt::print(stderr, "error: {}\n", line.get_ref<const std::string&>());
  for (const Json& line : reload["errors"])
    fmt::print(stderr, "error: {}\n", line.get_ref<const std::string&>());
  if (const std::size_t count = reload["errors"].size(); count > 0) {
    fmt::print(stderr, "fairlead: the resources in use stay as they are, because of {} error{}\n", count,
               count == 1 ? "" : "s");
  }
}

}  // namespace

int reload_gateway(const CommonArguments& common, const SystemReloadArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  if (!is_gateway_running(paths->lock())) {
    print_not_running(*paths);
    return kExitFailed;
  }
  const auto reload = request_reload(*paths);
  if (!reload) {
    print_error(reload.error());
    return kExitFailed;
  }
  if (arguments.format == OutputFormat::kTable) {
    print_reload(*reload);
  } else {
    fmt::print("{}", arguments.format == OutputFormat::kJson ? dump_json(*reload) : to_yaml(*reload));
  }
  return reload->at("errors").empty() && reload->at("refusedBundles").empty() ? kExitOk : kExitInvalid;
}

}  // namespace fairlead
