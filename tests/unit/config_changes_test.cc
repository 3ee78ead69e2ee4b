// ConfigChanges: what differs between two configurations, and how a user is told.
#include "router/site/config_changes.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

using Lines = std::vector<std::string>;

GatewayConfig config() {
  GatewayConfig config;
  config.site_name = "west";
  AccessConfig access;
  access.name = "links-inter-router";
  access.port = 55671;
  config.accesses.push_back(access);
  config.listeners.push_back({"web", std::string("web"), "127.0.0.1", 8080});
  config.connectors.push_back({"db", "db", "10.0.0.5", 5432});
  LinkConfig link;
  link.name = "east";
  link.endpoints = {{"gw.east", 55671}};
  config.links.push_back(link);
  return config;
}

Lines lines_of(const GatewayConfig& after) {
  return describe(compare(config(), after));
}

TEST(ConfigChanges, NothingDiffers) {
  EXPECT_TRUE(compare(config(), config()).empty());
  EXPECT_EQ(lines_of(config()), Lines{});
}

TEST(ConfigChanges, WhatComesAndGoesIsNamed) {
  GatewayConfig after;
  after.site_name = "west";
  after.listeners.push_back({"more", std::string("more"), "", 81});
  EXPECT_FALSE(compare(config(), after).empty());
  EXPECT_EQ(lines_of(after), (Lines{"RouterAccess links-inter-router: removed", "Listener more: added",
                                    "Listener web: removed", "Connector db: removed", "Link east: removed"}));
}

TEST(ConfigChanges, WhatChangesIsToldWithWhatItWas) {
  GatewayConfig after = config();
  after.accesses[0].bind_host = "10.0.0.1";
  after.accesses[0].allow_anonymous = true;
  after.listeners[0].port = 81;
  after.listeners[0].host.clear();
  after.listeners[0].strategy = Strategy::kLowestCost;
  after.connectors[0].routing_key = "pg";
  after.connectors[0].probe = false;
  after.links[0].cost = 7;
  after.links[0].endpoints.push_back({"::1", 1});
  after.links[0].present_certificate = false;
  after.links[0].record_protection = RecordProtection::kUser;
  EXPECT_EQ(lines_of(after),
            (Lines{"RouterAccess links-inter-router: port 10.0.0.1:55671 (was *:55671); links without a certificate "
                   "allowed (was refused)",
                   "Listener web: port *:81 (was 127.0.0.1:8080); strategy lowest-cost (was balanced)",
                   "Connector db: routing key pg (was db); health probe none (was tcp)",
                   "Link east: endpoint gw.east:55671, [::1]:1 (was gw.east:55671); cost 7 (was 1); client certificate "
                   "none (was presented); record protection user (was as the site's)"}));
}

TEST(ConfigChanges, KeysOfAListenerAreToldWithTheirWeights) {
  GatewayConfig after = config();
  after.listeners[0].routing_keys = {RoutingKeys::Choice::kWeighted, {{"blue", 9}, {"green", 1}}};
  EXPECT_EQ(lines_of(after), Lines{"Listener web: routing key blue (9), green (1) (was web)"});
}

TEST(ConfigChanges, FieldsOfTheSite) {
  GatewayConfig after = config();
  after.link_timeout = Duration::seconds(1);
  EXPECT_TRUE(compare(config(), after).link_options);
  after = config();
  after.records_per_key = 5;
  EXPECT_TRUE(compare(config(), after).link_options);
  after = config();
  after.record_protection = RecordProtection::kKernel;
  EXPECT_TRUE(compare(config(), after).link_options);
  after = config();
  after.cipher_suites.pop_back();
  EXPECT_TRUE(compare(config(), after).link_options);
  after = config();
  after.low_latency = true;
  EXPECT_EQ(lines_of(after), Lines{"Site: latency changed"});
  after = config();
  after.certificate_warning = Duration::seconds(1);
  EXPECT_EQ(lines_of(after), Lines{"Site: certificateWarning changed"});
  after = config();
  after.metrics = HostPort{"127.0.0.1", 9};
  EXPECT_EQ(lines_of(after), Lines{"Site: metrics changed"});
  // What a gateway only takes when it starts is said, and is no change.
  after = config();
  after.site_name = "other";
  EXPECT_TRUE(compare(config(), after).empty());
  EXPECT_EQ(lines_of(after), Lines{"Site: the site is called west until the gateway starts again"});
}

}  // namespace
}  // namespace fairlead
