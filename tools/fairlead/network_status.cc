// `fairlead network status` and `fairlead route KEY`: the network as the running gateway knows it, and which site a
// connection for a key goes to, with every candidate and why.

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/names.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

std::string links_text(const Json& site) {
  std::vector<std::string> parts;
  for (const Json& link : site.at("links")) {
    std::string name = text_at(link, "/siteName");
    if (name.empty()) name = "?";
    parts.push_back(fmt::format("{}:{}", name, text_at(link, "/cost")));
  }
  return fmt::format("{}", fmt::join(parts, " "));
}

std::string keys_text(const Json& site) {
  std::vector<std::string> parts;
  for (const auto& [key, instances] : site.at("keys").items()) {
    parts.push_back(instances == 1 ? key : fmt::format("{}:{}", key, instances.dump()));
  }
  return fmt::format("{}", fmt::join(parts, " "));
}

std::string network_table(const Json& network) {
  std::vector<TableRow> rows = {{"SITE", "ROLE", "COST", "LINKS", "KEYS", "ID"}};
  for (const Json& site : network.at("sites")) {
    const bool self = site.at("id") == network.at("self");
    rows.push_back({text_at(site, "/name") + (self ? " (this site)" : ""), text_at(site, "/role"),
                    site.at("reachable") == true ? text_at(site, "/cost") : "unreachable", links_text(site),
                    keys_text(site), text_at(site, "/id")});
  }
  return format_table(rows);
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

// For Graphviz. A link between interior sites is told of by both its ends, and drawn once.
std::string network_dot(const Json& network) {
  std::string text = "graph network {\n  node [shape=box];\n";
  for (const Json& site : network.at("sites")) {
    const bool edge = site.at("role") == "edge";
    const std::string keys = keys_text(site);
    text += fmt::format("  {} [label={}{}];\n", quoted(text_at(site, "/id")),
                        quoted(text_at(site, "/name") + (keys.empty() ? "" : "\\n" + keys)),
                        edge ? ", shape=ellipse" : "");
  }
  for (const Json& site : network.at("sites")) {
    for (const Json& link : site.at("links")) {
      const std::string other = text_at(link, "/siteId");
      if (other.empty() || (site.at("role") != "edge" && other < text_at(site, "/id"))) continue;
      text += fmt::format("  {} -- {} [label={}];\n", quoted(text_at(site, "/id")), quoted(other),
                          text_at(link, "/cost"));
    }
  }
  return text + "}\n";
}

std::string route_table(const Json& candidates) {
  std::vector<TableRow> rows = {{"", "SITE", "COST", "INSTANCES", "OPEN", "VALUE", "PATH"}};
  const Json* chosen = nullptr;
  for (const Json& candidate : candidates) {
    if (chosen == nullptr || candidate.at("value") < chosen->at("value")) chosen = &candidate;
  }
  for (const Json& candidate : candidates) {
    std::vector<std::string> path;
    for (const Json& hop : candidate.at("path"))
      path.push_back(hop.get<std::string>());
    const std::string way = path.empty() ? "this site" : fmt::format("{}", fmt::join(path, " > "));
    rows.push_back({&candidate == chosen ? "=>" : " ", text_at(candidate, "/siteName"), text_at(candidate, "/cost"),
                    text_at(candidate, "/instances"), text_at(candidate, "/open"),
                    fmt::format("{:.2f}", candidate.at("value").get<double>()), way});
  }
  return format_table(rows);
}

int print(const std::string& text) {
  fmt::print("{}", text);
  return kExitOk;
}

// What the gateway sees of the network; none if an error was printed.
std::optional<Json> read_network(const CommonArguments& common) {
  const auto paths = find_namespace(common);
  if (!paths) return std::nullopt;
  if (!is_gateway_running(paths->lock())) {
    print_not_running(*paths);
    return std::nullopt;
  }
  const auto snapshot = read_status_snapshot(*paths);
  if (!snapshot) {
    print_error(snapshot.error());
    return std::nullopt;
  }
  return snapshot->at("network");
}

}  // namespace

int print_network_status(const CommonArguments& common, const NetworkStatusArguments& arguments) {
  const auto network = read_network(common);
  if (!network) return kExitFailed;
  switch (arguments.format) {
    case NetworkFormat::kTable:
      return print(network_table(*network));
    case NetworkFormat::kJson:
      return print(dump_json(*network));
    case NetworkFormat::kYaml:
      return print(to_yaml(*network));
    case NetworkFormat::kDot:
      return print(network_dot(*network));
  }
  return kExitFailed;
}

int print_route(const CommonArguments& common, const RouteArguments& arguments) {
  const auto network = read_network(common);
  if (!network) return kExitFailed;
  const Json& keys = network->at("keys");
  if (!keys.contains(arguments.routing_key)) {
    std::vector<std::string> names;
    for (const auto& [key, candidates] : keys.items())
      names.push_back(key);
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    const std::string_view meant = closest(arguments.routing_key, candidates);
    fmt::print(stderr, "fairlead: no site that can be reached serves the key '{}'{}\n", arguments.routing_key,
               meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant));
    return kExitFailed;
  }
  const Json& candidates = keys.at(arguments.routing_key);
  if (arguments.format == OutputFormat::kJson) return print(dump_json(candidates));
  if (arguments.format == OutputFormat::kYaml) return print(to_yaml(candidates));
  return print(route_table(candidates));
}

}  // namespace fairlead
