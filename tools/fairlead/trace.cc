// `fairlead trace KEY`: sends a probe where the next connection for the key would go, and prints each router on the way
// with its time, as its answer comes in.

#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/admin_client.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

// Longer than the gateway waits for the next answer.
constexpr int kTimeoutMs = 8000;

void print_hop(const Json& hop) {
  const std::uint64_t number = number_at(hop, "/hop");
  const auto milliseconds_at = [&](const char* pointer) {
    return format_milliseconds(static_cast<double>(number_at(hop, pointer)));
  };
  const std::string time = number == 0 ? "-" : milliseconds_at("/time/microseconds");
  std::string line = fmt::format("{:<4} {:<24} {:>12}", number, text_at(hop, "/siteName"), time);
  const std::string error = text_at(hop, "/error");
  if (hop.contains("server") && error.empty()) {
    line += fmt::format("  {} answered in {}", text_at(hop, "/server/address"),
                        milliseconds_at("/server/connectMicroseconds"));
  } else if (!error.empty()) {
    line += "  " + error;
  }
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

}  // namespace

int print_trace(const CommonArguments& common, const TraceArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  if (!is_gateway_running(paths->lock())) {
    print_not_running(*paths);
    return kExitFailed;
  }
  Json hops = Json::array();
  const bool table = arguments.format == OutputFormat::kTable;
  if (table) fmt::print("{:<4} {:<24} {:>12}\n", "HOP", "SITE", "TIME");
  const AdminRequest request{"POST", "/v1/trace", {{"routingKey", arguments.routing_key}}};
  const auto asked = ask_gateway(paths->admin_socket(), request, kTimeoutMs, [&](const Json& line) {
    if (!line.contains("hop")) return;
    hops.push_back(line["hop"]);
    if (table) print_hop(hops.back());
  });
  if (!table) {
    Json result;
    result["routingKey"] = arguments.routing_key;
    result["hops"] = std::move(hops);
    if (!asked) result["error"] = asked.error().message;
    fmt::print("{}", arguments.format == OutputFormat::kJson ? dump_json(result) : to_yaml(result));
  } else if (!asked) {
    print_error(asked.error());
  }
  return asked ? kExitOk : kExitFailed;
}

}  // namespace fairlead
