// Traces over a few routers whose tables come from the routing protocol itself.
#include "router/routing/tracer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/routing_fixtures.h"

namespace fairlead {
namespace {

constexpr Duration kMoment = Duration::milliseconds(100);
constexpr Duration kWireTime = Duration::milliseconds(2);
constexpr Duration kServerTime = Duration::milliseconds(7);

// Routers as Bench has them, with a Tracer each, and wires that carry their messages in kWireTime.
class Traced {
 public:
  void add(bool edge = false) {
    const std::size_t number = bench.add(edge);
    nodes_.push_back(std::make_unique<Node>(*this, number));
  }

  TraceReport trace(std::size_t from, const std::string& key) {
    bench.pass(kMoment);
    const std::uint64_t id = nodes_[from]->tracer.begin(*bench.routing(from).table(), key, bench.now);
    carry();
    for (const auto& node : nodes_)
      node->tracer.tick(node->tracer.due() == Instant::max() ? bench.now : node->tracer.due());
    const TraceReport* report = nodes_[from]->tracer.report(id);
    return report == nullptr ? TraceReport{} : *report;
  }

  void carry() {
    wires.carry([this](std::size_t to, std::uint32_t link, const auto& message) { deliver(to, link, message); },
                kWireTime);
  }

  void deliver(std::size_t to, std::uint32_t link, const std::vector<std::uint8_t>& message) {
    if (!nodes_[to]->tracer.receive(link, message, *bench.routing(to).table(), bench.now)) ++refused;
  }

  Tracer& tracer(std::size_t node) { return nodes_[node]->tracer; }

  Bench bench;
  SideWires wires{bench};
  std::string server_error;
  std::size_t refused = 0;
  std::size_t tried = 0;
  std::size_t lose_at = SIZE_MAX;  // what this router sends is lost

 private:
  struct Node final : TracerHost {
    Node(Traced& owner, std::size_t own_number)
        : world(owner),
          number(own_number),
          tracer(site_of(own_number), "name-" + std::to_string(own_number), 1000 * own_number + 1, *this) {}

    void send_trace(std::uint32_t link, std::vector<std::uint8_t> message) override {
      if (number != world.lose_at) world.wires.send(number, link, std::move(message));
    }

    void try_server(std::uint32_t, std::uint64_t token) override {
      ++world.tried;
      world.bench.now = world.bench.now + kServerTime;
      tracer.server_tried(token, "127.0.0.1:80", world.server_error, kServerTime, world.bench.now);
    }

    Traced& world;
    std::size_t number;
    Tracer tracer;
  };

  std::vector<std::unique_ptr<Node>> nodes_;
};

std::string sites_of(const TraceReport& report) {
  std::string text;
  for (const TraceHop& hop : report.hops)
    text += (text.empty() ? "" : " ") + hop.answer.site_name;
  return text;
}

class TracerTest : public testing::Test {
 protected:
  // A line of four; the last serves "key".
  void SetUp() override {
    for (int i = 0; i < 4; ++i)
      world_.add();
    for (std::size_t i = 0; i < 3; ++i)
      world_.wires.connect(i, i + 1);
    world_.bench.routing(3).set_connectors(connectors_of({{"key", 1}}), world_.bench.now);
  }

  Traced world_;
};

TEST_F(TracerTest, EveryRouterOfThePathAnswersInOrder) {
  const TraceReport report = world_.trace(0, "key");
  EXPECT_TRUE(report.done);
  EXPECT_EQ(report.error, "");
  EXPECT_EQ(sites_of(report), "name-0 name-1 name-2 name-3");
  ASSERT_EQ(report.hops.size(), 4U);
  EXPECT_EQ(report.hops[0].round_trip, Duration{});
  for (std::size_t i = 1; i < 4; ++i)
    EXPECT_GT(report.hops[i].round_trip, Duration{}) << i;
  const TraceAnswer& last = report.hops[3].answer;
  EXPECT_EQ(last.state, TraceAnswer::State::kArrived);
  EXPECT_EQ(last.server, "127.0.0.1:80");
  EXPECT_EQ(last.connect, kServerTime);
  EXPECT_EQ(last.site_id, site_of(3));
  EXPECT_EQ(world_.tried, 1U);
  EXPECT_EQ(world_.refused, 0U);
}

TEST_F(TracerTest, ItsTimeIsWithoutTheServers) {
  const TraceReport report = world_.trace(2, "key");
  ASSERT_EQ(report.hops.size(), 2U);
  EXPECT_EQ(report.hops[1].round_trip, kWireTime * 2);
}

TEST_F(TracerTest, OfAServerHereNothingTravels) {
  world_.lose_at = 3;
  const TraceReport report = world_.trace(3, "key");
  EXPECT_TRUE(report.done);
  EXPECT_EQ(sites_of(report), "name-3");
  EXPECT_EQ(report.hops[0].answer.state, TraceAnswer::State::kArrived);
}

TEST_F(TracerTest, AKeyThatNobodyServesEndsWhereItBegan) {
  const TraceReport report = world_.trace(1, "nobody");
  EXPECT_TRUE(report.done);
  EXPECT_NE(report.error.find("no route"), std::string::npos);
  EXPECT_EQ(sites_of(report), "name-1");
}

TEST_F(TracerTest, AServerThatDoesNotAnswerIsTold) {
  world_.server_error = "refused";
  const TraceReport report = world_.trace(0, "key");
  EXPECT_TRUE(report.done);
  EXPECT_EQ(report.error, "refused");
  EXPECT_EQ(sites_of(report), "name-0 name-1 name-2 name-3");
}

TEST_F(TracerTest, WhatIsLostEndsWithTheTime) {
  world_.lose_at = 2;
  const TraceReport report = world_.trace(0, "key");
  EXPECT_TRUE(report.done);
  EXPECT_EQ(sites_of(report), "name-0 name-1");
  EXPECT_NE(report.error.find("no answer within 5 s"), std::string::npos) << report.error;
}

TEST_F(TracerTest, AnEdgeSitesPathIsDecidedByItsInteriorRouter) {
  world_.add(true);  // 4
  world_.add(true);  // 5
  world_.wires.connect(4, 0);
  world_.wires.connect(5, 3);
  world_.bench.routing(5).set_connectors(connectors_of({{"at-edge", 1}}), world_.bench.now);
  const TraceReport report = world_.trace(4, "at-edge");
  EXPECT_EQ(sites_of(report), "name-4 name-0 name-1 name-2 name-3 name-5");
  EXPECT_EQ(report.error, "");
}

TEST_F(TracerTest, ATraceIsNoLoad) {
  world_.trace(0, "key");
  for (const Candidate& candidate : world_.bench.routing(0).table()->candidates("key"))
    EXPECT_EQ(candidate.load.open(), 0U);
}

TEST_F(TracerTest, APeerCannotMakeUpAnswers) {
  world_.bench.pass(kMoment);
  const std::uint64_t id = world_.tracer(0).begin(*world_.bench.routing(0).table(), "key", world_.bench.now);
  TraceAnswer answer;
  answer.id = id;
  answer.hop = 2;  // before the first
  world_.deliver(0, 1, encode(answer));
  answer.hop = 0;  // again
  world_.deliver(0, 1, encode(answer));
  answer.id = id + 1;  // of none
  world_.deliver(0, 1, encode(answer));
  EXPECT_EQ(world_.tracer(0).report(id)->hops.size(), 1U);
  // To a router in between, from the wrong side.
  world_.carry();
  const TraceMessage message{77, 1, "key", path_to({2, 3})};
  world_.deliver(1, 1, encode(message));
  EXPECT_EQ(world_.wires.waiting(), 2U) << "its answer, and the message passed on";
  world_.deliver(1, 2, encode(message));
  EXPECT_EQ(world_.wires.waiting(), 2U) << "an id that is in use";
  answer.id = 77;
  world_.deliver(1, 1, encode(answer));
  EXPECT_EQ(world_.wires.waiting(), 2U);
  world_.deliver(1, 2, encode(answer));
  EXPECT_EQ(world_.wires.waiting(), 3U) << "from the right side it is carried back";
  world_.carry();
  EXPECT_EQ(world_.refused, 0U);
  EXPECT_TRUE(world_.tracer(0).report(id)->done);
}

TEST_F(TracerTest, WhatIsRememberedIsBounded) {
  world_.bench.pass(kMoment);
  const auto table = world_.bench.routing(0).table();
  const std::uint64_t first = world_.tracer(0).begin(*table, "nobody", world_.bench.now);
  std::uint64_t last = first;
  for (std::size_t i = 0; i < Tracer::kReportsMax; ++i) {
    world_.bench.now = world_.bench.now + Duration::milliseconds(1);
    last = world_.tracer(0).begin(*table, "nobody", world_.bench.now);
  }
  EXPECT_EQ(world_.tracer(0).report(first), nullptr);
  EXPECT_NE(world_.tracer(0).report(last), nullptr);
  for (std::uint64_t id = 1; id <= 3 * Tracer::kRelayedMax; ++id)
    world_.deliver(1, 1, encode(TraceMessage{1'000'000 + id, 1, "key", {}}));
  EXPECT_EQ(world_.refused, 0U);
  world_.tracer(1).tick(world_.bench.now + Tracer::kTimeout);
  EXPECT_EQ(world_.tracer(1).due(), Instant::max());
}

TEST(TraceMessages, ComeBackAsTheyWereSaid) {
  const TraceMessage message{7, 3, "key", std::vector<std::uint8_t>(24, 5)};
  const auto again = decode_trace(encode(message));
  ASSERT_TRUE(again);
  const auto& trace = std::get<TraceMessage>(*again);
  EXPECT_EQ(encode(trace), encode(message));
  EXPECT_EQ(trace.path.size(), 24U);
  TraceAnswer answer;
  answer.id = 7;
  answer.hop = 4;
  answer.state = TraceAnswer::State::kEnded;
  answer.connect = Duration::microseconds(123);
  answer.site_id = "id";
  answer.site_name = "name";
  answer.server = "server";
  answer.error = "error";
  const auto told = decode_trace(encode(answer));
  ASSERT_TRUE(told);
  EXPECT_EQ(encode(std::get<TraceAnswer>(*told)), encode(answer));
}

TEST(TraceMessages, CutShortTheyAreRefused) {
  const TraceMessage message{7, 3, "key", std::vector<std::uint8_t>(8, 5)};
  for (const auto& whole : {encode(message), encode(TraceAnswer{})}) {
    EXPECT_TRUE(is_trace(whole));
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(decode_trace(std::span(whole).first(size))) << size;
  }
  EXPECT_FALSE(decode_trace(encode(TraceMessage{7, 3, "", {}}))) << "without a key";
  auto unknown = encode(TraceAnswer{});
  unknown[11] = 9;
  EXPECT_FALSE(decode_trace(unknown)) << "of an unknown state";
  EXPECT_FALSE(is_trace(encode(CostMessage{1})));
}

}  // namespace
}  // namespace fairlead
