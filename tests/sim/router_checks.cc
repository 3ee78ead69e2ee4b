#include "tests/sim/router_checks.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace fairlead::sim {
namespace {

constexpr std::uint64_t kUnreachable = PathOracle::kUnreachable;

std::string text_of(const LinkStateVersion& version) {
  return std::to_string(version.incarnation) + "." + std::to_string(version.sequence);
}

}  // namespace

RouterChecks::RouterChecks(RouterWorld& world)
    : world_(world), oracle_(world.sites().size()), uplinks_(world.sites().size()) {
  const auto& sites = world_.sites();
  for (const RouterWorld::Link& link : world_.links()) {
    const RouterWorld::Site& a = sites[link.ends[0].site];
    const RouterWorld::Site& b = sites[link.ends[1].site];
    if (!link.up) continue;
    if (!a.edge) {
      oracle_.link(a.number, b.number, link.cost());
      continue;
    }
    auto& uplink = uplinks_[a.number];
    const auto rank = [&](std::uint64_t cost, std::size_t router) { return std::pair(cost, sites[router].router); };
    if (!uplink || rank(link.cost(), b.number) < rank(uplink->cost, uplink->router)) {
      uplink = Uplink{b.number, link.cost()};
    }
  }
  oracle_.solve();
  std::set<std::string> keys;
  for (const RouterWorld::Site& site : sites) {
    for (const auto& served : site.served)
      keys.insert(served.first);
  }
  keys_.assign(keys.begin(), keys.end());
}

void RouterChecks::complain(std::string what) {
  if (complaints_.size() < 20) complaints_.push_back(std::move(what));
}

// Cheapest first. Without the site itself.
std::vector<RouterChecks::Provider> RouterChecks::providers(std::size_t from, const std::string& key) const {
  std::vector<Provider> providers;
  for (const RouterWorld::Site& site : world_.sites()) {
    const auto served = site.served.find(key);
    if (!site.alive || site.number == from || served == site.served.end() || served->second == 0) continue;
    const auto& uplink = uplinks_[site.number];
    if (site.edge && !uplink) continue;
    const std::size_t via = site.edge ? uplink->router : site.number;
    const std::uint64_t cost = oracle_.cost(from, via);
    if (cost == kUnreachable) continue;
    providers.push_back({site.number, via, cost + (site.edge ? uplink->cost : 0), served->second});
  }
  std::sort(providers.begin(), providers.end(), [](const Provider& a, const Provider& b) { return a.cost < b.cost; });
  return providers;
}

// ---- all of it

std::vector<std::string> RouterChecks::all() {
  for (const RouterWorld::Site& site : world_.sites()) {
    if (!site.alive) continue;
    if (!site.edge) {
      check_topology(site.number);
      check_paths(site.number);
    }
    for (const std::string& key : keys_)
      site.edge ? check_key_of_edge(site.number, key) : check_key(site.number, key);
    for (const std::string& key : site.routing->table()->keys()) {
      if (std::binary_search(keys_.begin(), keys_.end(), key)) continue;
      complain(site.id + " can reach a key that nobody serves");
    }
  }
  std::vector<std::size_t> routers;
  for (const RouterWorld::Site& site : world_.sites()) {
    if (site.alive && !site.edge) routers.push_back(site.number);
  }
  if (!routers.empty()) check_order(routers[world_.prng().below(routers.size())]);
  return std::exchange(complaints_, {});
}

void RouterChecks::check_topology(std::size_t number) {
  const RouterWorld::Site& site = world_.sites()[number];
  for (const RouterWorld::Site& other : world_.sites()) {
    if (!other.alive || other.edge || oracle_.cost(number, other.number) == kUnreachable) continue;
    const std::string where = site.id + " of " + other.id;
    const LinkState* state = site.routing->topology().find(other.router);
    if (state == nullptr) {
      complain(where + ": knows nothing");
      continue;
    }
    check_state(other.number, *state, where);
  }
}

void RouterChecks::check_state(std::size_t of, const LinkState& state, const std::string& where) {
  const auto& sites = world_.sites();
  std::map<RouterId, std::uint64_t> neighbours;
  std::map<std::string, ServedKeys> edges;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (i != of && oracle_.link_cost(of, i) != kUnreachable) neighbours[sites[i].router] = oracle_.link_cost(of, i);
  }
  const auto keys_of = [](const Served& served) {
    ServedKeys keys;
    for (const auto& [key, count] : served) {
      if (count > 0) keys[key] = static_cast<std::uint16_t>(count);
    }
    return keys;
  };
  for (const std::size_t number : sites[of].links) {
    const RouterWorld::Link& link = world_.links()[number];
    const RouterWorld::Site& edge = sites[link.ends[0].site];
    if (!link.up || !edge.edge) continue;
    ServedKeys& keys = edges[edge.id];
    if (uplinks_[edge.number]->router == of) keys = keys_of(edge.served);
  }
  std::map<RouterId, std::uint64_t> told;
  for (const Adjacency& adjacency : state.neighbours)
    told[adjacency.router] = adjacency.cost;
  const LinkStateVersion newest = sites[of].routing->topology().version_of(sites[of].router);
  if (state.version != newest) complain(where + ": version " + text_of(state.version) + " of " + text_of(newest));
  if (told != neighbours) complain(where + ": other neighbours");
  if (state.keys != keys_of(sites[of].served)) complain(where + ": other keys");
  std::map<std::string, ServedKeys> told_edges;
  for (const EdgeSite& edge : state.edges)
    told_edges[edge.site_id] = edge.keys;
  if (told_edges != edges) complain(where + ": other edge sites");
}

void RouterChecks::check_paths(std::size_t number) {
  const RouterWorld::Site& site = world_.sites()[number];
  const PathTree* paths = site.routing->table()->paths();
  for (const RouterWorld::Site& other : world_.sites()) {
    if (other.edge) continue;
    const std::uint64_t cost = paths->cost(other.router);
    const std::uint64_t truth = oracle_.cost(number, other.number);
    if (cost == truth) continue;
    complain(site.id + " to " + other.id + ": a path of cost " + std::to_string(cost) + ", the oracle says " +
             std::to_string(truth));
  }
}

bool RouterChecks::paths_agree() {
  for (const RouterWorld::Site& site : world_.sites()) {
    if (site.alive && !site.edge) check_paths(site.number);
    if (!std::exchange(complaints_, {}).empty()) return false;
  }
  return true;
}

std::vector<std::string> RouterChecks::forgotten() {
  for (const RouterWorld::Site& site : world_.sites()) {
    if (!site.alive || site.edge) continue;
    std::size_t component = 0;
    for (const RouterWorld::Site& other : world_.sites()) {
      if (!other.edge && other.alive && oracle_.cost(site.number, other.number) != kUnreachable) ++component;
    }
    if (site.routing->topology().states().size() == component) continue;
    complain(site.id + " knows " + std::to_string(site.routing->topology().states().size()) + " routers, there are " +
             std::to_string(component));
  }
  return std::exchange(complaints_, {});
}

// ---- keys

void RouterChecks::check_key(std::size_t number, const std::string& key) {
  const RouterWorld::Site& site = world_.sites()[number];
  std::vector<Provider> expected = providers(number, key);
  const auto own = site.served.find(key);
  const unsigned own_count = own == site.served.end() ? 0 : own->second;
  const auto table = site.routing->table();
  const std::string where = site.id + ", key " + key;
  if (table->reachable(key) != (!expected.empty() || own_count > 0)) complain(where + ": wrongly reachable or not");
  std::vector<Provider> found;
  std::uint64_t last = 0;
  for (const Candidate& candidate : table->candidates(key)) {
    if (candidate.cost < last) complain(where + ": candidates are not in order of cost");
    last = candidate.cost;
    if (candidate.via == kNoRouter) {
      if (candidate.instances != own_count) complain(where + ": other connectors of its own");
      continue;
    }
    Provider provider{~std::size_t{0}, ~std::size_t{0}, candidate.cost, candidate.instances};
    for (const RouterWorld::Site& other : world_.sites()) {
      if (other.router == candidate.site) provider.site = other.number;
      if (other.router == candidate.via) provider.via = other.number;
    }
    found.push_back(provider);
  }
  std::vector<Provider> sorted = expected;
  std::sort(sorted.begin(), sorted.end());
  std::sort(found.begin(), found.end());
  if (found != sorted) return complain(where + ": other candidates");
  for (const Provider& to : expected)
    check_walk(number, key, to, expected);
}

// With everything else ruled out, a connection must get there, over links that cost as much as was claimed.
void RouterChecks::check_walk(std::size_t number, const std::string& key, const Provider& to,
                              const std::vector<Provider>& all) {
  const auto& sites = world_.sites();
  std::vector<std::uint64_t> tried;
  for (const Provider& other : all) {
    if (other.site != to.site) tried.push_back(value_of(sites[other.site].router));
  }
  for (std::uint32_t id = 1; id <= 64; ++id)
    tried.push_back(id);  // its own connectors
  for (int i = 0; i < 2; ++i) {
    const Walk way = walk(number, key, world_.prng().next(), tried);
    const std::string where = sites[number].id + " to " + sites[to.site].id + " for " + key;
    if (!way.trouble.empty()) return complain(where + ": " + way.trouble);
    if (!way.arrived || way.at != to.site) return complain(where + ": ended at " + sites[way.at].id);
    if (way.cost != to.cost) {
      complain(where + ": cost " + std::to_string(way.cost) + ", claimed " + std::to_string(to.cost));
    }
  }
}

void RouterChecks::check_key_of_edge(std::size_t number, const std::string& key) {
  const RouterWorld::Site& site = world_.sites()[number];
  const auto own = site.served.find(key);
  const bool served_here = own != site.served.end() && own->second > 0;
  const auto& uplink = uplinks_[number];
  std::vector<Provider> others;
  if (uplink) {
    others = providers(uplink->router, key);
    // The interior router itself is among the providers for its edge sites.
    const RouterWorld::Site& router = world_.sites()[uplink->router];
    const auto at_router = router.served.find(key);
    if (at_router != router.served.end() && at_router->second > 0) {
      others.insert(others.begin(), {router.number, router.number, 0, at_router->second});
    }
    std::erase_if(others, [&](const Provider& provider) { return provider.site == number; });
  }
  const auto table = site.routing->table();
  const std::string where = "edge site " + site.id + ", key " + key;
  if (table->reachable(key) != (served_here || !others.empty())) complain(where + ": wrongly reachable or not");
  if (others.empty()) return;
  const std::uint64_t least = uplink->cost + others.front().cost;
  unsigned instances = 0;
  for (const Provider& provider : others)
    instances += provider.instances;
  const auto& candidates = table->candidates(key);
  if (candidates.empty() || candidates.back().via != world_.sites()[uplink->router].router) {
    return complain(where + ": not through the cheapest uplink");
  }
  if (candidates.back().cost != least) complain(where + ": another cost");
  if (candidates.back().instances != instances) complain(where + ": other instances");
  std::vector<std::uint64_t> tried;
  for (std::uint32_t id = 1; id <= 64; ++id)
    tried.push_back(id);
  const Walk way = walk(number, key, world_.prng().next(), tried);
  if (!way.trouble.empty()) return complain(where + ": " + way.trouble);
  if (!way.arrived || way.at == number) return complain(where + ": ended at " + world_.sites()[way.at].id);
  if (way.cost != least) complain(where + ": arrived at another cost");
}

// ---- a connection, hop by hop

RouterChecks::Walk RouterChecks::walk(std::size_t from, const std::string& key, std::uint64_t choice,
                                      std::vector<std::uint64_t> tried) {
  Walk way;
  way.at = from;
  std::set<std::size_t> seen{from};
  std::vector<std::uint8_t> path;
  std::uint32_t arrived_on = RouteQuery::kFromListener;
  for (;;) {
    const RouterWorld::Site& site = world_.sites()[way.at];
    const auto table = site.routing->table();
    PathBuffer buffer;
    RouteQuery query;
    query.routing_key = key;
    query.arrived_on = arrived_on;
    query.path = path;
    query.choice = choice;
    if (way.hops == 0) query.tried = tried;
    const Route route = table->route(query, buffer);
    if (route.kind == Route::Kind::kNone) return way;
    if (route.kind == Route::Kind::kConnector) {
      way.arrived = true;
      return way;
    }
    const std::uint32_t local_id = route.links[choice % route.links.size()];
    const auto at = site.by_local_id.find(local_id);
    if (at == site.by_local_id.end()) {
      way.trouble = site.id + " names a link that it never had";
      return way;
    }
    const RouterWorld::Link& link = world_.links()[at->second.first];
    const RouterWorld::End& end = link.ends[1 - at->second.second];
    // Not known to both yet, or not any more: the session refuses the stream.
    if (!link.up || !link.ends[at->second.second].seen_up || !end.seen_up || end.seen_epoch != link.epoch) return way;
    path.assign(route.path.begin(), route.path.end());
    arrived_on = end.local_id;
    way.cost += link.cost();
    way.at = end.site;
    ++way.hops;
    if (!seen.insert(way.at).second) {
      way.trouble = "a loop, back to " + world_.sites()[way.at].id;
      return way;
    }
  }
}

void RouterChecks::walk_some(unsigned count) {
  Prng& prng = world_.prng();
  for (unsigned i = 0; i < count && !keys_.empty(); ++i) {
    const std::size_t from = prng.below(world_.sites().size());
    const std::string& key = keys_[prng.below(keys_.size())];
    if (!world_.sites()[from].alive) continue;
    const Walk way = walk(from, key, prng.next(), {});
    if (!way.trouble.empty()) world_.violation(world_.sites()[from].id + ", key " + key + ": " + way.trouble);
  }
}

// ---- order of arrival

void RouterChecks::check_order(std::size_t number) {
  const RouterWorld::Site& site = world_.sites()[number];
  std::vector<LinkState> states;
  for (const auto& known : site.routing->topology().states()) {
    states.push_back(known.second);
    LinkState older = known.second;
    --older.version.incarnation;
    older.neighbours.clear();
    states.push_back(std::move(older));
  }
  for (std::size_t i = states.size() - 1; i > 0; --i)
    std::swap(states[i], states[world_.prng().below(i + 1)]);
  Topology topology;
  for (LinkState& state : states)
    topology.take(std::move(state));
  const PathTree again(topology, *topology.find(site.router));
  const PathTree& paths = *site.routing->table()->paths();
  std::array<RouterId, PathTree::kHopsMax> one;
  std::array<RouterId, PathTree::kHopsMax> two;
  for (std::uint32_t node = 0; node < paths.size(); ++node) {
    const std::uint64_t choice = world_.prng().next();
    const std::uint32_t hops = paths.path_to(node, choice, one);
    const std::uint32_t same = again.find(paths.router(node));
    if (same == PathTree::kNone && hops == 0) continue;  // forgotten since
    if (same == PathTree::kNone || again.path_to(same, choice, two) != hops ||
        !std::equal(one.begin(), one.begin() + hops, two.begin())) {
      complain(site.id + ": another order of link states, other paths");
    }
  }
}

}  // namespace fairlead::sim
