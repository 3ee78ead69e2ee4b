// Redemptions of tokens over the simulated network: whole, cut at any moment, slow, too many, in silence. Whatever
// happens, both ends come to an end in their time, and nothing stays open.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "router/site/https_server.h"
#include "router/site/token_request.h"
#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_world.h"
#include "transport/resolver.h"
#include "transport/side_loop.h"
#include "transport/tls/certificates.h"

namespace fairlead::sim {
namespace {

constexpr std::uint16_t kPort = 9090;
const char kAnswer[] = "the answer";

class TokenSimTest : public testing::TestWithParam<std::uint64_t> {
 protected:
  TokenSimTest() {
    const auto ca = make_ca({.common_name = "east CA", .kind = KeyKind::kEd25519}).value();
    const Address address = east_kernel_.address(kPort);
    const auto bundle =
        make_certificate(ca, {.common_name = "east", .hosts = {host_of(address)}, .kind = KeyKind::kEd25519}).value();
    credentials_ = Credentials::load(bundle).value();
    token_.metadata.name = "to-east";
    token_.url = "https://" + to_string(address) + "/uid";
    token_.code = "correct-horse-battery";
    token_.ca = ca.cert;
    EXPECT_TRUE(server_.listen({host_of(address), kPort}, credentials_));
  }

  ~TokenSimTest() override {
    server_.close();
    for (const auto& request : requests_)
      request->end();
    EXPECT_TRUE(run([&] { return at_rest(); })) << world_.describe();
    EXPECT_TRUE(world_.violations().empty()) << world_.violations().front();
  }

  bool at_rest() {
    for (const auto& request : requests_) {
      if (!request->over()) return false;
    }
    return server_.closed() && east_->ring().in_flight() == 0 && west_->ring().in_flight() == 0;
  }

  // Steps both loops until `done`, for an hour at most.
  bool run(const std::function<bool()>& done) {
    const Instant limit = world_.now() + Duration::seconds(3600);
    while (!done()) {
      const std::uint64_t before = world_.progress();
      east_->turn(Duration::max());
      server_.reap();
      west_->turn(Duration::max());
      // A thread that waits for other things now would wait in vain for what the kernel was not told; where the kernel
      // does not take it, the loop wants to be called again.
      for (SideLoop* loop : {east_.get(), west_.get()})
        EXPECT_TRUE(loop->ring().all_submitted() || loop->until_next() <= Duration::milliseconds(1));
      if (done()) return true;
      if (world_.now() > limit) return false;
      if (world_.progress() == before && !world_.advance_to_next_event(limit)) return done();
    }
    return true;
  }

  void redeem() {
    const std::size_t at = outcomes_.size();
    outcomes_.emplace_back();
    requests_.push_back(std::make_unique<TokenRequest>(*west_, *resolver_, token_, key_, "west",
                                                       [this, at](TokenRequest::Outcome outcome) {
                                                         EXPECT_FALSE(outcomes_[at]) << "told twice";
                                                         outcomes_[at] = std::move(outcome);
                                                       }));
  }

  bool all_told() const {
    for (const auto& outcome : outcomes_) {
      if (!outcome) return false;
    }
    return true;
  }

  SimWorld world_{GetParam()};
  SimKernel east_kernel_{world_, "east"};
  SimKernel west_kernel_{world_, "west"};
  std::unique_ptr<SideLoop> east_ = SideLoop::open(east_kernel_).value();
  std::unique_ptr<SideLoop> west_ = SideLoop::open(west_kernel_).value();
  std::unique_ptr<Resolver> resolver_ = std::make_unique<Resolver>(west_->timers());
  std::shared_ptr<const Credentials> credentials_;
  AccessToken token_;
  std::string key_ = make_key(KeyKind::kEd25519).value();
  std::vector<HttpRequest> asked_;
  HttpsServer server_{*east_, [this](const HttpRequest& request, const std::string&) {
                        asked_.push_back(request);
                        return HttpResponse{request.body == token_.code ? 200U : 403U, kAnswer};
                      }};
  std::vector<std::unique_ptr<TokenRequest>> requests_;
  std::vector<std::optional<TokenRequest::Outcome>> outcomes_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, TokenSimTest, testing::Range<std::uint64_t>(0, 20));

TEST_P(TokenSimTest, TheAnswerComesBack) {
  redeem();
  ASSERT_TRUE(run([&] { return all_told(); })) << world_.describe();
  ASSERT_TRUE(*outcomes_[0]) << outcomes_[0]->error().message;
  EXPECT_EQ(**outcomes_[0], kAnswer);
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].target, "/uid");
  EXPECT_EQ(asked_[0].header("name"), "to-east");
  EXPECT_EQ(asked_[0].header("subject"), "west");
  EXPECT_FALSE(asked_[0].header("certificate-request").empty());
}

TEST_P(TokenSimTest, ARefusalIsFinal) {
  token_.code = "another-code";
  redeem();
  token_.code = "correct-horse-battery";
  ASSERT_TRUE(run([&] { return all_told(); }));
  ASSERT_FALSE(*outcomes_[0]);
  EXPECT_TRUE(outcomes_[0]->error().final);
  EXPECT_NE(outcomes_[0]->error().message.find("403"), std::string::npos) << outcomes_[0]->error().message;
}

TEST_P(TokenSimTest, AnotherCaIsNotTrusted) {
  token_.ca = make_ca({.common_name = "another CA", .kind = KeyKind::kEd25519})->cert;
  redeem();
  ASSERT_TRUE(run([&] { return all_told(); }));
  ASSERT_FALSE(*outcomes_[0]);
  EXPECT_TRUE(outcomes_[0]->error().final);
  EXPECT_TRUE(asked_.empty()) << "the code went nowhere";
}

TEST_P(TokenSimTest, UnderEveryFaultBothComeToAnEnd) {
  Prng choice(GetParam());
  world_.faults() = Faults::swarm(choice);
  for (int i = 0; i < 5; ++i)
    redeem();
  ASSERT_TRUE(run([&] { return all_told(); })) << world_.describe();
  for (const auto& outcome : outcomes_) {
    if (*outcome) {
      EXPECT_EQ(**outcome, kAnswer) << "an answer that was cut";
    }
  }
}

TEST_P(TokenSimTest, WhoIsCutOffGivesUpInTime) {
  redeem();
  // At a moment of the seed's choice: in the handshake, the request or the answer.
  for (std::uint64_t step = 0; step < GetParam() * 3; ++step) {
    east_->turn(Duration::max());
    west_->turn(Duration::max());
    static_cast<void>(world_.advance_to_next_event(world_.now() + Duration::seconds(1)));
  }
  world_.partition(east_kernel_, west_kernel_);
  const Instant cut = world_.now();
  ASSERT_TRUE(run([&] { return all_told() && requests_[0]->over(); })) << world_.describe();
  EXPECT_LE((world_.now() - cut).milliseconds(), 16'000);
  // The server has no reason to wait for longer.
  server_.stop_listening();
  ASSERT_TRUE(run([&] { return server_.closed(); })) << world_.describe();
  EXPECT_LE((world_.now() - cut).milliseconds(), 32'000);
}

TEST_P(TokenSimTest, ManyAtOnceAreServedInTurn) {
  for (std::size_t i = 0; i < HttpsServer::kClientsOfAddressMax; ++i)
    redeem();
  ASSERT_TRUE(run([&] { return all_told(); })) << world_.describe();
  for (const auto& outcome : outcomes_)
    EXPECT_TRUE(*outcome) << outcome->error().message;
  // One address may not take all places.
  for (std::size_t i = 0; i < 3 * HttpsServer::kClientsOfAddressMax; ++i)
    redeem();
  ASSERT_TRUE(run([&] { return all_told(); })) << world_.describe();
}

TEST_P(TokenSimTest, ClosingInTheMiddleEndsAll) {
  for (int i = 0; i < 3; ++i)
    redeem();
  for (std::uint64_t step = 0; step < GetParam(); ++step) {
    east_->turn(Duration::max());
    west_->turn(Duration::max());
    static_cast<void>(world_.advance_to_next_event(world_.now() + Duration::milliseconds(100)));
  }
}

}  // namespace
}  // namespace fairlead::sim
