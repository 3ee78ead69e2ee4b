// What `fairlead top` makes of two looks at a gateway's figures.

#include <algorithm>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "router/site/figures_document.h"
#include "tools/fairlead/top_rates.h"

namespace fairlead {
namespace {

using Json = nlohmann::ordered_json;

GatewayStatus make_gateway(Instant at) {
  GatewayStatus gateway;
  gateway.site_name = "west";
  gateway.alive_at = at;
  gateway.connections = 3;
  ShardStatus shard;
  shard.at = at;
  shard.loop.link_sends = {10, 1'000'000};
  shard.loop.thread = {Duration::seconds(1), Duration::seconds(2), 100, 5};
  shard.loop.completions = 500;
  for (int i = 0; i < 100; ++i)
    shard.turns.record(Duration::microseconds(10));
  gateway.shard_statuses = {shard};
  LinkStatus link;
  link.name = "to-east";
  link.remote_site_name = "east";
  link.remote_site_id = "id-east";
  link.state = LinkPhase::kUp;
  link.rtt = Duration::microseconds(412);
  link.bytes_in = 1000;
  link.bytes_out = 5000;
  link.streams_total = 7;
  for (int i = 0; i < 1000; ++i)
    link.queueing.record(Duration::milliseconds(40));
  gateway.links = {link};
  KeyStatus key{"db", KeySide::kClients, {}};
  key.figures.open = 2;
  key.figures.opened = 20;
  key.figures.bytes_in = 300;
  gateway.keys = std::make_shared<const std::vector<KeyStatus>>(1, key);
  return gateway;
}

KeyStatus key_of(const GatewayStatus& gateway) {
  return gateway.keys->front();
}

// Two seconds later.
GatewayStatus make_later() {
  GatewayStatus gateway = make_gateway(Instant{} + Duration::seconds(12));
  ShardStatus& shard = gateway.shard_statuses.front();
  shard.loop.link_sends = {14, 1'250'000};
  shard.loop.thread = {Duration::milliseconds(1500), Duration::milliseconds(2500), 300, 5};
  shard.loop.completions = 900;
  for (int i = 0; i < 200; ++i)
    shard.turns.record(Duration::microseconds(40));
  LinkStatus& link = gateway.links.front();
  link.bytes_in += 2'000'000;
  link.streams_total += 4;
  link.resets.count(ResetCode::kClosing);
  for (int i = 0; i < 99; ++i)
    link.queueing.record(Duration::microseconds(1));
  link.queueing.record(Duration::milliseconds(20));
  KeyStatus db = key_of(gateway);
  db.figures.opened += 10;
  db.figures.failed.count(ResetCode::kConnectRefused);
  db.figures.latency.record(Duration::seconds(100));
  KeyStatus web{"web", KeySide::kServers, {}};
  web.figures.bytes_out = 1'000'000;
  web.figures.opened = 6;
  gateway.keys = std::make_shared<const std::vector<KeyStatus>>(std::vector{db, web});
  return gateway;
}

Json rates_between(const GatewayStatus& before, const GatewayStatus& after) {
  return make_rates(make_figures_document(before), make_figures_document(after));
}

Json rates() {
  return rates_between(make_gateway(Instant{} + Duration::seconds(10)), make_later());
}

TEST(TopRates, OfAShard) {
  const Json shard = rates().at("shards").at(0);
  EXPECT_DOUBLE_EQ(shard["cpu"], 0.5);
  EXPECT_DOUBLE_EQ(shard["turnsPerSecond"], 100);
  EXPECT_DOUBLE_EQ(shard["turnMicroseconds"], 40);
  EXPECT_DOUBLE_EQ(shard["userSpace"], 0.004);
  EXPECT_DOUBLE_EQ(shard["completionsPerTurn"], 2);
  EXPECT_DOUBLE_EQ(shard["wakeUpsPerSecond"], 100);
  EXPECT_DOUBLE_EQ(shard["preemptionsPerSecond"], 0);
  EXPECT_DOUBLE_EQ(shard["linkOut"]["bitsPerSecond"], 1e6);
  EXPECT_DOUBLE_EQ(shard["linkOut"]["bytesPerCall"], 62'500);
  EXPECT_DOUBLE_EQ(shard["linkIn"]["bytesPerCall"], 0);
}

TEST(TopRates, OfALink) {
  const Json link = rates().at("links").at(0);
  EXPECT_EQ(link["siteName"], "east");
  EXPECT_EQ(link["state"], "up");
  EXPECT_DOUBLE_EQ(link["rttMicroseconds"], 412);
  EXPECT_DOUBLE_EQ(link["inBitsPerSecond"], 8e6);
  EXPECT_DOUBLE_EQ(link["outBitsPerSecond"], 0);
  EXPECT_DOUBLE_EQ(link["openedPerSecond"], 2);
  EXPECT_DOUBLE_EQ(link["resetsPerSecond"], 0.5);
  EXPECT_DOUBLE_EQ(link["queueingMicroseconds"]["p50"], 16);
  EXPECT_DOUBLE_EQ(link["queueingMicroseconds"]["p99"], 16);
}

// The new one was not there before; it carries the most, and so comes first. What took longer than all bounds has none.
TEST(TopRates, OfRoutingKeys) {
  const Json keys = rates().at("keys");
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0]["routingKey"], "web");
  EXPECT_DOUBLE_EQ(keys[0]["outBitsPerSecond"], 4e6);
  EXPECT_DOUBLE_EQ(keys[0]["openedPerSecond"], 3);
  EXPECT_EQ(keys[1]["routingKey"], "db");
  EXPECT_DOUBLE_EQ(keys[1]["openedPerSecond"], 5);
  EXPECT_DOUBLE_EQ(keys[1]["failedPerSecond"], 0.5);
  EXPECT_TRUE(keys[1]["latencyMicroseconds"]["p99"].is_null());
  EXPECT_TRUE(keys[0]["latencyMicroseconds"]["p50"].is_null());
}

// As those of a link that was made anew.
TEST(TopRates, CountsThatBeginAnewAreTakenFromTheirBeginning) {
  const GatewayStatus later = make_later();
  GatewayStatus anew = make_later();
  anew.shard_statuses.front().at = anew.shard_statuses.front().at + Duration::seconds(2);
  anew.links.front() = make_gateway({}).links.front();
  anew.links.front().bytes_in = 500'000;
  const Json link = rates_between(later, anew).at("links").at(0);
  EXPECT_DOUBLE_EQ(link["inBitsPerSecond"], 2e6);
  EXPECT_DOUBLE_EQ(link["queueingMicroseconds"]["p50"], 65'536);
}

TEST(TopRates, OfAGatewayThatWasStartedAgainThereIsNothingToTellYet) {
  const Json anew = rates_between(make_later(), make_gateway(Instant{} + Duration::seconds(14)));
  EXPECT_DOUBLE_EQ(anew["shards"][0]["cpu"], 0);
  EXPECT_DOUBLE_EQ(anew["links"][0]["inBitsPerSecond"], 0);
  EXPECT_DOUBLE_EQ(anew["connections"], 3);
}

// From one site by one port.
TEST(TopRates, LinksThatAreAlikeAreToldApart) {
  GatewayStatus before = make_gateway(Instant{} + Duration::seconds(10));
  before.links.push_back(before.links.front());
  before.links.back().bytes_in = 5'000'000;
  GatewayStatus after = before;
  after.shard_statuses.front().at = Instant{} + Duration::seconds(12);
  after.links.back().bytes_in += 1'000'000;
  const Json links = rates_between(before, after).at("links");
  EXPECT_DOUBLE_EQ(links[0]["inBitsPerSecond"], 4e6);
  EXPECT_DOUBLE_EQ(links[1]["inBitsPerSecond"], 0);
}

TEST(TopRates, TwoLooksAtTheSameMomentGiveNothing) {
  const Json same = rates_between(make_later(), make_later());
  EXPECT_DOUBLE_EQ(same["shards"][0]["cpu"], 0);
  EXPECT_DOUBLE_EQ(same["links"][0]["inBitsPerSecond"], 0);
}

// An answer of another version may lack anything.
TEST(TopRates, WhatIsNotThereIsNothing) {
  const Json empty = make_rates(Json::object(), Json::object());
  EXPECT_TRUE(empty["shards"].empty());
  const Json partly = make_rates(Json::object(), {{"shards", {Json::object()}}, {"links", {Json::object()}}});
  EXPECT_EQ(top_tables(partly).at(0).rows.size(), 2U);
  EXPECT_EQ(top_tables(partly).at(1).rows.size(), 2U);
}

TEST(TopTables, RowsHaveWhatTheColumnsSay) {
  const auto tables = top_tables(rates());
  ASSERT_EQ(tables.size(), 3U);
  for (const TitledTable& table : tables) {
    for (const TableRow& row : table.rows)
      EXPECT_EQ(row.size(), table.rows.front().size()) << table.title;
  }
  const auto cell = [](const TitledTable& table, const char* column) {
    const auto at = std::ranges::find(table.rows.front(), column) - table.rows.front().begin();
    return table.rows.at(1).at(static_cast<std::size_t>(at));
  };
  EXPECT_EQ(cell(tables[0], "CPU"), "50 %");
  EXPECT_EQ(cell(tables[0], "LINK-OUT"), "1 Mbit/s");
  EXPECT_EQ(cell(tables[0], "TURN"), "40 µs");
  EXPECT_EQ(cell(tables[1], "IN"), "8 Mbit/s");
  EXPECT_EQ(cell(tables[1], "QUEUED-P99"), "≤16 µs");
  EXPECT_EQ(cell(tables[2], "KEY"), "web");
  EXPECT_EQ(top_summary(rates()),
            "site west: CPU 50 % of 1 shard, 0 bit/s from applications, 0 bit/s to them, 3 connections, 8.0/s new, "
            "0.5/s failed");
}

}  // namespace
}  // namespace fairlead
