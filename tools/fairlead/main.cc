// fairlead: the gateway (`fairlead run`) and its command line in one binary.

#include <cstdio>
#include <exception>
#include <type_traits>
#include <variant>

#include <fmt/format.h>

#include "tools/fairlead/arguments.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"

namespace {

int run_command(const std::variant<fairlead::Arguments, int>& parsed) {
  // What was to be printed instead of a command is printed.
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const auto& arguments = std::get<fairlead::Arguments>(parsed);
  using namespace fairlead;
  return std::visit(
      [&](const auto& command) {
        using Command = std::remove_cvref_t<decltype(command)>;
        if constexpr (std::is_same_v<Command, RunArguments>) return run_gateway(arguments.common, command);
        if constexpr (std::is_same_v<Command, CheckArguments>) return check_resources(arguments.common, command);
        if constexpr (std::is_same_v<Command, LinkGenerateArguments>) {
          return print_generated_link(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, LinkStatusArguments>) {
          return print_link_status(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, LinkTestArguments>) return test_link(arguments.common, command);
        if constexpr (std::is_same_v<Command, NetworkStatusArguments>) {
          return print_network_status(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, RouteArguments>) return print_route(arguments.common, command);
        if constexpr (std::is_same_v<Command, BenchArguments>) return run_bench(arguments.common, command);
        if constexpr (std::is_same_v<Command, TopArguments>) return show_top(arguments.common, command);
        if constexpr (std::is_same_v<Command, TraceArguments>) return print_trace(arguments.common, command);
        if constexpr (std::is_same_v<Command, TokenIssueArguments>) return issue_token(arguments.common, command);
        if constexpr (std::is_same_v<Command, TokenRedeemArguments>) return redeem_token(arguments.common, command);
        if constexpr (std::is_same_v<Command, ResourceStatusArguments>) {
          return print_resource_status(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, ResourceChangeArguments>) {
          return change_resource(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, SystemApplyArguments>) return apply_files(arguments.common, command);
        if constexpr (std::is_same_v<Command, SystemBundleArguments>) {
          return generate_bundle(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, SystemStartArguments>) return start_system(arguments.common, command);
        if constexpr (std::is_same_v<Command, SystemStopArguments>) return stop_system(arguments.common, command);
        if constexpr (std::is_same_v<Command, SystemStatusArguments>) {
          return print_system_status(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, SystemInstallArguments>) {
          return install_service(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, SystemUninstallArguments>) {
          return uninstall_service(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, SystemLogLevelArguments>) {
          return change_log_level(arguments.common, command);
        }
        if constexpr (std::is_same_v<Command, SystemReloadArguments>) return reload_gateway(arguments.common, command);
        if constexpr (std::is_same_v<Command, DebugCheckArguments>) return check_system(arguments.common, command);
        if constexpr (std::is_same_v<Command, DebugDumpArguments>) return dump_system(arguments.common, command);
        if constexpr (std::is_same_v<Command, VersionArguments>) return print_version();
      },
      arguments.command);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run_command(fairlead::parse_arguments(argc, argv));
    const bool printed = fairlead::flush_output();
    return printed || code != fairlead::kExitOk ? code : fairlead::kExitFailed;
  } catch (const std::exception& exception) {
    // The libraries of the control path throw when memory or the file system gives out.
    fmt::print(stderr, "fairlead: {}\n", exception.what());
    return fairlead::kExitFailed;
  }
}
