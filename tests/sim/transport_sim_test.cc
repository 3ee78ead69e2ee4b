// Whole sites in a simulated world: properties that deserve a world of their own. Worlds by seed are run by `simulate`.
#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/gateway_world.h"
#include "transport/base/log.h"

namespace fairlead::sim {
namespace {

constexpr Duration kPatience = Duration::seconds(30);

class TransportSimTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kError); }

  void TearDown() override { set_log_sink(nullptr); }

  // No faults, but a network that takes its time.
  static WorldPlan plain_plan() {
    WorldPlan plan;
    plan.seed = 7;
    plan.calm = false;
    plan.faults.latency_min = plan.faults.latency_max = Duration::milliseconds(1);
    plan.faults.send_buffer_bytes = plan.faults.receive_buffer_bytes = 64 * 1024;
    plan.flows = 0;
    plan.sizes.stall_percent = 0;
    return plan;
  }

  static FlowScript script_of(std::uint64_t bytes) {
    FlowScript script;
    script.bytes = bytes;
    script.send_bytes_max = script.receive_bytes_max = 50'000;
    return script;
  }

  static std::string text_of(const Verdict& verdict) {
    std::string text;
    for (const std::string& failure : verdict.failures)
      text += failure + "\n";
    return text;
  }

  // The other end of a connection, once it has heard of this one.
  static const FlowEnd* other_end(const GatewayWorld& world, const FlowEnd& end) {
    const auto& ends = const_cast<GatewayWorld&>(world).ledger().ends();
    const auto found =
        std::find_if(ends.begin(), ends.end(), [&](const FlowEnd& other) { return other.partner == end.number; });
    return found != ends.end() ? &*found : nullptr;
  }

  // Only the machine of the clients runs, until they are in the listener's queue.
  static void connect_alone(GatewayWorld& world, unsigned side) {
    for (int i = 0; i < 10; ++i) {
      world.apps(side).turn();
      world.world().spend(Duration::milliseconds(1));
    }
  }

  static void expect_rest(GatewayWorld& world) {
    if (world.judge().ok()) world.come_to_rest();
    if (world.judge().ok()) world.stop();
    EXPECT_TRUE(world.judge().ok()) << text_of(world.judge());
  }
};

TEST_F(TransportSimTest, TheSameSeedIsTheSameWorld) {
  for (const std::uint64_t seed : {11U, 12U, 13U}) {
    const Verdict first = simulate(seed);
    const Verdict second = simulate(seed);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.rounds, second.rounds) << "seed " << seed;
    EXPECT_NE(first.trace_hash, simulate(seed + 100).trace_hash);
  }
}

// Every connection enters and leaves the gateway behind the link once more, with TLS, the PROXY protocol, or both.
TEST_F(TransportSimTest, EdgesWithTlsOrProxyProtocol) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U}) {
    WorldPlan plan = plain_plan();
    plan.seed = seed;
    plan.tls_edges = seed <= 4;
    if (seed % 2 == 1) plan.proxy_edges = ProxyProtocol::kV1;
    if (seed == 4 || seed == 6) plan.proxy_edges = ProxyProtocol::kV2;
    plan.faults.latency_min = Duration::microseconds(10);
    plan.faults.short_send = plan.faults.short_receive = 300;
    plan.faults.shuffle_completions = true;
    for (SidePlan& side : plan.sides)
      side.shards = 2;
    GatewayWorld world(plan);
    world.come_up();
    ASSERT_TRUE(world.judge().ok()) << text_of(world.judge());
    std::vector<FlowEnd*> flows;
    for (const Behaviour behaviour : {Behaviour::kEcho, Behaviour::kSink, Behaviour::kSource, Behaviour::kServerFirst,
                                      Behaviour::kRespond}) {
      for (const std::uint64_t bytes : {0U, 1U, 5'000U, 16'384U, 16'385U, 400'000U})
        flows.push_back(world.start_flow(0, 1, behaviour, script_of(bytes)));
    }
    ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; })) << text_of(world.judge());
    // Headers are not the applications': all that came in from one went out to another, and nothing else.
    world.run_for(Duration::seconds(1));
    const auto sum = [&](const char* name) { return world.site(0).counter(name) + world.site(1).counter(name); };
    EXPECT_EQ(sum("edge_bytes_in"), sum("edge_bytes_out"));
    const FlowEnd* refused = world.start_flow(1, 0, Behaviour::kRefuse, script_of(1'000));
    FlowScript aborting = script_of(1'000'000);
    aborting.aborts_at_sent = 900'000;  // more than there is room for on the way
    const FlowEnd* aborted = world.start_flow(0, 1, Behaviour::kSink, aborting);
    ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; })) << text_of(world.judge());
    for (const FlowEnd* end : flows)
      EXPECT_TRUE(end->clean()) << FlowLedger::describe(*end);
    EXPECT_FALSE(refused->cut.empty()) << FlowLedger::describe(*refused);
    const FlowEnd* server = other_end(world, *aborted);
    ASSERT_NE(server, nullptr);
    EXPECT_FALSE(server->peer_finished) << FlowLedger::describe(*server);
    expect_rest(world);
  }
}

// Whether or not anything else keeps the shards awake meanwhile.
TEST_F(TransportSimTest, RoundTripsAreThoseOfTheNetwork) {
  for (const unsigned flows : {0U, 5U}) {
    WorldPlan plan = plain_plan();
    plan.faults.latency_min = plan.faults.latency_max = Duration::milliseconds(20);
    GatewayWorld world(plan);
    world.come_up();
    FlowScript pausing = script_of(200'000);
    pausing.send_bytes_max = 5'000;
    pausing.send_pause_max = Duration::milliseconds(30);
    for (unsigned i = 0; i < flows; ++i)
      world.start_flow(0, 1, Behaviour::kEcho, pausing);
    world.run_for(Duration::seconds(3));
    for (unsigned side = 0; side < 2; ++side) {
      for (const LinkStatus& link : world.site(side).transport().status()->links) {
        EXPECT_GE(link.rtt_min, Duration::milliseconds(40)) << flows << " flows";
        EXPECT_LE(link.rtt, Duration::milliseconds(45)) << flows << " flows";
      }
    }
    ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; })) << text_of(world.judge());
    expect_rest(world);
  }
}

// A stream alone on a long way has all of its window under way, and gets there soon: 1 MiB each 100 ms here.
TEST_F(TransportSimTest, AStreamOverALongWayUsesItsWindow) {
  WorldPlan plan = plain_plan();
  plan.faults.latency_min = plan.faults.latency_max = Duration::milliseconds(50);
  plan.faults.send_buffer_bytes = plan.faults.receive_buffer_bytes = 16 << 20;  // the kernel's are not the limit
  for (SidePlan& side : plan.sides)
    side.window_bytes_max = 1 << 20;
  GatewayWorld world(plan);
  world.come_up();
  FlowScript script = script_of(20 << 20);
  script.send_bytes_max = script.receive_bytes_max = 1 << 20;
  const FlowEnd* client = world.start_flow(0, 1, Behaviour::kSink, script);
  const Instant begin = world.world().now();
  ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; })) << text_of(world.judge());
  EXPECT_TRUE(client->clean()) << FlowLedger::describe(*client);
  // Twenty windows, two to grow by four, and what opening and closing take; a round trip each.
  EXPECT_LE((world.world().now() - begin).ns, Duration::milliseconds(2'600).ns);
  expect_rest(world);
}

// A message that is alone is sent on in the turn that received it: besides the receive nothing has to complete.
TEST_F(TransportSimTest, ALoneMessageIsSentOnByTheTurnThatReceivedIt) {
  WorldPlan plan = plain_plan();
  for (SidePlan& side : plan.sides)
    side.record_protection = RecordProtection::kUser;
  GatewayWorld world(plan);
  world.come_up();
  FlowScript script = script_of(300'000);
  script.send_bytes_max = 1'000;
  script.send_pause_max = Duration::milliseconds(10);
  const auto sum = [&](const char* name) { return world.site(0).counter(name) + world.site(1).counter(name); };
  const std::uint64_t before = sum("ring_completions");
  const FlowEnd* client = world.start_flow(0, 1, Behaviour::kEcho, script);
  ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; })) << text_of(world.judge());
  EXPECT_TRUE(client->clean()) << FlowLedger::describe(*client);
  world.run_for(Duration::seconds(1));
  // 840 are needed here, and 1,532 where each send completes as well.
  EXPECT_LE(sum("ring_completions") - before, 1'100U);
  expect_rest(world);
}

// A site that has nothing else to do learns of a quiet send when it next wakes, which may be for its report: nothing
// that a connection needs to go on, or to end, may have waited for that.
TEST_F(TransportSimTest, NothingWaitsForAQuietSend) {
  for (const unsigned kind : {0U, 1U, 2U, 3U}) {
    WorldPlan plan = plain_plan();
    plan.tls_edges = (kind & 1) != 0;
    // Batches that leave in parts, the last of which is small.
    const bool large = (kind & 2) != 0;
    if (large) plan.faults.short_send = 500;
    plan.sizes.pause_max = {};
    for (SidePlan& side : plan.sides)
      side.record_protection = RecordProtection::kUser;
    plan.faults.latency_min = plan.faults.latency_max = Duration::microseconds(10);
    // A window that one quiet send may empty.
    for (SidePlan& side : plan.sides)
      side.initial_window_bytes = side.window_bytes_max = large ? 64 * 1024 : 16 * 1024;
    GatewayWorld world(plan);
    world.come_up();
    for (const unsigned server_side : {0U, 1U}) {
      for (const Behaviour behaviour : {Behaviour::kEcho, Behaviour::kSink, Behaviour::kSource, Behaviour::kServerFirst,
                                        Behaviour::kRespond}) {
        for (const std::uint64_t bytes : {1U, 4'000U, 400'000U}) {
          FlowScript script = script_of(bytes);
          script.send_bytes_max = script.receive_bytes_max = large ? 50'000 : 4'000;
          const FlowEnd* client = world.start_flow(0, server_side, behaviour, script);
          const Instant begin = world.world().now();
          ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; }))
              << text_of(world.judge());
          EXPECT_TRUE(client->clean()) << FlowLedger::describe(*client);
          EXPECT_LT((world.world().now() - begin).microseconds(), 100'000) << FlowLedger::describe(*client);
        }
      }
    }
    expect_rest(world);
  }
}

// Ten readers stall with megabytes on their way; everybody else goes on, and the stalled hold their windows and no
// more.
TEST_F(TransportSimTest, StalledReadersHoldUpNobodyAndHoldLittle) {
  WorldPlan plan = plain_plan();
  for (SidePlan& side : plan.sides) {
    side.shards = 2;
    side.link_blocks = 16;
    side.window_bytes_max = 64 * 1024;
  }
  GatewayWorld world(plan);
  world.come_up();
  ASSERT_TRUE(world.judge().ok()) << text_of(world.judge());
  std::vector<FlowEnd*> stalled;
  FlowScript stalling = script_of(1'000'000);
  stalling.stalls_at = 16;
  for (int i = 0; i < 10; ++i)
    stalled.push_back(world.start_flow(0, 1, Behaviour::kEcho, stalling));
  world.run_until(Duration::seconds(2), [] { return false; });
  std::vector<FlowEnd*> others;
  for (int i = 0; i < 6; ++i) {
    others.push_back(world.start_flow(0, 1, Behaviour::kEcho, script_of(300'000)));
    others.push_back(world.start_flow(1, 0, Behaviour::kSource, script_of(1'000)));
  }
  const bool over = world.run_until(
      kPatience, [&] { return std::all_of(others.begin(), others.end(), [](FlowEnd* e) { return e->over; }); });
  EXPECT_TRUE(over) << text_of(world.judge()) << world.world().describe();
  for (const FlowEnd* end : others)
    EXPECT_TRUE(end->clean()) << FlowLedger::describe(*end);
  for (const FlowEnd* end : stalled) {
    EXPECT_FALSE(end->over) << FlowLedger::describe(*end);
    const FlowEnd* server = other_end(world, *end);
    ASSERT_NE(server, nullptr);
    // The window; what the gateway's connection to its server may read ahead; socket buffers at four places.
    const std::uint64_t held = server->sent - end->received;
    EXPECT_LE(held, 64U * 1024 + 256 * 1024 + 4 * 64 * 1024) << FlowLedger::describe(*server);
    EXPECT_GE(held, 64U * 1024) << FlowLedger::describe(*server);
  }
  expect_rest(world);
}

// Where most ports are taken the kernel looks for a free one for longer than all else takes. Of a crowd of clients
// only so many are dialled for in a turn, or the peer would take this end for dead. The others wait for longer than a
// connect may take, and those who are there already go on.
TEST_F(TransportSimTest, ACrowdOfClientsWhoseConnectsAreSlowCostsNobodyAnything) {
  WorldPlan plan = plain_plan();
  for (SidePlan& side : plan.sides)
    side.connections_per_shard_max = side.streams_per_session_max = 4'000;
  plan.sizes.pause_max = {};
  GatewayWorld world(plan);
  world.come_up();
  FlowScript talking = script_of(100'000);
  talking.send_bytes_max = 100;
  talking.send_pause_max = Duration::milliseconds(20);
  std::vector<FlowEnd*> there;
  for (int i = 0; i < 100; ++i)
    there.push_back(world.start_flow(0, 1, Behaviour::kEcho, talking));
  const auto talks = [](const FlowEnd* end) { return end->received > 0; };
  ASSERT_TRUE(world.run_until(kPatience, [&] { return std::ranges::all_of(there, talks); })) << text_of(world.judge());
  world.site(1).kernel().options().connect_cost = Duration::milliseconds(4);
  for (int i = 0; i < 3'000; ++i)
    world.start_flow(0, 1, Behaviour::kEcho, script_of(100));
  ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; })) << text_of(world.judge());
  for (const FlowEnd& end : world.ledger().ends())
    ASSERT_TRUE(end.clean()) << FlowLedger::describe(end);
  EXPECT_EQ(world.site(1).counter("gather_exhausted"), 0U);
  expect_rest(world);
}

TEST_F(TransportSimTest, AnAbortReachesTheOtherEnd) {
  GatewayWorld world(plain_plan());
  world.come_up();
  FlowScript aborting = script_of(1'000'000);
  aborting.aborts_at_sent = 300'000;
  const FlowEnd* client = world.start_flow(0, 1, Behaviour::kSink, aborting);
  ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; })) << text_of(world.judge());
  const FlowEnd* server = other_end(world, *client);
  ASSERT_NE(server, nullptr);
  EXPECT_FALSE(server->cut.empty()) << FlowLedger::describe(*server);
  EXPECT_FALSE(server->peer_finished) << FlowLedger::describe(*server);
  const FlowEnd* refused = world.start_flow(1, 0, Behaviour::kRefuse, script_of(1'000));
  ASSERT_TRUE(world.run_until(kPatience, [&] { return refused->over; }));
  EXPECT_FALSE(refused->cut.empty()) << FlowLedger::describe(*refused);
  expect_rest(world);
}

// Who comes when all slots are taken is reset: an end of stream would look like an empty answer.
TEST_F(TransportSimTest, ClientsBeyondALimitAreReset) {
  for (const bool streams : {false, true}) {
    WorldPlan plan = plain_plan();
    (streams ? plan.sides[0].streams_per_session_max : plan.sides[0].connections_per_shard_max) = 1;
    GatewayWorld world(plan);
    world.come_up();
    FlowScript stalling = script_of(100'000);
    stalling.stalls_at = 16;
    const FlowEnd* first = world.start_flow(0, 1, Behaviour::kEcho, stalling);
    ASSERT_TRUE(world.run_until(kPatience, [&] { return first->received >= 16; })) << text_of(world.judge());
    std::vector<FlowEnd*> others;
    for (int i = 0; i < 3; ++i)
      others.push_back(world.start_flow(0, 1, Behaviour::kEcho, script_of(1'000)));
    ASSERT_TRUE(world.run_until(kPatience, [&] {
      return std::all_of(others.begin(), others.end(), [](FlowEnd* end) { return end->over; });
    })) << text_of(world.judge());
    for (const FlowEnd* end : others) {
      EXPECT_FALSE(end->cut.empty()) << FlowLedger::describe(*end);
      EXPECT_FALSE(end->peer_finished) << FlowLedger::describe(*end);
    }
    // Counted; shards report four times a second.
    const std::string counter = streams ? "streams_exhausted" : "edges_exhausted";
    EXPECT_TRUE(world.run_until(Duration::seconds(1), [&] { return world.site(0).counter(counter) == 3; }))
        << counter << " is " << world.site(0).counter(counter);
    expect_rest(world);
    EXPECT_TRUE(first->clean()) << FlowLedger::describe(*first);
  }
}

// A status says that a listener has a connector as soon as the shards were told. One that has not run since then has
// both the news and the first client in its next turn.
TEST_F(TransportSimTest, AClientThatComesRightAfterTheStatusNamedARouteIsServed) {
  GatewayWorld world(plain_plan());
  world.come_up();
  GatewaySite& site = world.site(0);
  SitePlan& plan = site.plan();
  const std::string host = plan.listeners.front().host;
  while (!world.apps(0).serve(9'000, Behaviour::kEcho, "late")) {
  }
  plan.listeners.push_back({.name = "late", .routing_keys = std::string("late"), .host = host, .port = 9'001});
  world.run_until(Duration::seconds(1), [] { return false; });  // its shards accept
  ASSERT_TRUE(site.transport().status()->listeners.back().reachable_keys.empty());
  plan.connectors.push_back(
      {.name = "late", .routing_key = "late", .host = plan.connectors.front().host, .port = 9'000});
  site.set_up();
  while (site.transport().status()->listeners.back().reachable_keys.empty())
    site.turn(0);
  const FlowEnd* client = world.apps(0).connect(site.kernel().address(9'001), "late", script_of(1'000));
  connect_alone(world, 0);
  EXPECT_TRUE(world.run_until(kPatience, [&] { return client->over; })) << text_of(world.judge());
  EXPECT_TRUE(client->clean()) << FlowLedger::describe(*client);
  expect_rest(world);
}

// A listener that is told to end has clients in its queue, of which it hears later.
TEST_F(TransportSimTest, AClientThatComesWithTheEndOfAListenerIsReset) {
  GatewayWorld world(plain_plan());
  world.come_up();
  world.run_until(Duration::seconds(1), [] { return false; });  // nothing is left to do
  world.site(0).drain();
  FlowScript silent = script_of(1'000);  // a connection that is closed with bytes unread is reset by itself
  silent.sending = FlowScript::Sending::kAfterPeerFinished;
  const FlowEnd* client = world.start_flow(0, 1, Behaviour::kSource, silent);
  connect_alone(world, 0);
  EXPECT_TRUE(world.run_until(kPatience, [&] { return client->over; })) << text_of(world.judge());
  EXPECT_FALSE(client->cut.empty()) << FlowLedger::describe(*client);
  EXPECT_FALSE(client->peer_finished) << FlowLedger::describe(*client);
  world.stop();
  EXPECT_TRUE(world.judge().ok()) << text_of(world.judge());
}

TEST_F(TransportSimTest, AKilledSiteCutsWhatWentThroughItAndServesAgain) {
  WorldPlan plan = plain_plan();
  plan.sides[0].shards = 3;
  plan.sides[1].shards = 2;
  GatewayWorld world(plan);
  world.come_up();
  std::vector<FlowEnd*> cut;
  for (int i = 0; i < 8; ++i)
    cut.push_back(world.start_flow(0, 1, Behaviour::kEcho, script_of(20'000'000)));
  world.run_until(Duration::milliseconds(100), [] { return false; });
  EXPECT_EQ(world.site(1).kill(), "");
  ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; })) << text_of(world.judge());
  for (const FlowEnd* end : cut) {
    EXPECT_FALSE(end->cut.empty()) << FlowLedger::describe(*end);
    EXPECT_FALSE(end->peer_finished) << FlowLedger::describe(*end);
  }
  // Down for so long that the pause between two dials is as long as it gets: a peer that returns is linked within two
  // seconds all the same.
  world.run_until(Duration::seconds(10), [] { return false; });
  ASSERT_TRUE(world.site(1).start());
  ASSERT_TRUE(
      world.run_until(Duration::seconds(2), [&] { return world.site(0).links_up() && world.site(1).links_up(); }))
      << world.site(0).describe_links() << world.site(1).describe_links();
  const FlowEnd* again = world.start_flow(0, 1, Behaviour::kRespond, script_of(1'000));
  ASSERT_TRUE(world.run_until(kPatience, [&] { return again->over; })) << text_of(world.judge());
  EXPECT_TRUE(again->clean()) << FlowLedger::describe(*again);
  expect_rest(world);
}

// A hub with three addresses that is down: one warning each, and a status that says since when.
TEST_F(TransportSimTest, FailuresOfSeveralEndpointsAreSaidOnceAndKeepTheirTime) {
  static std::vector<std::string> warnings;
  warnings.clear();
  GatewayWorld world(plain_plan());
  EXPECT_EQ(world.site(0).kill(), "");
  EXPECT_EQ(world.site(1).kill(), "");
  set_log_level(LogLevel::kWarning);
  set_log_sink([](LogLevel, std::string_view line) noexcept { warnings.emplace_back(line); });
  std::vector<HostPort>& endpoints = world.site(0).plan().links.at(0).endpoints;
  const HostPort access = endpoints.at(0);
  endpoints = {{access.host, 1}, {access.host, 2}, access};
  ASSERT_TRUE(world.site(0).start());
  const auto link_after = [&](Duration time) {
    world.run_until(time, [] { return false; });
    return world.site(0).transport().status()->links.at(0);
  };

  const LinkStatus first = link_after(Duration::seconds(3));
  const LinkStatus later = link_after(Duration::seconds(10));
  EXPECT_GE(later.dials, first.dials + 9);
  EXPECT_EQ(later.since_unix_s, first.since_unix_s);
  ASSERT_TRUE(first.last_error && later.last_error);
  EXPECT_EQ(later.last_error->since_unix_s, first.last_error->since_unix_s);
  EXPECT_EQ(warnings.size(), 3U) << testing::PrintToString(warnings);

  ASSERT_TRUE(world.site(1).start());
  ASSERT_TRUE(world.run_until(kPatience, [&] { return world.site(0).links_up(); })) << world.site(0).describe_links();
  const LinkStatus up = link_after(Duration::seconds(2));
  EXPECT_GT(up.since_unix_s, later.since_unix_s);
  EXPECT_EQ(world.site(1).kill(), "");
  const LinkStatus down = link_after(Duration::seconds(5));
  EXPECT_GT(down.since_unix_s, up.since_unix_s);
  ASSERT_TRUE(down.last_error);
  EXPECT_GE(down.last_error->since_unix_s, down.since_unix_s);
  // That it went down, and the three again.
  EXPECT_EQ(warnings.size(), 7U) << testing::PrintToString(warnings);
  ASSERT_TRUE(world.site(1).start());
  expect_rest(world);
}

TEST_F(TransportSimTest, ALinkThatFallsSilentIsNoticedAndComesBack) {
  GatewayWorld world(plain_plan());
  world.come_up();
  const FlowEnd* flow = world.start_flow(0, 1, Behaviour::kEcho, script_of(50'000'000));
  world.run_until(Duration::milliseconds(50), [] { return false; });
  ASSERT_FALSE(flow->over);
  const Instant cut_at = world.world().now();
  world.world().partition(world.site(0).kernel(), world.site(1).kernel());
  ASSERT_TRUE(world.run_until(kPatience, [&] { return world.ledger().open_count() == 0; }));
  // What was under way still arrives; then 400 ms of silence.
  EXPECT_LE((world.world().now() - cut_at).milliseconds(), 500);
  EXPECT_FALSE(flow->cut.empty());
  world.heal();
  EXPECT_TRUE(world.judge().ok()) << text_of(world.judge());
  expect_rest(world);
}

// A connection dies in silence, and one end notices long before the other. The new run of the link must be one for
// both, with routes over it.
TEST_F(TransportSimTest, BothEndsAgreeOnWhenALinkWasLost) {
  for (const unsigned slow : {0U, 1U}) {
    WorldPlan plan = plain_plan();
    plan.sides[slow].silent_limit = Duration::seconds(5);
    plan.faults.strike_bytes_max = 100'000;
    plan.faults.silence = 10'000;
    GatewayWorld world(plan);
    world.come_up();
    world.world().faults().silence = 0;
    const FlowEnd* lost = world.start_flow(0, 1, Behaviour::kEcho, script_of(50'000'000));
    ASSERT_TRUE(world.run_until(kPatience, [&] { return lost->over; })) << text_of(world.judge());
    EXPECT_FALSE(lost->cut.empty());
    // Long enough for the slow end, and for a link that it alone takes for a new one.
    world.run_until(Duration::seconds(8), [] { return false; });
    EXPECT_TRUE(world.site(0).links_up() && world.site(1).links_up())
        << world.site(0).describe_links() << world.site(1).describe_links();
    const FlowEnd* there = world.start_flow(0, 1, Behaviour::kEcho, script_of(1'000));
    const FlowEnd* back = world.start_flow(1, 0, Behaviour::kEcho, script_of(1'000));
    EXPECT_TRUE(world.run_until(kPatience, [&] { return there->over && back->over; }));
    EXPECT_TRUE(there->clean()) << "slow " << slow << ": " << FlowLedger::describe(*there);
    EXPECT_TRUE(back->clean()) << "slow " << slow << ": " << FlowLedger::describe(*back);
    expect_rest(world);
  }
}

// Tens of thousands of tiny pieces that nobody reads: they hold blocks of their size, and no more nodes than blocks.
TEST_F(TransportSimTest, TinyPiecesThatNobodyReadsArePacked) {
  WorldPlan plan = plain_plan();
  for (SidePlan& side : plan.sides)
    side.record_protection = RecordProtection::kUser;  // the kernel takes more at a time: the pieces would not be tiny
  plan.faults.send_buffer_bytes = plan.faults.receive_buffer_bytes = 4 * 1024;
  plan.sizes.stall_percent = 100;
  plan.sizes.bytes_max = 1'000;
  GatewayWorld world(plan);
  world.come_up();
  FlowScript dribbling = script_of(60'000);
  dribbling.send_bytes_max = 20;
  for (int i = 0; i < 8; ++i)
    world.start_flow(0, 1, Behaviour::kSink, dribbling);
  world.run_until(Duration::seconds(10), [] { return false; });
  EXPECT_GE(world.ledger().open_count(), 8U);  // the stalled servers
  for (unsigned side = 0; side < 2; ++side) {
    for (const auto& shard : world.site(side).transport().shards()) {
      const ShardUsage usage = shard->usage();
      EXPECT_LE(usage.slice_nodes, 8U * 30) << "site " << side;
      EXPECT_LE(usage.small_blocks, 8U * 30) << "site " << side;
    }
  }
  expect_rest(world);
}

}  // namespace
}  // namespace fairlead::sim
