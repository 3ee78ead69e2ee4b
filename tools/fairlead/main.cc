// fairlead: the gateway (`fairlead run`) and its command line in one binary.

#include <cstdio>
#include <exception>
#include <type_traits>
#include <variant>

#include <fmt/format.h>

#include "tools/fairlead/arguments.h"
#include "tools/fairlead/commands.h"

namespace {

int run_command(const fairlead::Arguments& arguments) {
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
        if constexpr (std::is_same_v<Command, VersionArguments>) return print_version();
      },
      arguments.command);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto parsed = fairlead::parse_arguments(argc, argv);
    if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
    return run_command(std::get<fairlead::Arguments>(parsed));
  } catch (const std::exception& exception) {
    // The libraries of the control path throw when memory or the file system gives out.
    fmt::print(stderr, "fairlead: {}\n", exception.what());
    return fairlead::kExitFailed;
  }
}
