// Configuration that changes under full load, in a simulated world: listeners, connectors, links and accesses come, go
// and lead elsewhere all the time, and no connection that is open, or that comes meanwhile, notices.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/gateway_world.h"
#include "tests/sim/test_share.h"
#include "transport/base/log.h"
#include "transport/base/prng.h"

namespace fairlead::sim {
namespace {

constexpr Duration kPatience = Duration::seconds(60);
constexpr std::uint16_t kOtherPort = 5672;

class LiveChangeSimTest : public testing::Test {
 protected:
  LiveChangeSimTest() : world_(plan()) {
    set_log_level(LogLevel::kError);
    world_.come_up();
  }

  static WorldPlan plan() {
    WorldPlan plan;
    plan.seed = 11;
    plan.faults.latency_min = plan.faults.latency_max = Duration::microseconds(50);
    plan.faults.send_buffer_bytes = plan.faults.receive_buffer_bytes = 64 * 1024;
    plan.faults.short_send = plan.faults.short_receive = 500;
    plan.faults.shuffle_completions = true;
    plan.flows = 0;
    plan.sizes.stall_percent = 0;
    for (SidePlan& side : plan.sides)
      side.shards = 2;
    return plan;
  }

  static FlowScript script_of(std::uint64_t bytes) {
    FlowScript script;
    script.bytes = bytes;
    script.send_bytes_max = script.receive_bytes_max = 30'000;
    return script;
  }

  GatewaySite& west() { return world_.site(0); }
  GatewaySite& east() { return world_.site(1); }

  FlowEnd* start(std::uint64_t bytes) {
    flows_.push_back(world_.start_flow(0, 1, Behaviour::kEcho, script_of(bytes)));
    return flows_.back();
  }

  auto open() const {
    return std::count_if(flows_.begin(), flows_.end(), [](const FlowEnd* end) { return !end->over; });
  }

  // Connections go both ways all the time while `change` is called again and again.
  template <class Change>
  void change_under_load(std::uint64_t times, Change change) {
    for (unsigned i = 0; i < times && world_.judge().ok(); ++i) {
      for (unsigned side = 0; open() < 10; side = 1 - side) {
        flows_.push_back(world_.start_flow(side, 1 - side, Behaviour::kEcho, script_of(60'000)));
        flows_.push_back(world_.start_flow(side, 1 - side, Behaviour::kRespond, script_of(3'000)));
      }
      change(i);
      world_.run_for(Duration::milliseconds(4));
    }
  }

  // All connections end in order, and nothing is left.
  void expect_clean_end() {
    EXPECT_TRUE(world_.run_until(kPatience, [&] { return open() == 0; })) << text();
    for (const FlowEnd* end : flows_)
      EXPECT_TRUE(end->clean()) << FlowLedger::describe(*end);
    if (world_.judge().ok()) world_.come_to_rest();
    if (world_.judge().ok()) world_.stop();
    EXPECT_TRUE(world_.judge().ok()) << text();
  }

  std::string text() {
    std::string text;
    for (const std::string& failure : world_.judge().failures)
      text += failure + "\n";
    return text;
  }

  // What was just changed is in the status, what follows from it in the routes, and ports are open that lead somewhere.
  void settle() {
    const Instant settled = world_.world().now() + Duration::milliseconds(300);
    ASSERT_TRUE(run_until([&] { return world_.world().now() >= settled; })) << text();
  }

  // Clients find their way again.
  void serve_again() {
    settle();
    ASSERT_TRUE(run_until([&] { return west().links_up() && east().links_up(); })) << text();
    settle();
    start(10'000);
  }

  std::size_t links_of(GatewaySite& site) { return site.transport().status()->links.size(); }

  bool run_until(auto done) { return world_.run_until(kPatience, done); }

  GatewayWorld world_;
  std::vector<FlowEnd*> flows_;
};

TEST_F(LiveChangeSimTest, ListenersLeadElsewhereAndMoveUnderLoad) {
  const auto listeners = west().plan().listeners;
  change_under_load(share_of(2'000, 60), [&](unsigned i) {
    // One that nobody uses moves; those in use stay where they are, and are told anew where to lead.
    ListenerConfig moving = listeners[i % listeners.size()];
    ASSERT_TRUE(west().transport().set_listener(moving));
    moving.name = "moving";
    moving.port = static_cast<std::uint16_t>(9'000 + i % 7);
    if (i == 0) {
      ASSERT_TRUE(west().transport().add_listener(moving));
    } else {
      ASSERT_TRUE(west().transport().set_listener(moving));
    }
  });
  EXPECT_TRUE(west().transport().remove_listener("moving"));
  EXPECT_FALSE(west().transport().remove_listener("moving"));
  expect_clean_end();
}

TEST_F(LiveChangeSimTest, ConnectionsOutliveTheirListenerAndConnector) {
  FlowEnd* const flow = start(300'000);
  ASSERT_TRUE(run_until([&] { return flow->received > 50'000; }));
  for (const ListenerConfig& listener : west().plan().listeners)
    ASSERT_TRUE(west().transport().remove_listener(listener.name));
  for (const ConnectorConfig& connector : east().plan().connectors)
    ASSERT_TRUE(east().transport().remove_connector(connector.name));
  ASSERT_TRUE(run_until([&] { return flow->over; }));
  EXPECT_TRUE(flow->clean()) << FlowLedger::describe(*flow);
  EXPECT_TRUE(west().transport().status()->listeners.empty());
  expect_clean_end();
}

TEST_F(LiveChangeSimTest, ConnectorsAreReplacedUnderLoad) {
  const auto connectors = east().plan().connectors;
  change_under_load(share_of(2'000, 60), [&](unsigned i) {
    // The same server by another id: who comes meanwhile reaches it by the old or the new one.
    ConnectorConfig connector = connectors[i % connectors.size()];
    connector.probe = false;
    east().set_connector(connector);
  });
  ASSERT_TRUE(run_until([&] { return east().transport().status()->connectors.size() == connectors.size(); }));
  expect_clean_end();
}

TEST_F(LiveChangeSimTest, ALinkLeadsElsewhereUnderLoad) {
  AccessConfig other = east().plan().accesses.front();
  other.name = "other";
  other.port = kOtherPort;
  ASSERT_TRUE(east().transport().add_access(other));
  LinkConfig link = west().plan().links.front();
  change_under_load(share_of(500, 20), [&](unsigned i) {
    link.endpoints.front().port = i % 2 == 0 ? kOtherPort : east().plan().accesses.front().port;
    ASSERT_TRUE(west().transport().set_link(link));
    world_.run_for(Duration::milliseconds(20));
  });
  ASSERT_TRUE(run_until([&] { return open() == 0; })) << text();
  EXPECT_TRUE(run_until([&] { return links_of(west()) == 1 && links_of(east()) == 1; }));
  link.endpoints.front().port = east().plan().accesses.front().port;
  ASSERT_TRUE(west().transport().set_link(link));
  settle();
  EXPECT_TRUE(run_until([&] { return links_of(west()) == 1 && links_of(east()) == 1; }));
  ASSERT_TRUE(east().transport().remove_access("other"));
  serve_again();
  expect_clean_end();
}

TEST_F(LiveChangeSimTest, ARemovedLinkCarriesItsStreamsToTheirEnd) {
  FlowEnd* const flow = start(3'000'000);
  ASSERT_TRUE(run_until([&] { return flow->received > 50'000; }));
  ASSERT_TRUE(west().transport().remove_link("to-east"));
  EXPECT_FALSE(west().transport().remove_link("to-east"));
  // For others there is no way any more.
  const auto leads_nowhere = [](const ListenerStatus& listener) {
    return !listener.name.ends_with("-of-1") || !listener.listening;
  };
  ASSERT_TRUE(run_until(
      [&] { return std::ranges::all_of(west().transport().status()->listeners, leads_nowhere); }));
  EXPECT_FALSE(flow->over);
  ASSERT_TRUE(run_until([&] { return flow->over; }));
  EXPECT_TRUE(flow->clean()) << FlowLedger::describe(*flow);
  ASSERT_TRUE(run_until([&] { return links_of(west()) == 0 && links_of(east()) == 0; }));
  ASSERT_TRUE(west().transport().add_link(west().plan().links.front()));
  serve_again();
  expect_clean_end();
}

TEST_F(LiveChangeSimTest, LinksOfARemovedAccessEndWithTheirStreams) {
  FlowEnd* const flow = start(300'000);
  ASSERT_TRUE(run_until([&] { return flow->received > 50'000; }));
  const AccessConfig access = east().plan().accesses.front();
  ASSERT_TRUE(east().transport().remove_access(access.name));
  ASSERT_TRUE(run_until([&] { return flow->over; }));
  EXPECT_TRUE(flow->clean()) << FlowLedger::describe(*flow);
  ASSERT_TRUE(run_until([&] { return links_of(east()) == 0; }));
  EXPECT_EQ(links_of(west()), 1U);  // it dials on
  ASSERT_TRUE(east().transport().add_access(access));
  serve_again();
  expect_clean_end();
}

TEST_F(LiveChangeSimTest, ARemovedLinkDoesNotWaitForEver) {
  FlowScript stalling = script_of(3'000'000);
  stalling.stalls_at = 1'000;
  FlowEnd* const flow = world_.start_flow(0, 1, Behaviour::kEcho, stalling);
  ASSERT_TRUE(run_until([&] { return flow->received >= 1'000; }));
  ASSERT_TRUE(west().transport().remove_link("to-east"));
  const Instant removed = world_.world().now();
  ASSERT_TRUE(run_until([&] { return links_of(west()) == 0 && links_of(east()) == 0; }));
  const Duration leave_timeout = west().transport().options().leave_timeout;
  EXPECT_GE(world_.world().now() - removed, leave_timeout);
  EXPECT_LE(world_.world().now() - removed, leave_timeout + Duration::seconds(2));
  world_.apps(0).release_stalls();
  ASSERT_TRUE(run_until([&] { return flow->over; })) << text();
  EXPECT_FALSE(flow->clean());
}

TEST_F(LiveChangeSimTest, WhatIsNotThereCannotBeChanged) {
  Transport& transport = west().transport();
  EXPECT_FALSE(transport.set_listener({.name = "none", .routing_keys = std::string("k"), .host = "10.0.0.1"}));
  EXPECT_FALSE(transport.set_connector({.name = "none", .routing_key = "k", .host = "10.0.0.1"}));
  LinkConfig link;
  link.name = "none";
  EXPECT_FALSE(transport.set_link(link));
  AccessConfig access;
  access.name = "none";
  EXPECT_FALSE(transport.set_access(access));
  EXPECT_FALSE(transport.remove_connector("none"));
  EXPECT_FALSE(transport.remove_access("none"));
  // Options alone make no new connector: the routes to it stay as they are.
  ConnectorConfig connector = west().plan().connectors.front();
  connector.options.verify_host = true;
  const auto changed = transport.set_connector(connector);
  ASSERT_TRUE(changed);
  EXPECT_FALSE(*changed);
  // A port that is taken: the listener stays where it is.
  ListenerConfig listener = west().plan().listeners.front();
  const std::uint16_t port = listener.port;
  listener.port = west().plan().listeners.back().port;
  EXPECT_FALSE(transport.set_listener(listener));
  listener.port = port;
  EXPECT_TRUE(transport.set_listener(listener));
  start(10'000);
  expect_clean_end();
}

}  // namespace
}  // namespace fairlead::sim
