// The planner against routers that live: the same candidates, the same choice, for networks by seed.

#include "router/network_plan.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/routing_fixtures.h"

namespace fairlead {
namespace {

constexpr std::size_t kInterior = 7;
constexpr std::size_t kEdges = 4;
const std::vector<std::string> kKeys = {"db", "web", "mail"};

// A network of routers that live, and its description.
struct Twin {
  Bench bench;
  NetworkModel model;
  std::map<std::pair<std::size_t, std::string>, std::vector<LoadShare>> shares;

  explicit Twin(std::uint32_t seed);

  SiteNames names() const {
    SiteNames names;
    for (const NetworkModel::Site& site : model.sites)
      names[router_id_of(site.id)] = {site.id, site.name};
    return names;
  }

  std::vector<NetworkView::Candidate> live(std::size_t site, const std::string& key) {
    return view_of(*bench.routing(site).table(), key, names(), router_of(site), 0);
  }
};

Twin::Twin(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
  for (std::size_t i = 0; i < kInterior + kEdges; ++i) {
    bench.add(i >= kInterior);
    NetworkModel::Site site{site_of(i), "name-" + std::to_string(i), i >= kInterior, {}};
    LocalConnectors connectors;
    for (const std::string& key : kKeys) {
      if (below(3) != 0) continue;
      site.keys[key] = static_cast<std::uint16_t>(1 + below(3));
      for (std::uint32_t n = 0; n < site.keys[key]; ++n)
        connectors[key].push_back({static_cast<std::uint32_t>(1 + i * 100 + n), LoadRef::make()});
    }
    bench.routing(i).set_connectors(connectors, bench.now);
    model.sites.push_back(std::move(site));
  }
  const auto connect = [&](std::size_t a, std::size_t b) {
    if (a == b || model.find_link(a, b) != nullptr) return;
    const auto cost_a = static_cast<std::uint32_t>(1 + below(4));
    const auto cost_b = static_cast<std::uint32_t>(1 + below(4));
    bench.connect(a, b, cost_a, cost_b);
    model.links.push_back({a, b, std::max(cost_a, cost_b)});
  };
  for (std::size_t i = 0; i < kInterior + 2; ++i)
    connect(below(kInterior), below(kInterior));
  for (std::size_t edge = kInterior; edge < kInterior + kEdges; ++edge) {
    for (std::size_t i = 0; i < 2; ++i)
      connect(edge, below(kInterior));
  }
  bench.pass(Duration::seconds(2));
}

using Line = std::tuple<std::string, std::uint64_t, std::uint32_t, bool, std::vector<std::string>>;

std::vector<Line> lines_of(const std::vector<NetworkView::Candidate>& candidates) {
  std::vector<Line> lines;
  for (const NetworkView::Candidate& candidate : candidates)
    lines.emplace_back(candidate.site_id, candidate.cost, candidate.instances, candidate.chosen, candidate.path);
  return lines;
}

TEST(NetworkPlan, InteriorSitesSeeAndChooseWhatTheirRoutersDo) {
  std::size_t compared = 0;
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    Twin twin(seed);
    for (std::size_t site = 0; site < kInterior; ++site) {
      for (const std::string& key : kKeys) {
        const auto planned = plan_route(twin.model, site, key);
        EXPECT_FALSE(planned.load_known);
        EXPECT_EQ(lines_of(planned.candidates), lines_of(twin.live(site, key)))
            << "seed " << seed << ", site " << site << ", " << key;
        compared += planned.candidates.size();
      }
    }
  }
  EXPECT_GT(compared, 1000U);
}

// An edge router knows the least cost and the sum only.
TEST(NetworkPlan, EdgeSitesSeeThroughTheirUplinkWhatTheirRoutersAreTold) {
  std::size_t behind = 0;
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    Twin twin(seed);
    for (std::size_t site = kInterior; site < kInterior + kEdges; ++site) {
      for (const std::string& key : kKeys) {
        const std::string where = "seed " + std::to_string(seed) + ", site " + std::to_string(site) + ", " + key;
        const auto planned = plan_route(twin.model, site, key).candidates;
        std::uint64_t least = UINT64_MAX;
        std::uint32_t instances = 0;
        bool leaves = false;
        for (const NetworkView::Candidate& candidate : planned) {
          if (candidate.path.empty()) continue;
          least = std::min(least, candidate.cost);
          instances += candidate.instances;
          leaves = leaves || candidate.chosen;
        }
        const auto live = twin.live(site, key);
        const auto uplink = std::ranges::find(live, true, &NetworkView::Candidate::uplink);
        ASSERT_EQ(uplink == live.end(), instances == 0) << where;
        EXPECT_EQ(planned.empty(), live.empty()) << where;
        if (uplink == live.end()) continue;
        ++behind;
        EXPECT_EQ(least, uplink->cost) << where;
        EXPECT_EQ(instances, uplink->instances) << where;
        EXPECT_EQ(leaves, uplink->chosen) << where;
        EXPECT_EQ(planned.back().path.front(), uplink->site_name) << where;
        EXPECT_EQ(std::ranges::count(planned, true, &NetworkView::Candidate::chosen), 1) << where;
      }
    }
  }
  EXPECT_GT(behind, 300U);
}

// west -1- east -2- north -5- west; db at east and north.
NetworkModel triangle() {
  NetworkModel model;
  model.sites = {{"w", "west", false, {}},
                 {"e", "east", false, {{"db", 1}}},
                 {"n", "north", false, {{"db", 2}}},
                 {"s", "shop", true, {{"till", 1}}}};
  model.links = {{0, 1, 1}, {1, 2, 2}, {0, 2, 5}, {3, 0, 2}, {3, 2, 3}};
  return model;
}

std::string chosen_of(const PlannedRoute& route) {
  for (const NetworkView::Candidate& candidate : route.candidates) {
    if (candidate.chosen) return candidate.site_name;
  }
  return "";
}

TEST(NetworkPlan, WhatIsOpenCountsWhereItIsKnown) {
  NetworkModel model = triangle();
  model.self = 0;
  model.open = {{{"db", "e"}, 3}, {{"db", "n"}, 2}};
  const PlannedRoute route = plan_route(model, 0, "db");
  ASSERT_TRUE(route.load_known);
  ASSERT_EQ(route.candidates.size(), 2U);
  EXPECT_EQ(route.candidates[0].open, 3U);
  EXPECT_DOUBLE_EQ(route.candidates[0].value, 4);
  EXPECT_DOUBLE_EQ(route.candidates[1].value, 4);
  EXPECT_EQ(chosen_of(route), "east");  // a tie goes to the lower cost
  model.open[{"db", "e"}] = 4;
  EXPECT_EQ(chosen_of(plan_route(model, 0, "db")), "north");
  // At another site it is as if nothing were open.
  EXPECT_FALSE(plan_route(model, 2, "db").load_known);
  EXPECT_EQ(plan_route(model, 2, "db").candidates[1].open, 0U);
}

TEST(NetworkPlan, ConnectionsToASitesOwnConnectorsCount) {
  NetworkModel model = triangle();
  model.self = 2;
  model.open = {{{"db", "n"}, 8}};
  const PlannedRoute route = plan_route(model, 2, "db");
  EXPECT_EQ(route.candidates[0].open, 8U);
  EXPECT_DOUBLE_EQ(route.candidates[0].value, 4);
  EXPECT_EQ(chosen_of(route), "east");
}

TEST(NetworkPlan, ChangesMoveTheChoice) {
  NetworkModel model = triangle();
  EXPECT_EQ(chosen_of(plan_route(model, 0, "db")), "east");
  apply({NetworkChange::Kind::kCost, 1, 0, 9}, model);
  const PlannedRoute dearer = plan_route(model, 0, "db");
  EXPECT_EQ(chosen_of(dearer), "north");
  EXPECT_EQ(dearer.candidates[1].cost, 7U);
  EXPECT_EQ(dearer.candidates[1].path, (std::vector<std::string>{"north", "east"}));
  apply({NetworkChange::Kind::kWithoutLink, 0, 2, 0}, model);
  EXPECT_EQ(chosen_of(plan_route(model, 0, "db")), "east");
  apply({NetworkChange::Kind::kWithoutSite, 1, 0, 0}, model);
  EXPECT_TRUE(plan_route(model, 0, "db").candidates.empty());
}

TEST(NetworkPlan, AnEdgeSiteWithoutItsUplinkTakesTheOther) {
  NetworkModel model = triangle();
  EXPECT_EQ(plan_route(model, 1, "till").candidates.at(0).path, (std::vector<std::string>{"west", "shop"}));
  apply({NetworkChange::Kind::kWithoutSite, 0, 0, 0}, model);
  const PlannedRoute route = plan_route(model, 1, "till");
  ASSERT_EQ(route.candidates.size(), 1U);
  EXPECT_EQ(route.candidates[0].cost, 5U);
  EXPECT_EQ(route.candidates[0].path, (std::vector<std::string>{"north", "shop"}));
}

}  // namespace
}  // namespace fairlead
