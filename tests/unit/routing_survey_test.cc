// Surveys over a few routers whose tables come from the routing protocol itself.
#include "router/routing/survey.h"

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/routing_fixtures.h"

namespace fairlead {
namespace {

constexpr Duration kMoment = Duration::milliseconds(100);

// Routers as Bench has them, with a Surveyor each, and wires that carry their messages in order.
class Surveyed {
 public:
  void add(bool edge = false) {
    bench.add(edge);
    nodes_.push_back(std::make_unique<Node>(*this, nodes_.size()));
  }

  std::uint64_t begin(std::size_t at) {
    bench.pass(kMoment);
    return nodes_[at]->surveyor.begin(*bench.routing(at).table(), bench.now);
  }

  void carry() {
    wires.carry([this](std::size_t to, std::uint32_t link, const auto& message) { deliver(to, link, message); });
  }

  void deliver(std::size_t to, std::uint32_t link, const std::vector<std::uint8_t>& message) {
    if (lost.contains(to)) return;
    if (!nodes_[to]->surveyor.receive(link, message, *bench.routing(to).table(), bench.now)) ++refused;
  }

  Surveyor& surveyor(std::size_t node) { return nodes_[node]->surveyor; }

  Bench bench;
  SideWires wires{bench};
  std::set<std::size_t> lost;  // routers that hear nothing
  std::size_t refused = 0;

 private:
  struct Node final : SurveyHost {
    Node(Surveyed& owner, std::size_t own_number)
        : world(owner), number(own_number), surveyor(1000 * own_number + 1, *this) {}

    void send_survey(std::uint32_t link, std::vector<std::uint8_t> message) override {
      world.wires.send(number, link, std::move(message));
    }

    // A link with the number of milliseconds that the router has.
    SurveyAnswer survey_here() const override {
      SurveyAnswer answer;
      answer.router = router_of(number);
      answer.links.push_back({router_of(number + 1), Duration::milliseconds(static_cast<std::int64_t>(number))});
      answer.loads.push_back({"key", router_of(7), static_cast<std::uint32_t>(number)});
      return answer;
    }

    Surveyed& world;
    std::size_t number;
    Surveyor surveyor;
  };

  std::vector<std::unique_ptr<Node>> nodes_;
};

class SurveyTest : public testing::Test {
 protected:
  // A ring of six.
  void SetUp() override {
    for (int i = 0; i < 6; ++i)
      world_.add();
    for (std::size_t i = 0; i < 6; ++i)
      world_.wires.connect(i, (i + 1) % 6);
  }

  const SurveyReport& report(std::size_t at, std::uint64_t id) { return *world_.surveyor(at).report(id); }

  Surveyed world_;
};

TEST_F(SurveyTest, EveryRouterAnswersForItself) {
  const std::uint64_t id = world_.begin(2);
  EXPECT_FALSE(report(2, id).done);
  world_.carry();
  EXPECT_TRUE(report(2, id).done);
  EXPECT_EQ(report(2, id).asked, 5U);
  ASSERT_EQ(report(2, id).answers.size(), 5U);
  for (const std::size_t number : {0U, 1U, 3U, 4U, 5U}) {
    const SurveyAnswer& answer = report(2, id).answers.at(router_of(number));
    ASSERT_EQ(answer.links.size(), 1U);
    EXPECT_EQ(answer.links[0].round_trip, Duration::milliseconds(static_cast<std::int64_t>(number)));
    ASSERT_EQ(answer.loads.size(), 1U);
    EXPECT_EQ(answer.loads[0].open, number);
    EXPECT_EQ(answer.loads[0].routing_key, "key");
  }
  // There and back over 1, 1, 2, 2 and 3 links.
  EXPECT_EQ(world_.wires.carried, 18U);
  EXPECT_EQ(world_.refused, 0U);
}

TEST_F(SurveyTest, WhoDoesNotAnswerIsNotWaitedForForLong) {
  world_.lost = {5};
  const std::uint64_t id = world_.begin(2);
  world_.carry();
  EXPECT_FALSE(report(2, id).done);
  world_.surveyor(2).tick(world_.bench.now + Surveyor::kTimeout - Duration::nanoseconds(1));
  EXPECT_FALSE(report(2, id).done);
  EXPECT_EQ(world_.surveyor(2).due(), world_.bench.now + Surveyor::kTimeout);
  world_.surveyor(2).tick(world_.surveyor(2).due());
  EXPECT_TRUE(report(2, id).done);
  EXPECT_EQ(report(2, id).answers.count(router_of(5)), 0U);
  EXPECT_EQ(world_.surveyor(2).due(), Instant::max());
}

TEST_F(SurveyTest, AnEdgeSiteAsksNobody) {
  world_.add(true);
  world_.wires.connect(6, 0);
  const std::uint64_t id = world_.begin(6);
  EXPECT_TRUE(report(6, id).done);
  EXPECT_EQ(world_.wires.waiting(), 0U);
}

TEST_F(SurveyTest, APeerCannotMakeItEndless) {
  const std::uint64_t id = world_.begin(2);
  world_.carry();
  SurveyAnswer answer;
  answer.id = id;
  for (std::size_t number = 100; number < 200; ++number) {
    answer.router = router_of(number);
    world_.deliver(2, 2, encode(answer));
  }
  EXPECT_EQ(report(2, id).answers.size(), 5U) << "more answers than questions";
  answer.id = id + 1;
  world_.deliver(2, 2, encode(answer));
  EXPECT_EQ(world_.wires.waiting(), 0U) << "an answer that nobody asked for goes nowhere";
  for (std::uint64_t i = 0; i < 3 * Surveyor::kRelayedMax; ++i) {
    world_.deliver(2, 3, encode(SurveyMessage{1'000'000 + i, path_to({1})}));
  }
  world_.carry();
  EXPECT_EQ(world_.refused, 0U);
  world_.surveyor(2).tick(world_.bench.now + Surveyor::kTimeout);
  EXPECT_EQ(world_.surveyor(2).due(), Instant::max());
  std::uint64_t last = id;
  for (std::size_t i = 0; i < Surveyor::kReportsMax; ++i) {
    world_.bench.now = world_.bench.now + Duration::milliseconds(1);
    last = world_.begin(2);
  }
  EXPECT_EQ(world_.surveyor(2).report(id), nullptr);
  EXPECT_NE(world_.surveyor(2).report(last), nullptr);
}

TEST(SurveyMessages, ComeBackAsTheyWereSaid) {
  const SurveyMessage message{7, std::vector<std::uint8_t>(24, 5)};
  const auto again = decode_survey(encode(message));
  ASSERT_TRUE(again);
  EXPECT_EQ(encode(std::get<SurveyMessage>(*again)), encode(message));
  SurveyAnswer answer;
  answer.id = 7;
  answer.router = router_of(1);
  answer.links = {{router_of(2), Duration::microseconds(412)}, {router_of(3), Duration{}}};
  answer.loads = {{"key", router_of(4), 5}};
  const auto told = decode_survey(encode(answer));
  ASSERT_TRUE(told);
  EXPECT_EQ(encode(std::get<SurveyAnswer>(*told)), encode(answer));
  for (const auto& whole : {encode(message), encode(answer)}) {
    EXPECT_TRUE(is_survey(whole));
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(decode_survey(std::span(whole).first(size))) << size;
  }
  EXPECT_FALSE(is_survey(encode(CostMessage{1})));
}

}  // namespace
}  // namespace fairlead
