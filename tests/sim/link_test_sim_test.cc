// Link tests: what they measure is what the network is, whatever becomes of it; and what peers may ask of meters.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "tests/sim/gateway_world.h"
#include "transport/base/log.h"
#include "transport/session.h"

namespace fairlead::sim {
namespace {

constexpr Duration kPatience = Duration::seconds(60);
constexpr Duration kLatency = Duration::milliseconds(20);

class LinkTestSimTest : public testing::Test {
 protected:
  LinkTestSimTest() : world_(plan()) {
    set_log_level(LogLevel::kError);
    world_.come_up();
  }

  static WorldPlan plan() {
    WorldPlan plan;
    plan.seed = 9;
    plan.calm = false;
    plan.faults.latency_min = plan.faults.latency_max = kLatency;
    plan.faults.send_buffer_bytes = plan.faults.receive_buffer_bytes = 256 * 1024;
    plan.flows = 0;
    plan.sizes.stall_percent = 0;
    plan.sides[0].shards = 2;
    return plan;
  }

  Transport& west() { return world_.site(0).transport(); }

  Transport& east() { return world_.site(1).transport(); }

  std::string name_of_link() { return west().status()->links.front().name; }

  std::string name_of_west() { return east().status()->links.front().remote_site_name; }

  Result<std::uint64_t> begin(Transport& transport, const std::string& name) {
    return transport.begin_link_test(name, {.idle = Duration::seconds(1), .transfer = Duration::seconds(2)});
  }

  std::optional<LinkTestReport> result_of(Transport& transport, std::uint64_t test) {
    EXPECT_TRUE(run_until([&] { return transport.link_test(test)->done; }));
    return transport.link_test(test);
  }

  bool run_until(auto done) { return world_.run_until(kPatience, done); }

  void expect_rest() {
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

  // What a peer asks for that does not keep to what a link test does.
  MeterEnd* open(MeterService service, std::unique_ptr<MeterEnd> end) {
    Meters& meters = shard().meters();
    for (std::uint64_t session = 0; session < 100; ++session) {
      if (shard().find_session(session) == nullptr) continue;
      MeterEnd* const made = end.get();
      EXPECT_EQ(meters.open(session, service, std::move(end)), ResetCode::kNone);
      made->hold();
      return made;
    }
    ADD_FAILURE() << "no session";
    return nullptr;
  }

  Shard& shard() { return *west().shards().front(); }

  GatewayWorld world_;
};

TEST_F(LinkTestSimTest, MeasuresTheNetwork) {
  const auto test = begin(west(), name_of_link());
  ASSERT_TRUE(test) << test.error().message;
  const auto report = result_of(west(), *test);
  const LinkTestFindings& found = report->findings;
  ASSERT_FALSE(found.error) << found.error->message;
  EXPECT_EQ(report->sessions, 2U);
  for (const auto& round_trips : found.round_trips) {
    ASSERT_GT(round_trips.size(), 100U);
    EXPECT_GE(std::ranges::min(round_trips), kLatency * 2);
  }
  EXPECT_LE(std::ranges::max(found.round_trips[0]), kLatency * 2 + Duration::milliseconds(5));
  // A window of the simulated network for each round trip is the most that a session can have.
  for (const LinkTestTransfer& transfer : {found.upload, found.download}) {
    EXPECT_GT(transfer.bits_per_second(), 2 * 8 * 0.3 * 256 * 1024 / 0.04);
    EXPECT_LT(transfer.bits_per_second(), 2 * 8 * 2.5 * 256 * 1024 / 0.04);
    EXPECT_GT(transfer.took, Duration::milliseconds(1'900));
    EXPECT_LT(transfer.took, Duration::milliseconds(2'600));
  }
  // What was confirmed was sent, and what was counted came.
  world_.run_for(Duration::milliseconds(600));  // until the shards reported
  const LinkStatus link = west().status()->links.front();
  EXPECT_GE(link.bytes_out, found.upload.bytes);
  EXPECT_GE(link.bytes_in, found.download.bytes);
  EXPECT_LT(link.bytes_out, found.upload.bytes + found.upload.bytes / 4);
  expect_rest();
}

TEST_F(LinkTestSimTest, BothEndsMayTestBesideTraffic) {
  FlowScript script;
  script.bytes = 500'000;
  script.send_bytes_max = script.receive_bytes_max = 20'000;
  script.send_pause_max = Duration::milliseconds(100);
  for (int i = 0; i < 5; ++i)
    world_.start_flow(0, 1, Behaviour::kEcho, script);
  const auto ours = begin(west(), name_of_link());
  const auto theirs = begin(east(), name_of_west());
  ASSERT_TRUE(ours && theirs);
  const auto again = begin(west(), name_of_link());
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("being tested already"), std::string::npos) << again.error().message;
  for (const auto& report : {result_of(west(), *ours), result_of(east(), *theirs)}) {
    EXPECT_FALSE(report->findings.error) << report->findings.error->message;
    EXPECT_GT(report->findings.upload.bytes, 0U);
    EXPECT_GT(report->findings.download.bytes, 0U);
  }
  EXPECT_TRUE(begin(west(), name_of_link())) << "once it is done, another one may begin";
  ASSERT_TRUE(run_until([&] { return world_.ledger().open_count() == 0; })) << text();
  for (const FlowEnd& end : world_.ledger().ends())
    EXPECT_TRUE(end.clean()) << FlowLedger::describe(end);
  expect_rest();
}

TEST_F(LinkTestSimTest, ALinkThatIsLostMeanwhileIsToldSo) {
  for (const Duration after : {Duration::milliseconds(500), Duration::seconds(2), Duration::milliseconds(4'500)}) {
    ASSERT_TRUE(run_until([&] { return world_.site(0).links_up(); }));
    const auto test = begin(west(), name_of_link());
    ASSERT_TRUE(test) << test.error().message;
    world_.schedule_disaster(
        {.kind = Disaster::Kind::kCutLink, .side = 0, .other = 1, .after = after, .lasts = Duration::seconds(2)});
    const auto report = result_of(west(), *test);
    ASSERT_TRUE(report->findings.error) << "after " << after.milliseconds() << " ms";
    EXPECT_NE(report->findings.error->message.find("was lost"), std::string::npos) << report->findings.error->message;
    const auto down = begin(west(), name_of_link());
    if (!world_.site(0).links_up() && !down) {
      EXPECT_NE(down.error().message.find("is not up"), std::string::npos) << down.error().message;
    }
  }
  const auto unknown = begin(west(), "nowhere");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  world_.heal();
  expect_rest();
}

TEST_F(LinkTestSimTest, AStopEndsATest) {
  const auto stopped = begin(west(), name_of_link());
  ASSERT_TRUE(stopped);
  world_.run_for(Duration::milliseconds(500));
  for (const auto& shard : west().shards())
    shard->meters().stop();
  const auto report = result_of(west(), *stopped);
  ASSERT_TRUE(report->findings.error) << "the link is still there";
  EXPECT_NE(report->findings.error->message.find("was ended"), std::string::npos) << report->findings.error->message;
  ASSERT_TRUE(begin(west(), name_of_link()));
  ASSERT_TRUE(begin(east(), name_of_west()));
  world_.run_for(Duration::milliseconds(1'500));
  world_.stop();
  EXPECT_TRUE(world_.judge().ok()) << text();
}

TEST_F(LinkTestSimTest, APeerThatAsksForTooMuchIsReset) {
  MeterEnd* const flood = open(MeterService::kEcho, std::make_unique<MeterSource>(shard()));
  ASSERT_TRUE(run_until([&] { return flood->over(); })) << "an echo that holds what it cannot send";
  EXPECT_EQ(flood->lost(), ResetCode::kLimit);
  flood->release();
  ASSERT_TRUE(run_until([&] { return shard().meters().empty(); }));
  std::vector<MeterEnd*> many;
  for (std::size_t i = 0; i <= Meters::kServedOfSessionMax; ++i)
    many.push_back(open(MeterService::kEcho, std::make_unique<MeterProbe>(shard())));
  ASSERT_TRUE(run_until([&] { return many.back()->over(); }));
  EXPECT_EQ(many.back()->lost(), ResetCode::kLimit);
  EXPECT_TRUE(std::ranges::none_of(many.begin(), many.end() - 1, &MeterEnd::over));
  // Those that stand still end, so that others have their turn.
  const Instant opened = world_.world().now();
  ASSERT_TRUE(world_.run_until(Meters::kIdleMax * 2, [&] { return std::ranges::all_of(many, &MeterEnd::over); }));
  EXPECT_EQ(many.front()->lost(), ResetCode::kIdle);
  EXPECT_GE(world_.world().now() - opened, Meters::kIdleMax - Duration::seconds(1));
  for (MeterEnd* end : many)
    end->release();
  ASSERT_TRUE(run_until([&] { return shard().meters().empty(); }));
  // And what was given back is what was sent: a probe understands it.
  auto* const probe = static_cast<MeterProbe*>(open(MeterService::kEcho, std::make_unique<MeterProbe>(shard())));
  std::vector<Duration> round_trips;
  ASSERT_TRUE(run_until([&] {
    probe->probe();
    for (const Duration sample : probe->take_round_trips())
      round_trips.push_back(sample);
    return round_trips.size() >= 2'000;  // more than a window of bytes
  }));
  EXPECT_LE(std::ranges::max(round_trips), kLatency * 2 + Duration::milliseconds(5));
  probe->release();
  expect_rest();
}

// The end of a peer's own: what it gets of us.
class Listening final : public MeterEnd {
 public:
  explicit Listening(Shard& shard) : MeterEnd(shard) {}

  void deliver(Slice bytes) noexcept override {
    received += bytes.size();
    zeros =
        zeros && std::all_of(bytes.data(), bytes.data() + bytes.size(), [](std::uint8_t byte) { return byte == 0; });
    took(bytes.size());
  }

  void pump() noexcept override {}

  std::uint64_t received = 0;
  bool zeros = true;
};

// Sends what a probe never sent.
class Babbling final : public MeterEnd {
 public:
  explicit Babbling(Shard& shard) : MeterEnd(shard) {}

  void deliver(Slice bytes) noexcept override { took(bytes.size()); }

  void pump() noexcept override {
    const std::array<std::uint8_t, MeterProbe::kMessageBytes> message{};
    if (room() >= message.size()) send(shard_.copy_small(message));
  }
};

TEST_F(LinkTestSimTest, WhatASourceSendsIsNobodysBytes) {
  FlowScript script;
  script.bytes = 2'000'000;
  script.send_bytes_max = script.receive_bytes_max = 50'000;
  for (int i = 0; i < 4; ++i)
    world_.start_flow(0, 1, Behaviour::kEcho, script);
  ASSERT_TRUE(run_until([&] { return world_.ledger().open_count() == 0; })) << text();
  auto* const end = static_cast<Listening*>(open(MeterService::kChargen, std::make_unique<Listening>(shard())));
  ASSERT_TRUE(run_until([&] { return end->received > 1'000'000; }));
  EXPECT_TRUE(end->zeros) << "bytes of applications";
  end->release();
  expect_rest();
}

TEST_F(LinkTestSimTest, AnswersThatWereNotAskedForEndAProbe) {
  // Two probes of ours whose far ends are each other's: what one sends, the other never asked for.
  MeterProbe probe(shard());
  Babbling peer(shard());
  Channel::pair(probe, peer);
  peer.grant(1'000);
  peer.pump();
  EXPECT_TRUE(probe.over());
  EXPECT_EQ(probe.lost(), ResetCode::kProtocol);
  EXPECT_TRUE(probe.take_round_trips().empty());
}

TEST_F(LinkTestSimTest, ATestThatNobodyWaitsForEnds) {
  const auto test = begin(west(), name_of_link());
  ASSERT_TRUE(test);
  world_.run_for(Duration::milliseconds(1'500));
  west().end_link_test(*test);
  const Instant ended = world_.world().now();
  const auto report = result_of(west(), *test);
  EXPECT_LT(world_.world().now() - ended, Duration::milliseconds(200));
  ASSERT_TRUE(report->findings.error);
  EXPECT_EQ(report->findings.error->message, "the test was ended");
  expect_rest();
}

TEST_F(LinkTestSimTest, NeitherADrainNorAPeersLeavingWaitsForATest) {
  ASSERT_TRUE(begin(east(), name_of_west()));
  const auto ours = begin(west(), name_of_link());
  world_.run_for(Duration::milliseconds(500));
  world_.site(1).drain();
  ASSERT_TRUE(world_.run_until(Duration::seconds(1), [&] { return east().drained(); }));
  const auto report = result_of(west(), *ours);
  ASSERT_TRUE(report->findings.error);
  EXPECT_EQ(report->findings.error->message, "the link is being closed");
  const auto refused = east().begin_link_test(name_of_west(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kClosing);
  world_.stop();
  EXPECT_TRUE(world_.judge().ok()) << text();
}

}  // namespace
}  // namespace fairlead::sim
