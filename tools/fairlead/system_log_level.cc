// `fairlead system log-level`: changes what the running gateway logs.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/control_socket.h"
#include "tools/fairlead/log_sink.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"

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
  std::string error = "the gateway ended";
  const auto asked = ask_gateway(paths->control_socket(), {{"command", "logLevel"}, {"level", level}}, kTimeoutMs,
                                 [&](const nlohmann::ordered_json& answer) {
                                   if (answer.contains("done")) error.clear();
                                   if (answer.contains("error")) error = text_at(answer, "/error");
                                 });
  if (!asked || !error.empty()) {
    print_error(asked ? Error{ErrorCode::kSystem, error} : asked.error());
    return kExitFailed;
  }
  fmt::print("The gateway logs {} and above, until it is started again.\n", level);
  return kExitOk;
}

}  // namespace fairlead
