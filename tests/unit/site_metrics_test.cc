// What is told to Prometheus: the text as its format wants it, every series once, and values that are those of the
// status.
#include "router/site/metrics.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

LinkStatus make_link(std::string name, bool incoming) {
  LinkStatus link;
  link.name = std::move(name);
  link.incoming = incoming;
  link.state = LinkPhase::kUp;
  link.remote_site_id = "id-ams";
  link.remote_site_name = "ams";
  link.cost = 3;
  link.routing_cost = 5;
  link.ups = 2;
  link.dials = 4;
  link.rtt = Duration::microseconds(412);
  link.tls_version = "TLSv1.3";
  link.cipher = "TLS_AES_128_GCM_SHA256";
  link.tls_group = "X25519";
  link.send_protection = {"kernel (software)", "no network card took the keys"};
  link.receive_protection = {"user space", "recordProtection is user"};
  link.peer_subject = "peer";
  link.peer_certificate_expires_unix_s = 1'800'000'000;
  link.sessions_up = 6;
  link.sessions_wanted = 8;
  link.streams = 9;
  link.streams_total = 50;
  link.bytes_in = 100;
  link.bytes_out = 200;
  return link;
}

GatewayStatus make_gateway() {
  GatewayStatus gateway;
  gateway.site_id = "id-fra";
  gateway.site_name = "fra";
  gateway.shards = 2;
  gateway.kernel_release = "6.1.0";
  gateway.connections = 7;
  LinkStatus outgoing = make_link("to-ams", false);
  outgoing.credentials = {"own", 1'790'000'000, 1'990'000'000, ""};
  gateway.links = {outgoing, make_link("in", true), make_link("in", true)};
  AccessStatus access;
  access.name = "links-edge";
  access.listening = true;
  access.accepted = 9;
  access.refused = 1;
  access.credentials.subject = "say \"hi\"\\";
  access.credentials.expires_unix_s = 1'795'000'000;
  gateway.accesses.push_back(access);
  ListenerStatus listener;
  listener.name = "web";
  listener.listening = true;
  listener.reachable_keys = {"blue", "green"};
  listener.connections = 3;
  listener.connections_total = 30;
  gateway.listeners.push_back(listener);
  ConnectorStatus connector;
  connector.name = "db";
  connector.available = false;
  connector.connections = 4;
  connector.connections_total = 12;
  gateway.connectors.push_back(connector);
  KeyStatus key{"db", KeySide::kServers, {}};
  key.figures.open = 2;
  key.figures.opened = 20;
  key.figures.bytes_in = 300;
  key.figures.bytes_out = 400;
  key.figures.failed.count(ResetCode::kConnectRefused);
  for (const int microseconds : {1, 16, 17, 40'000, 100'000'000})
    key.figures.latency.record(Duration::microseconds(microseconds));
  gateway.keys = std::make_shared<const std::vector<KeyStatus>>(1, key);
  ShardStatus shard;
  shard.usage.edge_blocks = 11;
  shard.usage.streams = 12;
  shard.counters = {{"ring_turns", 5}};
  shard.loop.link_sends.add(70'000);
  shard.loop.link_sends.add(30'000);
  shard.loop.edge_receives.add(500);
  shard.loop.thread = {Duration::milliseconds(1500), Duration::milliseconds(2250), 40, 3};
  gateway.shard_statuses = {shard};
  gateway.counters = {{"edge_bytes_in", 1000}, {"edge_bytes_out", 2000}, {"keys_updated", 6}};
  return gateway;
}

// The name of a sample "name{label="value",…} number"; nothing if it is none.
std::optional<std::string> name_of_sample(const std::string& line) {
  const auto is_name = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  auto at = std::ranges::find_if_not(line, is_name);
  const std::string name(line.begin(), at);
  if (at != line.end() && *at == '{') {
    do {
      const auto label = std::find_if_not(++at, line.end(), is_name);
      if (label == at || line.end() - label < 2 || label[0] != '=' || label[1] != '"') return std::nullopt;
      for (at = label + 2; at != line.end() && *at != '"'; ++at) {
        if (*at == '\\' && ++at == line.end()) return std::nullopt;
      }
      if (at == line.end() || ++at == line.end()) return std::nullopt;
    } while (*at == ',');
    if (*at++ != '}') return std::nullopt;
  }
  if (name.empty() || at == line.end() || *at != ' ') return std::nullopt;
  const std::string number(at + 1, line.end());
  std::size_t used = 0;
  static_cast<void>(std::stod(number, &used));
  return used == number.size() ? std::optional(name) : std::nullopt;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, ValuesAreThoseOfTheStatus) {
  const std::string text = format_metrics(make_gateway(), "1.2.3");
  for (const std::string& line : {
           std::string(R"(fairlead_build_info{version="1.2.3",kernel="6.1.0"} 1)"),
           std::string(R"(fairlead_site_info{site="fra",site_id="id-fra"} 1)"),
           std::string("fairlead_connections 7"),
           std::string("fairlead_edge_received_bytes_total 1000"),
           std::string("fairlead_edge_sent_bytes_total 2000"),
           std::string(R"(fairlead_events_total{event="keys_updated"} 6)"),
           std::string(R"(fairlead_access_listening{access="links-edge"} 1)"),
           std::string(R"(fairlead_access_accepted_total{access="links-edge"} 9)"),
           std::string(R"(fairlead_access_refused_total{access="links-edge"} 1)"),
           std::string(R"(fairlead_listener_listening{listener="web"} 1)"),
           std::string(R"(fairlead_listener_reachable_keys{listener="web"} 2)"),
           std::string(R"(fairlead_listener_connections{listener="web"} 3)"),
           std::string(R"(fairlead_listener_connections_opened_total{listener="web"} 30)"),
           std::string(R"(fairlead_connector_available{connector="db"} 0)"),
           std::string(R"(fairlead_connector_connections{connector="db"} 4)"),
           std::string(R"(fairlead_connector_connections_opened_total{connector="db"} 12)"),
       }) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n\nis not in\n\n" << text;
  }
}

TEST(Metrics, RoutingKeysAndShardsHaveFiguresOfTheirOwn) {
  const std::string text = format_metrics(make_gateway(), "1");
  const std::string key = R"({routing_key="db",side="connector"} )";
  const std::string connect = "fairlead_key_connect_seconds";
  for (const std::string& line : {
           "fairlead_key_connections" + key + "2",
           "fairlead_key_connections_opened_total" + key + "20",
           "fairlead_key_received_bytes_total" + key + "300",
           "fairlead_key_sent_bytes_total" + key + "400",
           std::string(R"(fairlead_key_failed_total{routing_key="db",side="connector",)"
                       R"(reason="connection refused by the server"} 1)"),
           connect + R"(_bucket{routing_key="db",le="1.6e-05"} 2)",
           connect + R"(_bucket{routing_key="db",le="3.2e-05"} 3)",
           connect + R"(_bucket{routing_key="db",le="0.032768"} 3)",
           connect + R"(_bucket{routing_key="db",le="0.065536"} 4)",
           connect + R"(_bucket{routing_key="db",le="33.554432"} 4)",
           connect + R"(_bucket{routing_key="db",le="+Inf"} 5)",
           connect + R"(_sum{routing_key="db"} 100.040034)",
           connect + R"(_count{routing_key="db"} 5)",
           std::string(R"(fairlead_shard_blocks_in_use{shard="0",pool="edge"} 11)"),
           std::string(R"(fairlead_shard_streams{shard="0"} 12)"),
           std::string(R"(fairlead_shard_events_total{shard="0",event="ring_turns"} 5)"),
           std::string(R"(fairlead_shard_turn_seconds_count{shard="0"} 0)"),
           std::string(R"(fairlead_shard_cpu_seconds_total{shard="0",mode="user"} 1.5)"),
           std::string(R"(fairlead_shard_cpu_seconds_total{shard="0",mode="system"} 2.25)"),
           std::string(R"(fairlead_shard_wake_ups_total{shard="0"} 40)"),
           std::string(R"(fairlead_shard_preemptions_total{shard="0"} 3)"),
           std::string(R"(fairlead_shard_transfers_total{shard="0",with="link",direction="sent"} 2)"),
           std::string(R"(fairlead_shard_transferred_bytes_total{shard="0",with="link",direction="sent"} 100000)"),
           std::string(R"(fairlead_shard_transfers_total{shard="0",with="application",direction="received"} 1)"),
           std::string(
               R"(fairlead_shard_transferred_bytes_total{shard="0",with="application",direction="received"} 500)"),
       }) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n\nis not in\n\n" << text;
  }
  // A side has the histogram that is its own.
  EXPECT_EQ(text.find("fairlead_key_first_byte_seconds_count"), std::string::npos);
}

TEST(Metrics, ValuesOfALinkAreThoseOfTheStatus) {
  const std::string text = format_metrics(make_gateway(), "1.2.3");
  const std::string of = R"(direction="outgoing",remote_site="ams",remote_site_id="id-ams",number="0"} )";
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"up", "1"}, {"cost", "5"}, {"ups_total", "2"}, {"dials_total", "4"}, {"sessions", "6"},
           {"sessions_wanted", "8"}, {"streams", "9"}, {"streams_opened_total", "50"},
           {"received_bytes_total", "100"}, {"sent_bytes_total", "200"}, {"round_trip_seconds", "0.000412"}}) {
    const std::string line = std::string("fairlead_link_") + name + R"({link="to-ams",)" + of + value;
    EXPECT_TRUE(has_line(text, line)) << line << "\n\nis not in\n\n" << text;
  }
}

TEST(Metrics, SaysWhoProtectsRecordsAndWhyNobodyBetter) {
  const std::string text = format_metrics(make_gateway(), "1");
  const std::string labels = R"({link="to-ams",direction="outgoing",remote_site_id="id-ams",number="0",)";
  const std::string protection = "fairlead_link_record_protection_info" + labels;
  for (const std::string& line : {
           protection + R"x(records="send",by="kernel (software)",reason="no network card took the keys"} 1)x",
           protection + R"x(records="receive",by="user space",reason="recordProtection is user"} 1)x",
           "fairlead_link_tls_info" + labels + R"x(version="TLSv1.3",cipher="TLS_AES_128_GCM_SHA256",)x" +
               R"x(group="X25519",key_exchange="classical"} 1)x",
       }) {
    EXPECT_TRUE(has_line(text, line)) << line << "\n\nis not in\n\n" << text;
  }
}

TEST(Metrics, CertificatesAreThereWithTheirEnd) {
  const std::string text = format_metrics(make_gateway(), "1");
  const std::string name = "fairlead_certificate_expiry_timestamp_seconds";
  const std::string link = R"({of="link",name="to-ams",remote_site_id="id-ams",number="0",)";
  EXPECT_TRUE(has_line(text, name + link + R"(whose="own",subject="own"} 1790000000)")) << text;
  EXPECT_TRUE(has_line(text, name + link + R"(whose="ca",subject=""} 1990000000)")) << text;
  EXPECT_TRUE(has_line(text, name + link + R"(whose="peer",subject="peer"} 1800000000)")) << text;
  const std::string access = R"({of="access",name="links-edge",remote_site_id="",number="0",whose="own",)";
  EXPECT_TRUE(has_line(text, name + access + R"(subject="say \"hi\"\\"} 1795000000)")) << text;
}

TEST(Metrics, WhatDescribesAConnectionIsThereOnlyWhileThereIsOne) {
  GatewayStatus gateway = make_gateway();
  for (LinkStatus& link : gateway.links)
    link.state = LinkPhase::kWaiting;
  const std::string text = format_metrics(gateway, "1");
  for (const char* name : {"fairlead_link_tls_info{", "fairlead_link_record_protection_info{",
                           "fairlead_link_round_trip_seconds{", "whose=\"peer\""}) {
    EXPECT_EQ(text.find(name), std::string::npos) << name;
  }
  EXPECT_TRUE(has_line(text, "fairlead_link_up{link=\"to-ams\",direction=\"outgoing\",remote_site=\"ams\","
                             "remote_site_id=\"id-ams\",number=\"0\"} 0"))
      << text;
}

// Each family once, with help and type in front of its samples; each series once; names as Prometheus wants them.
TEST(Metrics, TheTextIsOfTheFormat) {
  const std::string text = format_metrics(make_gateway(), "1");
  std::map<std::string, std::string> types;
  std::set<std::string> series;
  std::string family;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash;
    std::string what;
    std::string name;
    if (line.starts_with("# ")) {
      words >> hash >> what >> name;
      if (what == "HELP") {
        EXPECT_FALSE(types.contains(name)) << name << " is there twice";
        family = name;
        continue;
      }
      ASSERT_EQ(what, "TYPE") << line;
      EXPECT_EQ(name, family);
      words >> types[name];
      EXPECT_EQ(types[name] == "counter", name.ends_with("_total")) << line;
      continue;
    }
    const std::string sample = name_of_sample(line).value_or("");
    if (types[family] == "histogram") {
      EXPECT_TRUE(sample == family + "_bucket" || sample == family + "_sum" || sample == family + "_count") << line;
    } else {
      EXPECT_EQ(sample, family) << line;
    }
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
  }
  EXPECT_GT(series.size(), 50U);
}

}  // namespace
}  // namespace fairlead
