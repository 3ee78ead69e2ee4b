#include "tools/fairlead/network_graph.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "tools/fairlead/snapshot.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

NetworkGraph::Site site_of(const Json& json, const std::string& self) {
  NetworkGraph::Site site;
  site.id = text_at(json, "/id");
  site.name = text_at(json, "/name");
  site.edge = json.at("role") == "edge";
  site.self = site.id == self;
  site.reachable = json.at("reachable") == true;
  for (const auto& [key, instances] : json.at("keys").items())
    site.keys.push_back(instances == 1 ? key : fmt::format("{}:{}", key, instances.dump()));
  return site;
}

NetworkGraph::State state_of(const Json& link, bool edge) {
  if (!link.value("up", true)) return NetworkGraph::State::kDown;
  if (!edge) return NetworkGraph::State::kUp;
  return link.value("active", true) ? NetworkGraph::State::kActive : NetworkGraph::State::kStandby;
}

// By names, edge sites' last.
void sort_links(NetworkGraph& graph) {
  const auto rank = [&](std::size_t site) {
    return std::tie(graph.sites[site].edge, graph.sites[site].name, graph.sites[site].id);
  };
  for (NetworkGraph::Link& link : graph.links) {
    if (!graph.sites[link.a].edge && rank(link.b) < rank(link.a)) std::swap(link.a, link.b);
  }
  std::ranges::sort(graph.links, [&](const NetworkGraph::Link& left, const NetworkGraph::Link& right) {
    return std::pair(rank(left.a), rank(left.b)) < std::pair(rank(right.a), rank(right.b));
  });
}

}  // namespace

NetworkGraph graph_of(const Json& network) {
  NetworkGraph graph;
  std::map<std::string, std::size_t> numbers;
  for (const Json& json : network.at("sites")) {
    numbers.emplace(text_at(json, "/id"), graph.sites.size());
    graph.sites.push_back(site_of(json, text_at(network, "/self")));
  }
  const std::size_t described = graph.sites.size();
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> places;
  for (std::size_t a = 0; a < described; ++a) {
    for (const Json& json : network.at("sites").at(a).at("links")) {
      const std::string id = text_at(json, "/siteId");
      const auto [other, unknown] = numbers.emplace(id, graph.sites.size());
      if (unknown) {
        const std::string name = text_at(json, "/siteName");
        graph.sites.push_back({.id = id, .name = name.empty() ? "?" : name, .described = false, .keys = {}});
      }
      const NetworkGraph::Link link{a, other->second, number_at(json, "/cost"), text_at(json, "/rtt"),
                                    state_of(json, graph.sites[a].edge)};
      const auto [place, first] = places.emplace(std::minmax(link.a, link.b), graph.links.size());
      if (first) {
        graph.links.push_back(link);
        continue;
      }
      // Told of by both ends, who may not have heard of each other's cost yet.
      NetworkGraph::Link& known = graph.links[place->second];
      known.cost = std::max(known.cost, link.cost);
      if (known.rtt.empty()) known.rtt = link.rtt;
    }
  }
  sort_links(graph);
  return graph;
}

std::vector<std::size_t> sorted_sites(const NetworkGraph& graph) {
  std::vector<std::size_t> order(graph.sites.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const NetworkGraph::Site& left = graph.sites[a];
    const NetworkGraph::Site& right = graph.sites[b];
    return std::tie(left.edge, left.name, left.id) < std::tie(right.edge, right.name, right.id);
  });
  return order;
}

}  // namespace fairlead
