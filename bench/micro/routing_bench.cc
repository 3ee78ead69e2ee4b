// Routing: paths and the table of a large network, computed anew after each change (bar: 1,000 routers and 4,000 links
// in under 5 ms), and the choice of where a new connection goes, by how many serve the key.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "router/routing/routing.h"
#include "transport/base/prng.h"

namespace fairlead {
namespace {

std::string site_of(std::size_t number) {
  return "3b1e6a52-0c1f-4c57-9b0e-" + std::to_string(100'000'000'000 + number);
}

// Connected at random; every router serves a key that a hundred others serve too, and one of its own.
std::vector<LinkState> network(std::size_t routers, std::size_t links) {
  Prng prng(1);
  std::vector<std::map<RouterId, std::uint32_t>> neighbours(routers);
  std::set<std::pair<std::size_t, std::size_t>> taken;
  const auto link = [&](std::size_t a, std::size_t b) {
    if (a == b || !taken.insert(std::minmax(a, b)).second) return;
    const std::uint32_t cost = static_cast<std::uint32_t>(1 + prng.below(10));
    neighbours[a][router_id_of(site_of(b))] = cost;
    neighbours[b][router_id_of(site_of(a))] = cost;
  };
  for (std::size_t i = 1; i < routers; ++i)
    link(prng.below(i), i);
  while (taken.size() < links)
    link(prng.below(routers), prng.below(routers));
  std::vector<LinkState> states(routers);
  for (std::size_t i = 0; i < routers; ++i) {
    states[i].site_id = site_of(i);
    states[i].version = {1, 1};
    for (const auto& [router, cost] : neighbours[i])
      states[i].neighbours.push_back({router, cost});
    states[i].keys["shared-" + std::to_string(i % 10)] = 2;
    states[i].keys["own-" + std::to_string(i)] = 1;
  }
  return states;
}

void compute_paths(benchmark::State& state) {
  const std::vector<LinkState> states =
      network(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  Topology topology;
  for (const LinkState& known : states)
    topology.take(known);
  const LinkState& root = *topology.find(states[0].router());
  for (auto _ : state)
    benchmark::DoNotOptimize(PathTree(topology, root));
}
BENCHMARK(compute_paths)->Args({10, 20})->Args({100, 250})->Args({1000, 4000})->Unit(benchmark::kMicrosecond);

struct Nowhere final : RoutingOutbox {
  void send(std::uint32_t, std::vector<std::uint8_t>) override {}
};

// A link state of somebody else comes in that says something new; paths and table follow.
void follow_change(benchmark::State& state) {
  std::vector<LinkState> states =
      network(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  Nowhere nowhere;
  Routing routing({states[0].site_id, "bench", 1, false}, nowhere);
  Instant now{1'000'000'000};
  // As many links of its own as the network says.
  std::uint32_t link = 0;
  for (const Adjacency& neighbour : states[0].neighbours) {
    const auto peer = std::find_if(states.begin(), states.end(),
                                   [&](const LinkState& other) { return other.router() == neighbour.router; });
    routing.link_up(++link, {peer->site_id, "", LinkKind::kInterior, neighbour.cost, neighbour.cost}, now);
  }
  std::vector<const LinkState*> others;
  for (std::size_t i = 1; i < states.size(); ++i)
    others.push_back(&states[i]);
  for (const auto& update : encode_updates(others)) {
    if (!routing.receive(1, update, now)) return state.SkipWithError("a message was refused");
  }
  LinkState& changing = states.back();
  for (auto _ : state) {
    ++changing.version.sequence;
    changing.neighbours.front().cost = static_cast<std::uint32_t>(1 + changing.version.sequence % 10);
    const LinkState* changed[] = {&changing};
    now = now + Duration::milliseconds(10);
    if (!routing.receive(1, encode_updates(changed).front(), now)) return state.SkipWithError("refused");
    benchmark::DoNotOptimize(routing.table());
  }
}
BENCHMARK(follow_change)->Args({10, 20})->Args({100, 250})->Args({1000, 4000})->Unit(benchmark::kMicrosecond);

// Where a new connection goes, all providers being equally loaded in the end.
void choose_route(benchmark::State& state) {
  const std::size_t count = static_cast<std::size_t>(state.range(0));
  const std::vector<LinkState> states = network(1000, 4000);
  Topology topology;
  for (const LinkState& known : states)
    topology.take(known);
  RouteTable::Parts parts;
  parts.self = states[0].router();
  parts.paths = std::make_shared<PathTree>(topology, states[0]);
  for (const Adjacency& neighbour : states[0].neighbours)
    parts.links[neighbour.router] = {1};
  for (std::size_t i = 1; i <= count && i < states.size(); ++i) {
    const RouterId router = states[i].router();
    parts.candidates["key"].push_back({router, parts.paths->cost(router), 1, router, false, LoadRef::make()});
  }
  const RouteTable table(std::move(parts));
  RouteQuery query;
  query.routing_key = "key";
  // The last thousand connections are open.
  std::vector<LoadShare> open(1000);
  PathBuffer buffer;
  for (auto _ : state) {
    ++query.choice;
    const Route route = table.route(query, buffer);
    open[query.choice % open.size()] = LoadShare(route.load);
    benchmark::DoNotOptimize(route);
  }
}
BENCHMARK(choose_route)->Arg(2)->Arg(16)->Arg(999);

}  // namespace
}  // namespace fairlead
