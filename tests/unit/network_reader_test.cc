// Networks in files: what is printed is read as it was, what is written by hand may say less, and every mistake is
// named with its place. And changes as they are written on a command line.

#include "router/site/network_reader.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "router/site/network_changes.h"
#include "router/site/network_document.h"
#include "router/site/yaml_writer.h"
#include "tests/unit/site_fixtures.h"

namespace fairlead {
namespace {

NetworkModel read(const std::string& text) {
  Diagnostics diagnostics;
  auto model = read_network(text, "net.yaml", diagnostics);
  EXPECT_EQ(errors_of(diagnostics), std::vector<std::string>{});
  return model.value_or(NetworkModel{});
}

std::vector<std::string> errors(const std::string& text) {
  Diagnostics diagnostics;
  EXPECT_FALSE(read_network(text, "net.yaml", diagnostics));
  return errors_of(diagnostics);
}

using Errors = std::vector<std::string>;

NetworkView view() {
  NetworkView view;
  view.self_id = "w";
  view.sites = {{"w", "west", false, true, 0, {{"e", "east", 4}, {"", "", 9, false}, {"n", "north", 2, false}}, {}},
                {"e", "east", false, true, 4, {{"w", "west", 3}}, {{"db", 2}}},
                {"n", "north", false, false, 0, {}, {}},
                {"s", "shop", true, true, 2, {{"w", "west", 2}, {"e", "east", 5}}, {{"42", 1}}}};
  view.keys["db"] = {{"e", "east", 4, 2, 7, 7.5, true, false, {"east"}}};
  return view;
}

TEST(NetworkReader, WhatIsPrintedIsReadAsItWas) {
  GatewayStatus gateway;
  gateway.links.resize(1);
  gateway.links[0].state = LinkPhase::kUp;
  gateway.links[0].remote_site_id = "s";
  gateway.links[0].rtt = Duration::microseconds(1500);
  const auto json = network_json(view(), &gateway);
  EXPECT_EQ(json["sites"][3]["links"][0]["rtt"], "1.500ms");
  EXPECT_FALSE(json["sites"][3]["links"][1].contains("rtt"));
  for (const std::string& text : {json.dump(2), to_yaml(json)}) {
    const NetworkModel model = read(text);
    ASSERT_EQ(model.sites.size(), 4U);
    EXPECT_EQ(model.self, 0U);
    EXPECT_EQ(model.sites[1].name, "east");
    EXPECT_EQ(model.sites[1].keys, (ServedKeys{{"db", 2}}));
    EXPECT_EQ(model.sites[3].keys, (ServedKeys{{"42", 1}}));
    EXPECT_TRUE(model.sites[3].edge);
    ASSERT_EQ(model.links.size(), 3U);   // those that are down do not count
    EXPECT_EQ(model.links[0].cost, 4U);  // the larger of what both ends say
    EXPECT_EQ(model.open, (NetworkModel::Open{{{"db", "e"}, 7}}));
  }
}

TEST(NetworkReader, ByHandLessWillDo) {
  const NetworkModel model = read(
      "sites:\n"
      "  - {name: west, links: [{siteName: east}]}\n"
      "  - {name: east, keys: {db: 1}}\n"
      "  - {name: shop, role: edge, links: [{siteName: west, cost: 2}]}\n");
  ASSERT_EQ(model.sites.size(), 3U);
  EXPECT_EQ(model.sites[1].id, "east");
  EXPECT_EQ(model.self, NetworkModel::kNone);
  ASSERT_EQ(model.links.size(), 2U);
  EXPECT_EQ(model.links[0].cost, 1U);
}

TEST(NetworkReader, MistakesAreNamedWithTheirPlace) {
  EXPECT_EQ(errors(""), (Errors{"0:0: found 0 documents; needed is one, with the sites of the network"}));
  EXPECT_EQ(errors("a: 1\n---\nb: 1\n").size(), 1U);
  EXPECT_EQ(errors("[1]"), (Errors{"1:1: network: the document: found a list; allowed is a map"}));
  EXPECT_EQ(errors("{}"), (Errors{"1:1: network: sites: is missing; needed is a list of sites"}));
  EXPECT_EQ(errors("sites: []"), (Errors{"1:8: network: sites: is empty; needed is at least one site"}));
  EXPECT_EQ(errors("stes: []\nsites: [{name: a}]"),
            (Errors{"1:1: network: unknown field 'stes' at the top level; did you mean 'sites'?"}));
  EXPECT_EQ(errors("sites:\n  - {role: egde, name: a}\n"),
            (Errors{"2:12: network: sites[0].role: found 'egde' (did you mean 'edge'?); allowed is interior, edge"}));
  EXPECT_EQ(errors("sites:\n  - {keys: {db: 0}, name: a}\n"),
            (Errors{"2:17: network: sites[0].keys.db: found '0'; allowed is a whole number from 1 to 65535"}));
  EXPECT_EQ(errors("sites: [{name: a}, {name: a}]").size(), 1U);
  EXPECT_EQ(errors("self: b\nsites: [{name: a}]"), (Errors{"1:7: network: self: found 'b'; no site has this id"}));
}

TEST(NetworkReader, LinksThatCannotBeAreRefused) {
  const std::string two = "sites:\n  - {name: west}\n  - name: east\n    links:\n      - ";
  EXPECT_EQ(errors(two + "{siteName: wset}"),
            (Errors{"5:20: network: sites[1].links[0].siteName: found 'wset'; there is no such site; did you mean "
                    "'west'?"}));
  EXPECT_EQ(
      errors(two + "{siteName: west, cost: 0}"),
      (Errors{"5:32: network: sites[1].links[0].cost: found '0'; allowed is a whole number from 1 to 2147483647"}));
  EXPECT_EQ(errors(two + "{siteName: east}"), (Errors{"5:20: network: sites[1].links[0].siteName: leads to the site "
                                                      "itself"}));
  EXPECT_EQ(errors(two + "{}"), (Errors{"5:9: network: sites[1].links[0].siteName: is missing; needed is the name of "
                                        "the site at the other end"}));
  EXPECT_EQ(errors(two + "{siteId: west, siteName: eats}").size(), 1U);
  EXPECT_EQ(errors(two + "{siteName: west}\n      - {siteName: west}").size(), 1U);
  EXPECT_EQ(
      errors("sites:\n  - {name: a, role: edge}\n  - {name: b, role: edge, links: [{siteName: a}]}"),
      (Errors{"3:46: network: sites[1].links[0].siteName: joins two edge sites; an edge site is linked to interior "
              "sites only"}));
  EXPECT_EQ(errors("sites: [{name: a, id: 1}, {name: a, id: 2}, {name: b, links: [{siteName: a}]}]").size(), 1U);
}

TEST(NetworkReader, TheViewOfAnEdgeSiteIsNoNetwork) {
  EXPECT_EQ(
      errors("self: shop\nsites: [{name: shop, role: edge, links: [{siteId: x, siteName: west}]}]"),
      (Errors{"1:7: network: self: is an edge site, which does not see the network; save it at an interior site"}));
}

NetworkModel network() {
  return read(
      "sites:\n"
      "  - {name: west-1, links: [{siteName: east}, {siteName: north}]}\n"
      "  - {name: east}\n"
      "  - {name: north}\n"
      "  - {id: a1, name: twin}\n"
      "  - {id: a2, name: twin}\n");
}

std::string change_error(const std::vector<std::string>& costs, const std::vector<std::string>& without) {
  const auto changes = parse_changes(network(), costs, without);
  return changes ? "" : changes.error().message;
}

TEST(NetworkChanges, LinksAreWrittenAsTheSitesAtTheirEnds) {
  const auto changes = parse_changes(network(), {"east/west-1=7"}, {"west-1/north", "east", "a2"});
  ASSERT_TRUE(changes);
  ASSERT_EQ(changes->size(), 4U);
  EXPECT_EQ((*changes)[0].kind, NetworkChange::Kind::kCost);
  EXPECT_EQ((*changes)[0].a, 1U);
  EXPECT_EQ((*changes)[0].b, 0U);
  EXPECT_EQ((*changes)[0].cost, 7U);
  EXPECT_EQ((*changes)[1].kind, NetworkChange::Kind::kWithoutLink);
  EXPECT_EQ((*changes)[2].kind, NetworkChange::Kind::kWithoutSite);
  EXPECT_EQ((*changes)[3].a, 4U);
}

TEST(NetworkChanges, MistakesSayWhatThereIs) {
  EXPECT_EQ(change_error({"east/west-1"}, {}), "--cost: found 'east/west-1'; write a link and its cost: west/east=5");
  EXPECT_EQ(change_error({"east-west=1"}, {}),
            "--cost: found 'east-west'; a link is written as the sites at its ends: "
            "west/east");
  EXPECT_EQ(change_error({"east/wset-1=1"}, {}), "--cost: there is no site 'wset-1'; did you mean 'west-1'?");
  EXPECT_EQ(change_error({"east/north=1"}, {}), "--cost: there is no link 'east/north'; links of east are east/west-1");
  EXPECT_EQ(change_error({"east/west-1=0"}, {}),
            "--cost: found '0' as a cost; allowed is a whole number from 1 to "
            "2147483647");
  EXPECT_EQ(change_error({"east/west-1=1", "west-1/east=2"}, {}),
            "--cost: found 'west-1/east=2'; the link has another cost already");
  EXPECT_EQ(change_error({}, {"nroth"}), "--without: there is no site 'nroth'; did you mean 'north'?");
  EXPECT_EQ(change_error({}, {"twin"}), "--without: 2 sites are called 'twin'; name one by its id: a1, a2");
  EXPECT_EQ(change_error({}, {"twin/"}), "--without: 2 sites are called 'twin'; name one by its id: a1, a2");
  EXPECT_EQ(change_error({}, {"east/"}), "--without: there is no site ''");
}

}  // namespace
}  // namespace fairlead
