// Connections that carry nothing end, those that carry something do not, and there are no more than a limit allows.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/gateway_world.h"
#include "transport/base/log.h"

namespace fairlead::sim {
namespace {

constexpr Duration kPatience = Duration::seconds(60);

class EdgeOptionsSimTest : public testing::Test {
 protected:
  EdgeOptionsSimTest() : world_(plan()) {
    set_log_level(LogLevel::kError);
    world_.come_up();
  }

  static WorldPlan plan() {
    WorldPlan plan;
    plan.seed = 5;
    plan.calm = false;  // connections are cut
    plan.faults.latency_min = plan.faults.latency_max = Duration::microseconds(100);
    plan.faults.send_buffer_bytes = plan.faults.receive_buffer_bytes = 64 * 1024;
    plan.flows = 0;
    plan.sizes.stall_percent = 0;
    for (SidePlan& side : plan.sides) {
      side.shards = 2;
      side.window_bytes_max = 64 * 1024;
    }
    return plan;
  }

  GatewaySite& west() { return world_.site(0); }
  GatewaySite& east() { return world_.site(1); }

  static void limit(GatewaySite& site, bool listeners, const ConnectionLimits& limits) {
    for (ListenerConfig listener : site.plan().listeners) {
      listener.options.limits = limits;
      if (listeners) {
        ASSERT_TRUE(site.transport().set_listener(listener));
      }
    }
    for (ConnectorConfig connector : site.plan().connectors) {
      connector.options.limits = limits;
      if (!listeners) {
        ASSERT_TRUE(site.transport().set_connector(connector));
      }
    }
  }

  FlowEnd* start(Behaviour behaviour, const FlowScript& script) { return world_.start_flow(0, 1, behaviour, script); }

  // It stops to read, and soon nothing moves.
  static FlowScript stalling(std::uint64_t bytes) {
    FlowScript script = script_of(bytes);
    script.stalls_at = 1'000;
    return script;
  }

  static FlowScript script_of(std::uint64_t bytes) {
    FlowScript script;
    script.bytes = bytes;
    script.send_bytes_max = script.receive_bytes_max = 20'000;
    return script;
  }

  bool run_until(auto done) { return world_.run_until(kPatience, done); }

  void run_for(Duration duration) { world_.run_for(duration); }

  std::uint64_t refused_by_listeners() {
    std::uint64_t refused = 0;
    for (const ListenerStatus& listener : west().transport().status()->listeners)
      refused += listener.refused;
    return refused;
  }

  void expect_rest() {
    world_.apps(0).release_stalls();
    EXPECT_TRUE(run_until([&] { return world_.ledger().open_count() == 0; })) << text();
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

  GatewayWorld world_;
};

TEST_F(EdgeOptionsSimTest, ConnectionsThatCarryNothingEnd) {
  for (const bool listeners : {true, false}) {
    const std::uint64_t before = (listeners ? west() : east()).counter("edges_idle");
    ConnectionLimits limits;
    limits.idle_timeout = Duration::seconds(2);
    limit(listeners ? west() : east(), listeners, limits);
    const FlowEnd* const idle = start(Behaviour::kEcho, stalling(3'000'000));
    FlowScript slow = script_of(40'000);
    slow.send_bytes_max = 2'000;
    slow.send_pause_max = Duration::milliseconds(1'500);
    const FlowEnd* const active = start(Behaviour::kEcho, slow);
    const FlowEnd* const one_way = start(Behaviour::kSink, slow);
    ASSERT_TRUE(run_until([&] { return idle->received >= 1'000; }));
    const Instant stalled = world_.world().now();
    // A client that does not read is not told; its server is.
    GatewaySite& site = listeners ? west() : east();
    ASSERT_TRUE(run_until([&] { return site.counter("edges_idle") > before; })) << FlowLedger::describe(*idle);
    EXPECT_GE(world_.world().now() - stalled, limits.idle_timeout);
    ASSERT_TRUE(run_until([&] { return active->over && one_way->over; })) << text();
    EXPECT_TRUE(active->clean()) << FlowLedger::describe(*active);
    EXPECT_TRUE(one_way->clean()) << FlowLedger::describe(*one_way);
    run_for(Duration::milliseconds(600));  // until it is in the status
    EXPECT_EQ(site.counter("edges_idle"), before + 1);
    world_.apps(0).release_stalls();
    ASSERT_TRUE(run_until([&] { return idle->over; })) << text();
    EXPECT_FALSE(idle->cut.empty()) << FlowLedger::describe(*idle);
    limit(site, listeners, {});
  }
  expect_rest();
}

// A client that sends with pauses, of which some are short enough and one is not: only the timer, which was armed
// before its last byte, can tell.
TEST_F(EdgeOptionsSimTest, ConnectionsEndThatWereBusyBefore) {
  ConnectionLimits limits;
  limits.idle_timeout = Duration::seconds(2);
  limit(west(), true, limits);
  FlowScript pausing = script_of(1'000'000);
  pausing.send_bytes_max = 2'000;
  pausing.send_pause_max = Duration::seconds(3);
  const Instant began = world_.world().now();
  const FlowEnd* const idle = start(Behaviour::kSink, pausing);
  ASSERT_TRUE(run_until([&] { return idle->over; })) << FlowLedger::describe(*idle);
  EXPECT_FALSE(idle->cut.empty()) << FlowLedger::describe(*idle);
  EXPECT_FALSE(idle->finished) << FlowLedger::describe(*idle);
  EXPECT_GT(world_.world().now() - began, limits.idle_timeout + Duration::milliseconds(100));
  run_for(Duration::milliseconds(600));
  EXPECT_EQ(west().counter("edges_idle"), 1);
  expect_rest();
}

TEST_F(EdgeOptionsSimTest, HalfClosedConnectionsHaveATimeoutOfTheirOwn) {
  ConnectionLimits limits;
  limits.half_closed_timeout = Duration::seconds(2);
  limit(west(), true, limits);
  // Says all that it has to say, and then does not read the answer; the other one takes its time to say it.
  const FlowEnd* const half_closed = start(Behaviour::kEcho, stalling(1'000'000));
  FlowScript pausing = script_of(120'000);
  pausing.send_pause_max = Duration::seconds(8);
  const FlowEnd* const open = start(Behaviour::kSink, pausing);
  ASSERT_TRUE(run_until([&] { return half_closed->finished; }));
  run_for(Duration::seconds(4));
  EXPECT_EQ(west().counter("edges_idle"), 1);
  world_.apps(0).release_stalls();
  ASSERT_TRUE(run_until([&] { return half_closed->over && open->over; }));
  EXPECT_FALSE(half_closed->cut.empty()) << FlowLedger::describe(*half_closed);
  EXPECT_TRUE(open->clean()) << FlowLedger::describe(*open);
  // One that answers late, but in time.
  FlowScript slow = script_of(20'000);
  slow.send_bytes_max = slow.receive_bytes_max = 2'000;
  slow.receive_pause_max = Duration::milliseconds(1'500);
  const FlowEnd* const answered = start(Behaviour::kRespond, slow);
  ASSERT_TRUE(run_until([&] { return answered->over; })) << text();
  EXPECT_TRUE(answered->clean()) << FlowLedger::describe(*answered);
  expect_rest();
}

TEST_F(EdgeOptionsSimTest, AListenerRefusesMoreThanItsLimit) {
  ConnectionLimits limits;
  limits.connections_max = 3;
  limit(west(), true, limits);
  for (int round = 0; round < 3; ++round) {
    std::vector<const FlowEnd*> held;
    for (int i = 0; i < 3; ++i) {
      held.push_back(start(Behaviour::kEcho, stalling(300'000)));
      ASSERT_TRUE(run_until([&] { return held.back()->received >= 1'000 || held.back()->over; }));
    }
    const std::uint64_t refused_before = refused_by_listeners();
    const FlowEnd* const refused = start(Behaviour::kEcho, script_of(1'000));
    ASSERT_TRUE(run_until([&] { return refused->over; })) << text();
    EXPECT_FALSE(refused->cut.empty()) << FlowLedger::describe(*refused);
    // Each listener has a limit of its own.
    const FlowEnd* const other = start(Behaviour::kSink, script_of(1'000));
    ASSERT_TRUE(run_until([&] { return other->over; })) << text();
    EXPECT_TRUE(other->clean()) << FlowLedger::describe(*other);
    run_for(Duration::milliseconds(600));
    EXPECT_EQ(refused_by_listeners(), refused_before + 1);
    world_.apps(0).release_stalls();
    ASSERT_TRUE(run_until([&] { return world_.ledger().open_count() == 0; })) << text();
    for (const FlowEnd* end : held)
      EXPECT_TRUE(end->clean()) << FlowLedger::describe(*end);
  }
  const auto status = west().transport().status();
  const bool said = std::ranges::any_of(status->listeners, [](const ListenerStatus& listener) {
    return listener.last_refused && listener.last_refused->code == ErrorCode::kLimit;
  });
  EXPECT_TRUE(said);
  expect_rest();
}

TEST_F(EdgeOptionsSimTest, AConnectorTakesNoMoreThanItsLimit) {
  ConnectionLimits limits;
  limits.connections_max = 1;
  limit(east(), false, limits);
  const FlowEnd* const held = start(Behaviour::kEcho, stalling(300'000));
  ASSERT_TRUE(run_until([&] { return held->received >= 1'000; }));
  const FlowEnd* const refused = start(Behaviour::kEcho, script_of(1'000));
  ASSERT_TRUE(run_until([&] { return refused->over; })) << text();
  EXPECT_FALSE(refused->cut.empty()) << FlowLedger::describe(*refused);
  limits.connections_max = 0;
  limit(east(), false, limits);
  const FlowEnd* const taken = start(Behaviour::kEcho, script_of(1'000));
  ASSERT_TRUE(run_until([&] { return taken->over; })) << text();
  EXPECT_TRUE(taken->clean()) << FlowLedger::describe(*taken);
  expect_rest();
}

}  // namespace
}  // namespace fairlead::sim
