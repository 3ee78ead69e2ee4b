// Router's part in looking at the network: what routing knows, in the words of sites.

#include "router/network_view.h"

#include <array>

#include "router/router.h"

namespace fairlead {
namespace {

// Names of the sites that routing knows, edge sites included.
std::map<RouterId, std::pair<std::string, std::string>> names_of(const Topology& topology) {
  std::map<RouterId, std::pair<std::string, std::string>> names;
  for (const auto& [router, state] : topology.states()) {
    names[router] = {state.site_id, state.site_name};
    for (const EdgeSite& edge : state.edges)
      names[router_id_of(edge.site_id)] = {edge.site_id, edge.site_name};
  }
  return names;
}

}  // namespace

NetworkView Router::view() {
  const auto table = routing_.table();
  NetworkView view;
  view.self_id = transport_->options().site_id;
  add_sites(*table, view);
  add_keys(*table, view);
  return view;
}

void Router::add_sites(const RouteTable& table, NetworkView& view) const {
  const Topology& topology = routing_.topology();
  if (routing_.edge()) {
    NetworkView::Site self;
    self.id = transport_->options().site_id;
    self.name = transport_->options().site_name;
    self.edge = true;
    for (const Connector& connector : connectors_) {
      if (connector.available) ++self.keys[connector.routing_key];
    }
    view.sites.push_back(std::move(self));
    return;
  }
  const auto names = names_of(topology);
  for (const auto& [router, state] : topology.states()) {
    NetworkView::Site site;
    site.id = state.site_id;
    site.name = state.site_name;
    site.cost = table.paths() == nullptr ? 0 : table.paths()->cost(router);
    site.reachable = site.cost != PathTree::kUnreachable;
    if (!site.reachable) site.cost = 0;
    site.keys = state.keys;
    for (const Adjacency& link : state.neighbours) {
      const auto name = names.find(link.router);
      const bool known = name != names.end();
      site.links.push_back({known ? name->second.first : "", known ? name->second.second : "", link.cost});
    }
    const std::uint64_t cost = site.cost;
    const bool reachable = site.reachable;
    view.sites.push_back(std::move(site));
    for (const EdgeSite& edge : state.edges) {
      view.sites.push_back({edge.site_id, edge.site_name, true, reachable, cost + edge.cost,
                            {{state.site_id, state.site_name, edge.cost}}, edge.keys});
    }
  }
}

void Router::add_keys(const RouteTable& table, NetworkView& view) const {
  constexpr double kValueUnit = 65'536;
  const auto names = names_of(routing_.topology());
  const auto name_of = [&](RouterId router) {
    const auto at = names.find(router);
    return at == names.end() ? std::pair<std::string, std::string>() : at->second;
  };
  for (const std::string& key : table.keys()) {
    for (const Candidate& candidate : table.candidates(key)) {
      NetworkView::Candidate line;
      std::tie(line.site_id, line.site_name) = name_of(candidate.site);
      if (candidate.site == routing_.self()) {
        line.site_id = transport_->options().site_id;
        line.site_name = transport_->options().site_name;
        for (const Connector& connector : connectors_) {
          if (connector.available && connector.routing_key == key) line.open += connector.load.open();
        }
      }
      line.cost = candidate.cost;
      line.instances = candidate.instances;
      line.open += candidate.load.open();
      line.value = static_cast<double>(RouteTable::value_of(candidate)) / kValueUnit;
      if (candidate.via == kNoRouter) line.value = static_cast<double>(line.open) / candidate.instances;
      std::array<RouterId, PathTree::kHopsMax + 1> path;
      std::uint32_t hops = 0;
      if (const PathTree* paths = table.paths(); paths != nullptr && candidate.via != kNoRouter) {
        if (const std::uint32_t node = paths->find(candidate.via); node != PathTree::kNone) {
          hops = paths->path_to(node, 0, path);
        }
      }
      for (std::uint32_t i = 0; i < hops; ++i)
        line.path.push_back(name_of(path[i]).second);
      if (candidate.edge) line.path.push_back(line.site_name);
      view.keys[key].push_back(std::move(line));
    }
  }
}

}  // namespace fairlead
