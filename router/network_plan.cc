#include "router/network_plan.h"

#include <algorithm>
#include <memory>
#include <tuple>

#include "router/routing/table_parts.h"

namespace fairlead {
namespace {

// The network as its interior routers tell each other of it, and the tables that follow at each site.
class Planner {
 public:
  explicit Planner(const NetworkModel& model);

  PlannedRoute route(std::size_t from, std::string_view key) const;

 private:
  RouterId router(std::size_t site) const { return router_id_of(model_.sites[site].id); }

  LinkKind kind_of(std::size_t from, std::size_t to) const;
  LinkState state_of(std::size_t site) const;

  const RouterLink* uplink_of(std::size_t site) const { return active_uplink(links_[site]); }

  // `open`: the connections that count there, which `shares` keep; null if none are known of.
  LocalConnectors connectors_of(std::size_t site, const NetworkModel::Open* open, std::vector<LoadShare>& shares) const;
  std::shared_ptr<const RouteTable> table_of(std::size_t site, const NetworkModel::Open* open,
                                             std::vector<LoadShare>& shares) const;
  std::size_t other_end(const RouterLink& link, std::size_t site) const;
  std::vector<NetworkView::Candidate> route_from_edge(std::size_t from, std::string_view key) const;

  const NetworkModel& model_;
  std::vector<std::vector<RouterLink>> links_;  // of each site; ids are positions in the model, plus one
  Topology topology_;
  SiteNames names_;
};

Planner::Planner(const NetworkModel& model) : model_(model), links_(model.sites.size()) {
  for (std::uint32_t i = 0; i < model.links.size(); ++i) {
    const NetworkModel::Link& link = model.links[i];
    links_[link.a].push_back({i + 1, kind_of(link.a, link.b), router(link.b), link.cost});
    links_[link.b].push_back({i + 1, kind_of(link.b, link.a), router(link.a), link.cost});
  }
  for (std::size_t site = 0; site < model.sites.size(); ++site) {
    names_[router(site)] = {model.sites[site].id, model.sites[site].name};
    if (!model.sites[site].edge) topology_.take(state_of(site));
  }
}

LinkKind Planner::kind_of(std::size_t from, std::size_t to) const {
  if (model_.sites[from].edge) return LinkKind::kUplink;
  return model_.sites[to].edge ? LinkKind::kEdge : LinkKind::kInterior;
}

LinkState Planner::state_of(std::size_t site) const {
  LinkState state;
  state.site_id = model_.sites[site].id;
  state.site_name = model_.sites[site].name;
  state.version = {1, 1, 0};
  state.keys = model_.sites[site].keys;
  for (const RouterLink& link : links_[site]) {
    if (link.kind == LinkKind::kInterior) {
      state.neighbours.push_back({link.router, link.cost});
      continue;
    }
    const std::size_t edge = other_end(link, site);
    EdgeSite told{model_.sites[edge].id, model_.sites[edge].name, link.cost, {}};
    if (uplink_of(edge)->router == router(site)) told.keys = model_.sites[edge].keys;
    state.edges.push_back(std::move(told));
  }
  std::ranges::sort(state.neighbours, {}, &Adjacency::router);
  std::ranges::sort(state.edges, {}, &EdgeSite::site_id);
  return state;
}

std::size_t Planner::other_end(const RouterLink& link, std::size_t site) const {
  const NetworkModel::Link& described = model_.links[link.link - 1];
  return described.a == site ? described.b : described.a;
}

std::uint32_t open_to(const NetworkModel::Open* open, std::string_view key, const std::string& site_id) {
  if (open == nullptr) return 0;
  const auto at = open->find({std::string(key), site_id});
  return at == open->end() ? 0 : at->second;
}

// Connections that are open to this site's own connectors are spread over them.
LocalConnectors Planner::connectors_of(std::size_t site, const NetworkModel::Open* open,
                                       std::vector<LoadShare>& shares) const {
  LocalConnectors connectors;
  std::uint32_t id = 0;
  for (const auto& [key, instances] : model_.sites[site].keys) {
    std::vector<LocalConnector>& list = connectors[key];
    for (std::uint32_t i = 0; i < instances; ++i)
      list.push_back({++id, LoadRef::make()});
    const std::uint32_t count = open_to(open, key, model_.sites[site].id);
    for (std::uint32_t i = 0; i < count; ++i)
      shares.emplace_back(list[i % list.size()].load.get());
  }
  return connectors;
}

std::shared_ptr<const RouteTable> Planner::table_of(std::size_t site, const NetworkModel::Open* open,
                                                    std::vector<LoadShare>& shares) const {
  RouteTable::Parts parts;
  parts.self = router(site);
  parts.connectors = connectors_of(site, open, shares);
  add_links(parts, links_[site]);
  Loads loads;
  if (open != nullptr) {
    for (const auto& [destination, count] : *open) {
      const LoadRef& load = loads[{destination.first, router_id_of(destination.second)}] = LoadRef::make();
      for (std::uint32_t i = 0; i < count; ++i)
        shares.emplace_back(load.get());
    }
  }
  if (!model_.sites[site].edge) {
    parts.paths = std::make_shared<const PathTree>(topology_, *topology_.find(parts.self));
    add_interior_candidates(parts, topology_, *parts.paths, loads);
  } else if (const RouterLink* uplink = uplink_of(site)) {
    const auto behind = table_of(other_end(*uplink, site), nullptr, shares);
    add_uplink_candidates(parts, *uplink, reach_for(*behind, parts.self), loads);
  }
  return std::make_shared<const RouteTable>(std::move(parts));
}

PlannedRoute Planner::route(std::size_t from, std::string_view key) const {
  if (model_.sites[from].edge) return {false, route_from_edge(from, key)};
  const bool known = from == model_.self;
  const NetworkModel::Open* open = known ? &model_.open : nullptr;
  std::vector<LoadShare> shares;
  const auto table = table_of(from, open, shares);
  const std::uint32_t open_here = open_to(open, key, model_.sites[from].id);
  return {known, view_of(*table, key, names_, router(from), open_here)};
}

// The edge site chooses between itself and its uplink, the interior router behind that among all others.
std::vector<NetworkView::Candidate> Planner::route_from_edge(std::size_t from, std::string_view key) const {
  std::vector<NetworkView::Candidate> candidates;
  std::vector<LoadShare> shares;
  bool leaves = false;
  const auto own = table_of(from, nullptr, shares);
  for (NetworkView::Candidate& candidate : view_of(*own, key, names_, router(from), 0)) {
    if (candidate.uplink) {
      leaves = candidate.chosen;
    } else {
      candidates.push_back(std::move(candidate));
    }
  }
  const RouterLink* uplink = uplink_of(from);
  if (uplink == nullptr) return candidates;
  const std::size_t interior = other_end(*uplink, from);
  const auto behind = table_of(interior, nullptr, shares);
  for (NetworkView::Candidate& candidate : view_of(*behind, key, names_, router(interior), 0, uplink->link)) {
    if (candidate.site_id == model_.sites[from].id) continue;
    candidate.cost += uplink->cost;
    candidate.value += uplink->cost;
    candidate.chosen = candidate.chosen && leaves;
    candidate.path.insert(candidate.path.begin(), model_.sites[interior].name);
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

}  // namespace

NetworkModel::Link* NetworkModel::find_link(std::size_t a, std::size_t b) {
  const auto at = std::ranges::find_if(
      links, [&](const Link& link) { return (link.a == a && link.b == b) || (link.a == b && link.b == a); });
  return at == links.end() ? nullptr : &*at;
}

void apply(const NetworkChange& change, NetworkModel& model) {
  const auto touches = [&](const NetworkModel::Link& link) { return link.a == change.a || link.b == change.a; };
  switch (change.kind) {
    case NetworkChange::Kind::kCost:
      if (NetworkModel::Link* link = model.find_link(change.a, change.b)) link->cost = change.cost;
      return;
    case NetworkChange::Kind::kWithoutLink:
      if (const NetworkModel::Link* link = model.find_link(change.a, change.b)) {
        model.links.erase(model.links.begin() + (link - model.links.data()));
      }
      return;
    case NetworkChange::Kind::kWithoutSite:
      std::erase_if(model.links, touches);
      model.sites[change.a].keys.clear();
      return;
  }
}

PlannedRoute plan_route(const NetworkModel& model, std::size_t from, std::string_view key) {
  return Planner(model).route(from, key);
}

}  // namespace fairlead
