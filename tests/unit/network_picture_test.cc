// The picture of a network: well-formed, with everything in it, nothing on top of anything, and always the same.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tools/fairlead/network_graph.h"
#include "tools/fairlead/network_layout.h"
#include "tools/fairlead/network_svg.h"

namespace fairlead {
namespace {

using Json = nlohmann::ordered_json;

// Elements are closed in the order in which they were opened, and text has no bare < or &.
bool is_well_formed(std::string_view text) {
  std::vector<std::string> open;
  while (!text.empty()) {
    const std::size_t begin = text.find('<');
    for (std::size_t at = text.find('&'); at < begin; at = text.find('&', at + 1)) {
      const std::string_view entity = text.substr(at, text.find(';', at) - at);
      if (entity != "&amp" && entity != "&lt" && entity != "&gt" && entity != "&quot") return false;
    }
    if (begin == std::string_view::npos) break;
    const std::size_t end = text.find('>', begin);
    if (end == std::string_view::npos) return false;
    const std::string tag(text.substr(begin + 1, end - begin - 1));
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag.find('<') != std::string::npos || std::ranges::count(tag, '"') % 2 != 0) return false;
    if (tag.front() == '/') {
      if (open.empty() || "/" + open.back() != name) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    text.remove_prefix(end + 1);
  }
  return open.empty();
}

Json site(const std::string& name, const char* role, Json links, Json keys = Json::object()) {
  return {{"id", "id-" + name}, {"name", name},   {"role", role}, {"reachable", true},
          {"cost", 0},          {"links", links}, {"keys", keys}};
}

Json link(const std::string& to, int cost) {
  return {{"siteId", "id-" + to}, {"siteName", to}, {"cost", cost}, {"up", true}};
}

// As a command gets it: parsed.
Json network() {
  Json standby = link("east", 6);
  standby["active"] = false;
  Json down = link("gone", 3);
  down["up"] = false;
  const Json json = {{"self", "id-west"},
                     {"sites",
                      {site("west", "interior", {link("east", 17), link("north", 4), down}),
                       site("east", "interior", Json::array({link("west", 17)}), {{"db", 1}, {"http", 3}}),
                       site("north", "interior", Json::array({link("west", 4)})),
                       site("gone", "interior", Json::array()),
                       site("shop", "edge", {link("west", 2), standby}, {{"till", 1}})}},
                     {"keys", Json::object()}};
  return Json::parse(json.dump());
}

TEST(NetworkPicture, ShowsSitesKeysAndCosts) {
  const std::string svg = network_svg(graph_of(network()));
  EXPECT_TRUE(is_well_formed(svg)) << svg;
  for (const char* text : {">west</text>", ">east</text>", ">north</text>", ">gone</text>", ">shop</text>",
                           ">db, http:3</text>", ">till</text>", ">17</text>", ">4</text>", ">2</text>", ">6</text>",
                           "dashed: standby", "dotted: down", "prefers-color-scheme: dark", "as seen from west"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
  // Told of by both ends, drawn once.
  EXPECT_EQ(svg.find(">17</text>"), svg.rfind(">17</text>"));
}

TEST(NetworkPicture, WhatAPeerIsCalledCannotBreakIt) {
  Json json = network();
  json["sites"][1]["name"] = "<e&\x01\">";
  json["sites"][1]["keys"] = {{"a<b&c", 1}};
  const std::string svg = network_svg(graph_of(json));
  EXPECT_TRUE(is_well_formed(svg)) << svg;
  EXPECT_NE(svg.find("&lt;e&amp;?&quot;&gt;"), std::string::npos) << svg;
}

TEST(NetworkPicture, DoesNotFollowTheOrderOfTheDocument) {
  Json json = network();
  const auto sorted_lines = [](std::string svg) {
    std::ranges::sort(svg);
    return svg;
  };
  const std::string svg = network_svg(graph_of(json));
  EXPECT_EQ(network_svg(graph_of(json)), svg);
  std::ranges::reverse(json["sites"]);
  EXPECT_EQ(sorted_lines(network_svg(graph_of(json))), sorted_lines(svg));
}

TEST(NetworkPicture, ASiteAlone) {
  const Json json = {{"self", "id-a"}, {"sites", Json::array({site("a", "interior", Json::array())})}};
  EXPECT_TRUE(is_well_formed(network_svg(graph_of(json))));
}

bool overlap(const LayoutSite& a, Point at_a, const LayoutSite& b, Point at_b) {
  return std::abs(at_a.x - at_b.x) < (a.width + b.width) / 2 && std::abs(at_a.y - at_b.y) < (a.height + b.height) / 2;
}

TEST(NetworkLayout, NoTwoSitesOverlapAndAllAreInside) {
  std::mt19937 random(1);
  for (std::size_t interior = 0; interior <= 30; interior += 3) {
    for (const std::size_t edges : {std::size_t{0}, std::size_t{4}, std::size_t{20}}) {
      if (interior == 0 && edges > 0) continue;
      std::vector<LayoutSite> sites;
      for (std::size_t i = 0; i < interior; ++i)
        sites.push_back({80.0 + static_cast<double>(random() % 120), 30.0 + static_cast<double>(random() % 40)});
      std::vector<std::pair<std::size_t, std::size_t>> links;
      for (std::size_t i = 1; i < interior; ++i)
        links.emplace_back(random() % i, i);
      for (std::size_t i = 0; i < edges; ++i) {
        sites.push_back({70, 24, random() % interior});
        links.emplace_back(sites.back().hub, sites.size() - 1);
      }
      const Layout layout = lay_out(sites, links);
      ASSERT_EQ(layout.centres.size(), sites.size());
      EXPECT_LT(layout.size.x, 3000) << interior << " and " << edges;
      for (std::size_t a = 0; a < sites.size(); ++a) {
        const Point centre = layout.centres[a];
        EXPECT_GT(centre.x - sites[a].width / 2, 0);
        EXPECT_LT(centre.x + sites[a].width / 2, layout.size.x);
        EXPECT_GT(centre.y - sites[a].height / 2, 0);
        EXPECT_LT(centre.y + sites[a].height / 2, layout.size.y);
        for (std::size_t b = 0; b < a; ++b)
          EXPECT_FALSE(overlap(sites[a], centre, sites[b], layout.centres[b])) << a << " and " << b;
      }
    }
  }
}

TEST(NetworkLayout, ALinkBendsAroundASiteInItsWay) {
  // A ring, and a link that skips one of its sites.
  const std::vector<LayoutSite> sites(30, {120, 40});
  std::vector<std::pair<std::size_t, std::size_t>> links;
  for (std::size_t i = 0; i < sites.size(); ++i)
    links.emplace_back(std::min(i, (i + 1) % sites.size()), std::max(i, (i + 1) % sites.size()));
  links.emplace_back(0, 2);
  const Layout layout = lay_out(sites, links);
  std::size_t in_the_way = 0;
  for (std::size_t i = 0; i < links.size(); ++i) {
    const Curve& curve = layout.curves[i];
    for (std::size_t site = 0; site < sites.size(); ++site) {
      if (site == links[i].first || site == links[i].second) continue;
      if (meets(curve.a, curve.b, layout.centres[site], 120, 40)) ++in_the_way;
      for (int step = 0; step <= 20; ++step) {
        const Point point = curve.at(step / 20.0);
        EXPECT_FALSE(meets(point, point, layout.centres[site], 120, 40)) << "link " << i << ", site " << site;
      }
    }
  }
  EXPECT_GT(in_the_way, 0U);
}

}  // namespace
}  // namespace fairlead
