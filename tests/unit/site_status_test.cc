// Status documents from hand-made snapshots: the rule that sums conditions up, transition times that stay, what each
// kind says in each state, and the files that the writer keeps.

#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "router/site/conditions.h"
#include "router/site/paths.h"
#include "router/site/resource_reader.h"
#include "router/site/status_documents.h"
#include "router/site/status_writer.h"
#include "tests/unit/site_fixtures.h"

namespace fairlead {
namespace {

using Json = nlohmann::ordered_json;

TEST(Conditions, TheFirstThatIsNotTrueSumsUp) {
  EXPECT_EQ(summarize({}).status, "Ready");
  EXPECT_EQ(summarize({condition_met("A"), condition_met("B")}).message, "OK");
  const auto pending = summarize({condition_met("A"), condition_pending("B", "wait"), condition_failed("C", "broken")});
  EXPECT_EQ(pending.status, "Pending");
  EXPECT_EQ(pending.message, "wait");
  EXPECT_EQ(summarize({condition_failed("A", "broken"), condition_pending("B", "wait")}).status, "Error");
  const auto conditions = with_ready({condition_met("A"), condition_failed("B", "broken")});
  ASSERT_EQ(conditions.size(), 3U);
  EXPECT_EQ(conditions[2].type, "Ready");
  EXPECT_FALSE(conditions[2].is_true);
  EXPECT_EQ(conditions[2].reason, "Error");
  EXPECT_EQ(conditions[2].message, "broken");
}

TEST(Conditions, TransitionTimeChangesOnlyWhenTheStatusFlips) {
  TransitionTimes times;
  const auto since = [&](const char* resource, Condition condition, std::int64_t now) {
    std::vector<Condition> conditions = {std::move(condition)};
    times.stamp(resource, conditions, now);
    return conditions[0].last_transition_unix_s;
  };
  EXPECT_EQ(since("Link a", condition_pending("X", "one"), 10), 10);
  EXPECT_EQ(since("Link a", condition_failed("X", "another message"), 20), 10);
  EXPECT_EQ(since("Link b", condition_pending("X", "one"), 25), 25);
  EXPECT_EQ(since("Link a", condition_met("X"), 30), 30);
  EXPECT_EQ(since("Link a", condition_met("X"), 40), 30);
  EXPECT_EQ(since("Link a", condition_pending("X", "one"), 50), 50);
}

TEST(Conditions, TimesAreRfc3339) {
  EXPECT_EQ(format_time(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(1767607200), "2026-01-05T10:00:00Z");
}

class StatusTest : public testing::Test {
 protected:
  StatusTest() {
    const char* text =
        "kind: Site\nmetadata: {name: fra}\n---\n"
        "kind: Link\nmetadata: {name: west}\nspec: {tlsCredentials: hidden, interRouter: {host: gw, port: "
        "55671}}\n---\n"
        "kind: RouterAccess\nmetadata: {name: in}\nspec: {roles: [{name: inter-router}, {name: edge}]}\n---\n"
        "kind: Listener\nmetadata: {name: web}\nspec: {routingKey: web, host: 127.0.0.1, port: 80}\n---\n"
        "kind: MultiKeyListener\nmetadata: {name: web}\nspec: {host: 127.0.0.1, port: 81, "
        "strategy: {weighted: {routingKeys: {blue: 9, green: 1}}}}\n---\n"
        "kind: Connector\nmetadata: {name: db}\nspec: {routingKey: db, host: 10.0.0.1, port: 5432}\n---\n"
        "kind: Secret\nmetadata: {name: hidden}\ndata: {tls.key: c2VjcmV0LWtleQ==}\n";
    Diagnostics diagnostics;
    read_resources(text, "f.yaml", resources_, diagnostics);
    EXPECT_FALSE(diagnostics.has_errors());

    gateway_.site_id = "4c0a7d0e-6d1f-4a30-9a55-0d3f1d1f2b11";
    gateway_.site_name = "fra";
    gateway_.shards = 2;
    LinkStatus link;
    link.name = "west";
    link.state = LinkPhase::kUp;
    link.cost = 3;
    link.url = "gw:55671";
    link.remote_site_id = "7ec9477f-5fea-4bd6-8da8-e72d4b1b7997";
    link.remote_site_name = "ams";
    link.since_unix_s = 1767607200;
    link.rtt = Duration::microseconds(412);
    link.tls_version = "TLSv1.3";
    link.cipher = "TLS_AES_128_GCM_SHA256";
    link.send_protection = {"kernel", ""};
    link.receive_protection = {"user space", "this kernel has no TLS"};
    link.sessions_up = 2;
    link.sessions_wanted = 2;
    link.streams = 5;
    link.bytes_in = 100;
    link.bytes_out = 200;
    gateway_.links.push_back(link);
    gateway_.accesses = {access("in-inter-router", true), access("in-edge", true)};
    ListenerStatus listener;
    listener.name = "web";
    listener.listening = true;
    listener.reachable_keys = {"web"};
    gateway_.listeners.push_back(listener);
    listener.name = "web (MultiKeyListener)";
    listener.reachable_keys = {"green"};
    gateway_.listeners.push_back(listener);
    ConnectorStatus connector;
    connector.name = "db";
    gateway_.connectors.push_back(connector);
  }

  static AccessStatus access(std::string name, bool listening) {
    AccessStatus status;
    status.name = std::move(name);
    status.listening = listening;
    return status;
  }

  StatusDocuments documents(std::int64_t now = 1767607200) {
    return make_status_documents({resources_, "default", running_ ? &gateway_ : nullptr, now}, times_);
  }

  Json status_of(std::string_view kind) {
    for (const Json& object : documents().resources) {
      if (object["kind"] == kind) return object["status"];
    }
    ADD_FAILURE() << "no document of kind " << kind;
    return {};
  }

  static Json condition(const Json& status, std::string_view type) {
    for (const Json& entry : status["conditions"]) {
      if (entry["type"] == type) return entry;
    }
    return {};
  }

  LinkStatus& link() { return gateway_.links.front(); }

  Resources resources_;
  GatewayStatus gateway_;
  TransitionTimes times_;
  bool running_ = true;
};

TEST_F(StatusTest, ALinkThatIsUpSaysAllOfIt) {
  const Json status = status_of("Link");
  EXPECT_EQ(status["status"], "Ready");
  EXPECT_EQ(status["message"], "OK");
  EXPECT_EQ(status["configured"], true);
  EXPECT_EQ(status["active"], true);
  EXPECT_EQ(status["url"], "gw:55671");
  EXPECT_EQ(status["site"], "ams");
  EXPECT_EQ(status["remoteSiteName"], "ams");
  EXPECT_EQ(status["remoteSiteId"], "7ec9477f-5fea-4bd6-8da8-e72d4b1b7997");
  EXPECT_EQ(status["cost"], 3);
  EXPECT_EQ(status["since"], "2026-01-05T10:00:00Z");
  EXPECT_EQ(status["rtt"], "0.412ms");
  EXPECT_EQ(status["rttMicroseconds"], 412);
  EXPECT_EQ(status["tls"]["version"], "TLSv1.3");
  EXPECT_EQ(status["tls"]["cipher"], "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(status["tls"]["keyExchange"], "classical");
  EXPECT_EQ(status["tls"]["protection"]["send"], "kernel");
  EXPECT_FALSE(status["tls"]["protection"].contains("sendReason"));
  EXPECT_EQ(status["tls"]["protection"]["receive"], "user space");
  EXPECT_EQ(status["tls"]["protection"]["receiveReason"], "this kernel has no TLS");
  EXPECT_EQ(status["sessions"]["up"], 2);
  EXPECT_EQ(status["streams"]["open"], 5);
  EXPECT_EQ(status["bytes"]["in"], 100);
  EXPECT_EQ(status["bytes"]["out"], 200);
  EXPECT_EQ(condition(status, "Configured")["status"], "True");
  EXPECT_EQ(condition(status, "Operational")["status"], "True");
  EXPECT_EQ(condition(status, "Ready")["status"], "True");
  EXPECT_FALSE(status.contains("lastError"));
}

TEST_F(StatusTest, ALinkThatIsDownSaysWhyAndNothingOfTheOldConnection) {
  link().state = LinkPhase::kWaiting;
  link().last_error = LastError{ErrorCode::kTlsName, "certificate is not valid for 'gw'", 1767607100};
  const Json status = status_of("Link");
  EXPECT_EQ(status["status"], "Error");
  EXPECT_EQ(status["message"], "certificate is not valid for 'gw'");
  EXPECT_EQ(status["active"], false);
  EXPECT_EQ(status["configured"], true);
  EXPECT_EQ(status["lastError"]["reason"], "TlsName");
  EXPECT_EQ(status["lastError"]["since"], "2026-01-05T09:58:20Z");
  EXPECT_EQ(condition(status, "Operational")["reason"], "Error");
  EXPECT_FALSE(status.contains("rtt"));
  EXPECT_FALSE(status.contains("tls"));
}

TEST_F(StatusTest, ALinkThatWasNeverTriedIsPending) {
  link().state = LinkPhase::kConnecting;
  const Json status = status_of("Link");
  EXPECT_EQ(status["status"], "Pending");
  EXPECT_EQ(status["message"], "connecting to gw:55671");
}

TEST_F(StatusTest, AnIncomingLinkOfTheSameNameIsAnother) {
  link().incoming = true;
  EXPECT_EQ(status_of("Link")["configured"], false);
  const auto incoming = documents().incoming_links;
  ASSERT_EQ(incoming.size(), 1U);
  EXPECT_EQ(incoming[0]["kind"], "IncomingLink");
  EXPECT_EQ(incoming[0]["status"]["direction"], "incoming");
  EXPECT_EQ(incoming[0]["status"]["site"], "ams");
}

TEST_F(StatusTest, ListenerAndConnector) {
  EXPECT_EQ(status_of("Listener")["status"], "Ready");
  EXPECT_EQ(status_of("Listener")["hasMatchingConnector"], true);
  EXPECT_EQ(status_of("Connector")["status"], "Ready");
  EXPECT_EQ(status_of("Connector")["connections"]["open"], 0);
  EXPECT_FALSE(status_of("Connector").contains("hasMatchingListener"));
  EXPECT_TRUE(condition(status_of("Connector"), "Matched").is_null());

  gateway_.listeners[0].reachable_keys.clear();
  gateway_.listeners[0].listening = false;
  EXPECT_EQ(status_of("Listener")["status"], "Pending");
  EXPECT_EQ(status_of("Listener")["message"], "No matching connectors");
  gateway_.listeners[0].last_error = LastError{ErrorCode::kSystem, "address in use", 1};
  EXPECT_EQ(status_of("Listener")["status"], "Error");
  EXPECT_EQ(status_of("Listener")["message"], "address in use");
}

TEST_F(StatusTest, AMultiKeyListenerTellsWhichKeysCanBeReached) {
  Json status = status_of("MultiKeyListener");
  EXPECT_EQ(status["status"], "Ready");
  EXPECT_EQ(status["hasDestination"], true);
  EXPECT_EQ(status["strategy"]["weighted"]["routingKeysReachable"].dump(), R"({"green":1})");
  gateway_.listeners[1].reachable_keys.clear();
  status = status_of("MultiKeyListener");
  EXPECT_EQ(status["status"], "Pending");
  EXPECT_EQ(status["hasDestination"], false);
  EXPECT_EQ(status["strategy"]["weighted"]["routingKeysReachable"].dump(), "{}");
  EXPECT_EQ(condition(status, "Operational")["status"], "False");
  EXPECT_EQ(status_of("Listener")["status"], "Ready");
}

TEST_F(StatusTest, ARouterAccessNeedsAllItsPorts) {
  EXPECT_EQ(status_of("RouterAccess")["status"], "Ready");
  EXPECT_EQ(status_of("Site")["status"], "Ready");
  gateway_.accesses[1].listening = false;
  gateway_.accesses[1].last_error = LastError{ErrorCode::kSystem, "address in use", 1};
  EXPECT_EQ(status_of("RouterAccess")["status"], "Error");
  EXPECT_EQ(status_of("Site")["status"], "Error");
  EXPECT_EQ(status_of("Site")["message"], "address in use");
  gateway_.accesses[1].listening = true;
  gateway_.accesses[1].refused = 2;
  gateway_.accesses[1].last_refused = LastError{ErrorCode::kTlsNoCertificate, "peer 10.0.0.9 has none", 5};
  EXPECT_EQ(status_of("RouterAccess")["refused"], 2);
  EXPECT_EQ(status_of("RouterAccess")["lastRefused"]["reason"], "TlsNoCertificate");
}

TEST_F(StatusTest, WithoutAGatewayNothingIsActive) {
  running_ = false;
  for (const char* kind : {"Site", "Link", "RouterAccess", "Listener", "MultiKeyListener", "Connector"}) {
    EXPECT_EQ(status_of(kind)["status"], "Pending") << kind;
    EXPECT_EQ(status_of(kind)["message"], "the gateway is not running") << kind;
  }
  EXPECT_EQ(status_of("Link")["active"], false);
}

TEST_F(StatusTest, SecretsAreNowhere) {
  const StatusDocuments all = documents();
  const std::string text = make_status_snapshot({resources_, "default", &gateway_, 0}, all).dump();
  EXPECT_EQ(text.find("secret-key"), std::string::npos);
  EXPECT_EQ(text.find("c2VjcmV0"), std::string::npos);
  EXPECT_EQ(text.find("\"Secret\""), std::string::npos);
}

TEST_F(StatusTest, TheWriterWritesWhatChangedAndTakesAwayWhatIsOld) {
  const TemporaryDirectory root;
  const NamespacePaths paths(root.path(), "default");
  root.write("namespaces/default/runtime/resources/Link-gone.yaml", "old");
  root.write("namespaces/default/runtime/status.json", "old");
  StatusWriter writer(resources_, paths);
  ASSERT_TRUE(writer.open());
  EXPECT_FALSE(std::filesystem::exists(paths.status()));

  ASSERT_TRUE(writer.write(gateway_, 1767607200));
  EXPECT_FALSE(std::filesystem::exists(paths.runtime_resources() / "Link-gone.yaml"));
  const auto link_file = paths.runtime_resources() / "Link-west.yaml";
  EXPECT_NE(read_text(link_file).find("active: true"), std::string::npos);
  EXPECT_EQ(Json::parse(read_text(paths.status()))["resources"].size(), 6U);

  // A document that did not change is not written again: one that is gone stays gone.
  std::filesystem::remove(link_file);
  ASSERT_TRUE(writer.write(gateway_, 1767607201));
  EXPECT_FALSE(std::filesystem::exists(link_file));
  link().state = LinkPhase::kWaiting;
  ASSERT_TRUE(writer.write(gateway_, 1767607202));
  EXPECT_NE(read_text(link_file).find("active: false"), std::string::npos);

  // One that could not be written is tried again, though nothing has changed since.
  std::filesystem::rename(paths.runtime_resources(), root.path() / "away");
  link().state = LinkPhase::kUp;
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(writer.write(gateway_, 1767607202));
  std::filesystem::rename(root.path() / "away", paths.runtime_resources());
  ASSERT_TRUE(writer.write(gateway_, 1767607202));
  EXPECT_NE(read_text(link_file).find("active: true"), std::string::npos);

  // Other resources: what is gone has no file any more.
  Resources fewer = resources_;
  fewer.connectors.clear();
  writer.set_resources(fewer);
  ASSERT_TRUE(writer.write(gateway_, 1767607203));
  EXPECT_FALSE(std::filesystem::exists(paths.runtime_resources() / "Connector-db.yaml"));
  writer.set_resources(resources_);

  ASSERT_TRUE(writer.close(1767607203));
  EXPECT_NE(read_text(link_file).find("the gateway is not running"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(paths.status()));
}

TEST_F(StatusTest, WhatAPeerSaysCannotBreakTheDocuments) {
  link().remote_site_name = "a\nb: \xff\xfe\"'\x1b[2J";
  const TemporaryDirectory root;
  const NamespacePaths paths(root.path(), "default");
  StatusWriter writer(resources_, paths);
  ASSERT_TRUE(writer.open());
  ASSERT_TRUE(writer.write(gateway_, 1));
  EXPECT_FALSE(Json::parse(read_text(paths.status()), nullptr, false).is_discarded());
  Resources again;
  Diagnostics diagnostics;
  read_resource_files({paths.runtime_resources() / "Link-west.yaml"}, again, diagnostics);
  EXPECT_EQ(errors_of(diagnostics), std::vector<std::string>{});
  ASSERT_EQ(again.links.size(), 1U);
}

}  // namespace
}  // namespace fairlead
