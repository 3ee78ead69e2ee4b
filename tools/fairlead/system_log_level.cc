// `fairlead system log-level`: changes what the running gateway logs.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "tools/fairlead/admin_client.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/log_sink.h"
#include "tools/fairlead/report.h"

namespace fairlead {

int change_log_level(const CommonArguments& common, const SystemLogLevelArguments& arguments) {
  constexpr int kTimeoutMs = 10'000;
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  if (!is_gateway_running(paths->lock())) {
    print_not_running(*paths);
    return kExitFailed;
  }
  const std::string_view level = name_of(arguments.level);
  const auto asked = ask_gateway(paths->admin_socket(), {"PUT", "/v1/log-level", {{"level", level}}}, kTimeoutMs);
  if (!asked) {
    print_error(asked.error());
    return kExitFailed;
  }
  fmt::print("The gateway logs {} and above, until it is started again.\n", level);
  return kExitOk;
}

}  // namespace fairlead
