// `fairlead network status`: the network as the running gateway knows it.

#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/network_graph.h"
#include "tools/fairlead/network_source.h"
#include "tools/fairlead/network_svg.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;
using State = NetworkGraph::State;

const char* name_of(State state) {
  switch (state) {
    case State::kUp:
      return "up";
    case State::kDown:
      return "down";
    case State::kActive:
      return "active";
    case State::kStandby:
      return "standby";
  }
  return "";
}

std::string sites_table(const Json& network) {
  const NetworkGraph graph = graph_of(network);
  std::vector<TableRow> rows = {{"SITE", "ROLE", "COST", "KEYS", "ID"}};
  for (const std::size_t i : sorted_sites(graph)) {
    const NetworkGraph::Site& site = graph.sites[i];
    if (!site.described) continue;
    const Json& json = network.at("sites").at(i);
    rows.push_back({site.name + (site.self ? " (this site)" : ""), text_at(json, "/role"),
                    site.reachable ? text_at(json, "/cost") : "unreachable",
                    fmt::format("{}", fmt::join(site.keys, " ")), site.id});
  }
  return format_table(rows);
}

std::string links_table(const Json& network) {
  const NetworkGraph graph = graph_of(network);
  std::vector<TableRow> rows = {{"LINK", "COST", "RTT", "STATE"}};
  for (const NetworkGraph::Link& link : graph.links) {
    rows.push_back({fmt::format("{}/{}", graph.sites[link.a].name, graph.sites[link.b].name), std::to_string(link.cost),
                    link.rtt, name_of(link.state)});
  }
  return rows.size() == 1 ? "No links.\n" : format_table(rows);
}

bool is_edge_view(const Json& network) {
  const Json& sites = network.at("sites");
  return sites.size() == 1 && sites[0].at("role") == "edge";
}

// What an edge site is told instead of the network.
std::string reach_table(const Json& network) {
  std::vector<TableRow> rows = {{"KEY", "COST", "INSTANCES", "OVER"}};
  for (const auto& [key, candidates] : network.at("keys").items()) {
    for (const Json& candidate : candidates) {
      rows.push_back({key, text_at(candidate, "/cost"), text_at(candidate, "/instances"),
                      candidate.value("uplink", false) ? text_at(candidate, "/siteName") : "this site"});
    }
  }
  return rows.size() == 1 ? "No key can be reached.\n" : format_table(rows);
}

std::string network_table(const Json& network) {
  std::string text = sites_table(network) + "\n" + links_table(network);
  if (!is_edge_view(network)) return text;
  return text + "\n" + reach_table(network) +
         "\nAn edge site does not see the network behind its uplinks; its interior sites do.\n";
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

// For Graphviz.
std::string network_dot(const NetworkGraph& graph) {
  std::string text = "graph network {\n  node [shape=box];\n";
  for (const NetworkGraph::Site& site : graph.sites) {
    const std::string keys = fmt::format("{}", fmt::join(site.keys, " "));
    // The line break is Graphviz's own escape.
    std::string label = quoted(site.name);
    if (!keys.empty()) label = label.substr(0, label.size() - 1) + "\\n" + quoted(keys).substr(1);
    text += fmt::format("  {} [label={}{}];\n", quoted(site.id), label, site.edge ? ", shape=ellipse" : "");
  }
  for (const NetworkGraph::Link& link : graph.links) {
    const char* style = link.state == State::kDown      ? ", style=dotted"
                        : link.state == State::kStandby ? ", style=dashed"
                                                        : "";
    text += fmt::format("  {} -- {} [label={}{}];\n", quoted(graph.sites[link.a].id), quoted(graph.sites[link.b].id),
                        link.cost, style);
  }
  return text + "}\n";
}

std::string text_of(const Json& network, NetworkFormat format) {
  switch (format) {
    case NetworkFormat::kTable:
      return network_table(network);
    case NetworkFormat::kJson:
      return dump_json(network);
    case NetworkFormat::kYaml:
      return to_yaml(network);
    case NetworkFormat::kDot:
      return network_dot(graph_of(network));
    case NetworkFormat::kSvg:
      return network_svg(graph_of(network));
  }
  return {};
}

}  // namespace

int print_network_status(const CommonArguments& common, const NetworkStatusArguments& arguments) {
  const auto network = read_live_network(common, true);
  if (!network) return kExitFailed;
  fmt::print("{}", text_of(network->document, arguments.format));
  return kExitOk;
}

}  // namespace fairlead
