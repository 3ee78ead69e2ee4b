// Router's part in looking at the network: what routing knows, in the words of sites.

#include "router/network_view.h"

#include <algorithm>
#include <array>

#include "router/router.h"

namespace fairlead {
namespace {

bool tells_of(const Topology& topology, RouterId router, RouterId neighbour) {
  const LinkState* state = topology.find(router);
  return state != nullptr &&
         std::ranges::find(state->neighbours, neighbour, &Adjacency::router) != state->neighbours.end();
}

std::vector<std::string> path_of(const RouteTable& table, const Candidate& candidate, const SiteNames& names) {
  std::vector<std::string> path;
  const auto add = [&](RouterId router) {
    const auto at = names.find(router);
    path.push_back(at == names.end() ? "" : at->second.name);
  };
  if (candidate.via == kNoRouter) return path;
  if (const PathTree* paths = table.paths()) {
    std::array<RouterId, PathTree::kHopsMax + 1> routers;
    const std::uint32_t node = paths->find(candidate.via);
    const std::uint32_t hops = node == PathTree::kNone ? 0 : paths->path_to(node, 0, routers);
    for (std::uint32_t i = 0; i < hops; ++i)
      add(routers[i]);
    if (candidate.edge) add(candidate.site);
  } else {
    add(candidate.via);
  }
  return path;
}

// Edge sites are told of by every interior site that they have an uplink to; only the one that is in use tells of keys.
// Which one that is follows from the costs, as at the edge site itself. What a site says to which no path leads is old.
class EdgeSites {
 public:
  void add(const LinkState& state, const EdgeSite& edge, std::uint64_t cost_to_interior) {
    Told& told = told_[edge.site_id];
    NetworkView::Site& site = told.site;
    const bool up = cost_to_interior != PathTree::kUnreachable;
    site.id = edge.site_id;
    site.name = edge.site_name;
    site.edge = true;
    if (!edge.keys.empty() && (up || site.keys.empty())) site.keys = edge.keys;
    if (up) {
      const auto number = static_cast<std::uint32_t>(site.links.size());
      told.uplinks.push_back({number, LinkKind::kUplink, state.router(), edge.cost});
    }
    site.links.push_back({state.site_id, state.site_name, edge.cost, up, false});
    told.costs.push_back(cost_to_interior);
  }

  void move_to(std::vector<NetworkView::Site>& sites) {
    for (auto& [id, told] : told_) {
      const RouterLink* active = active_uplink(told.uplinks);
      told.site.reachable = active != nullptr;
      if (active != nullptr) {
        told.site.links[active->link].active = true;
        told.site.cost = told.costs[active->link] + active->cost;
      }
      sites.push_back(std::move(told.site));
    }
  }

 private:
  struct Told {
    NetworkView::Site site;
    std::vector<RouterLink> uplinks;   // those that are up; their ids are positions among the site's links
    std::vector<std::uint64_t> costs;  // to the interior site of each link
  };

  std::map<std::string, Told> told_;
};

}  // namespace

SiteNames names_of(const Topology& topology) {
  SiteNames names;
  for (const auto& [router, state] : topology.states()) {
    names[router] = {state.site_id, state.site_name};
    for (const EdgeSite& edge : state.edges)
      names[router_id_of(edge.site_id)] = {edge.site_id, edge.site_name};
  }
  return names;
}

std::vector<NetworkView::Candidate> view_of(const RouteTable& table, std::string_view key, const SiteNames& names,
                                            RouterId self, std::uint32_t open_here, std::uint32_t arrived_on) {
  constexpr double kValueUnit = 65'536;
  RouteQuery query;
  query.routing_key = key;
  query.arrived_on = arrived_on;
  PathBuffer buffer;
  const Route route = table.route(query, buffer);
  std::vector<NetworkView::Candidate> lines;
  bool marked = false;
  for (const Candidate& candidate : table.candidates(key)) {
    const bool here = candidate.via == kNoRouter;
    NetworkView::Candidate line;
    if (const auto name = names.find(here ? self : candidate.site); name != names.end()) {
      line.site_id = name->second.id;
      line.site_name = name->second.name;
    }
    line.cost = candidate.cost;
    line.instances = candidate.instances;
    line.open = here ? open_here : candidate.load.open();
    line.value = here ? static_cast<double>(line.open) / candidate.instances
                      : static_cast<double>(RouteTable::value_of(candidate)) / kValueUnit;
    const bool chosen = here ? route.kind == Route::Kind::kConnector
                             : route.kind == Route::Kind::kLink && route.destination == value_of(candidate.site);
    line.chosen = chosen && !marked;
    marked = marked || chosen;
    line.uplink = !here && table.paths() == nullptr;
    line.path = path_of(table, candidate, names);
    lines.push_back(std::move(line));
  }
  return lines;
}

NetworkView Router::view() {
  const auto table = routing_.table();
  NetworkView view;
  view.self_id = transport_->options().site_id;
  if (routing_.edge()) {
    add_own_site(view);
  } else {
    add_sites(*table, view);
  }
  add_keys(*table, view);
  return view;
}

// All that an edge site knows: itself, and its uplinks.
void Router::add_own_site(NetworkView& view) const {
  NetworkView::Site self;
  self.id = transport_->options().site_id;
  self.name = transport_->options().site_name;
  self.edge = true;
  for (const Connector& connector : connectors_) {
    if (connector.available) ++self.keys[connector.routing_key];
  }
  const std::vector<RouterLink> links = routing_.links();
  const RouterLink* active = active_uplink(links);
  for (const RouterLink& link : links) {
    const LinkPeer& peer = routing_.peer(link.link);
    self.links.push_back({peer.site_id, peer.site_name, link.cost, true, &link == active});
  }
  view.sites.push_back(std::move(self));
}

void Router::add_sites(const RouteTable& table, NetworkView& view) const {
  const Topology& topology = routing_.topology();
  const SiteNames names = names_of(topology);
  EdgeSites edges;
  for (const auto& [router, state] : topology.states()) {
    NetworkView::Site site;
    site.id = state.site_id;
    site.name = state.site_name;
    site.cost = table.paths() == nullptr ? 0 : table.paths()->cost(router);
    for (const EdgeSite& edge : state.edges)
      edges.add(state, edge, site.cost);
    site.reachable = site.cost != PathTree::kUnreachable;
    if (!site.reachable) site.cost = 0;
    site.keys = state.keys;
    for (const Adjacency& link : state.neighbours) {
      const auto at = names.find(link.router);
      const SiteName name = at == names.end() ? SiteName{} : at->second;
      site.links.push_back({name.id, name.name, link.cost, tells_of(topology, link.router, router)});
    }
    view.sites.push_back(std::move(site));
  }
  edges.move_to(view.sites);
}

void Router::add_keys(const RouteTable& table, NetworkView& view) const {
  SiteNames names = names_of(routing_.topology());
  names[routing_.self()] = {transport_->options().site_id, transport_->options().site_name};
  for (const RouterLink& link : routing_.links()) {
    const LinkPeer& peer = routing_.peer(link.link);
    names[link.router] = {peer.site_id, peer.site_name};
  }
  for (const std::string& key : table.keys()) {
    view.keys[key] = view_of(table, key, names, routing_.self(), open_here(key));
  }
}

std::uint32_t Router::open_here(std::string_view routing_key) const {
  std::uint32_t open = 0;
  for (const Connector& connector : connectors_) {
    if (connector.available && connector.routing_key == routing_key) open += connector.load.open();
  }
  return open;
}

// ---- what is told only when asked

SurveyAnswer Router::survey_here() const {
  SurveyAnswer answer;
  answer.router = routing_.self();
  for (const RouterLink& link : routing_.links()) {
    const Duration round_trip = transport_->link_round_trip(link.link);
    if (round_trip > Duration{}) answer.links.push_back({link.router, round_trip});
  }
  if (published_ == nullptr) return answer;
  for (const std::string& key : published_->keys()) {
    for (const Candidate& candidate : published_->candidates(key)) {
      const bool here = candidate.via == kNoRouter;
      const std::uint32_t open = here ? open_here(key) : candidate.load.open();
      if (open > 0) answer.loads.push_back({key, here ? routing_.self() : candidate.site, open});
    }
  }
  return answer;
}

std::optional<NetworkSurvey> Router::survey(std::uint64_t id) const {
  const SurveyReport* report = surveyor_.report(id);
  if (report == nullptr) return std::nullopt;
  const SiteNames names = names_of(routing_.topology());
  const auto id_of = [&](RouterId router) {
    const auto at = names.find(router);
    return at == names.end() ? std::string() : at->second.id;
  };
  NetworkSurvey survey;
  survey.done = report->done;
  for (const auto& [router, answer] : report->answers) {
    NetworkSurvey::Site site;
    site.id = id_of(router);
    for (const SurveyAnswer::Link& link : answer.links)
      site.links.push_back({id_of(link.router), link.round_trip});
    for (const SurveyAnswer::Load& load : answer.loads)
      site.loads.push_back({load.routing_key, id_of(load.site), load.open});
    if (!site.id.empty()) survey.sites.push_back(std::move(site));
  }
  return survey;
}

}  // namespace fairlead
