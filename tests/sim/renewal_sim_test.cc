// Links that never wear out, in a simulated world: keys are used up every few records and connections replaced under
// full load, by every pairing of who protects the records; certificates change; ends are lost in the middle of it. Not
// a byte is lost, doubled or out of order (the applications check each), and no stream ends that the link survives.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/gateway_world.h"
#include "tests/sim/test_share.h"
#include "transport/base/log.h"

namespace fairlead::sim {
namespace {

constexpr Duration kPatience = Duration::seconds(60);

// Who protects the records of a site.
enum class Protector { kUser, kKernel, kOldKernel };
constexpr Protector kProtectors[] = {Protector::kUser, Protector::kKernel, Protector::kOldKernel};

const char* name_of(Protector protector) {
  switch (protector) {
    case Protector::kUser:
      return "user space";
    case Protector::kKernel:
      return "kernel";
    case Protector::kOldKernel:
      return "kernel that cannot replace keys";
  }
  return "?";
}

void apply(Protector protector, SidePlan& side) {
  if (protector == Protector::kUser) side.record_protection = RecordProtection::kUser;
  side.tls.rekeys = protector == Protector::kKernel;
}

class RenewalSimTest : public testing::Test {
 protected:
  void SetUp() override { set_log_level(LogLevel::kError); }

  static WorldPlan plan_of(Protector west, Protector east) {
    WorldPlan plan;
    plan.seed = 7;
    plan.faults.latency_min = plan.faults.latency_max = Duration::microseconds(20);
    plan.faults.send_buffer_bytes = plan.faults.receive_buffer_bytes = 64 * 1024;
    plan.faults.short_send = plan.faults.short_receive = 500;
    plan.faults.shuffle_completions = true;
    plan.flows = 0;
    plan.sizes.stall_percent = 0;
    for (SidePlan& side : plan.sides)
      side.shards = 2;
    apply(west, plan.sides[0]);
    apply(east, plan.sides[1]);
    return plan;
  }

  static FlowScript script_of(std::uint64_t bytes) {
    FlowScript script;
    script.bytes = bytes;
    script.send_bytes_max = script.receive_bytes_max = 30'000;
    return script;
  }

  static std::string text_of(const Verdict& verdict) {
    std::string text;
    for (const std::string& failure : verdict.failures)
      text += failure + "\n";
    return text;
  }

  static std::uint64_t count(GatewayWorld& world, const char* name) {
    return world.site(0).counter(name) + world.site(1).counter(name);
  }

  // Keeps connections of all sorts going both ways until `enough`; all of them have to complete.
  template <class Enough>
  static void run_under_load(GatewayWorld& world, Enough enough) {
    std::vector<FlowEnd*> flows;
    const auto open = [&] { return std::count_if(flows.begin(), flows.end(), [](FlowEnd* e) { return !e->over; }); };
    const Instant deadline = world.world().now() + kPatience * 4;
    while (!enough() && world.judge().ok() && world.world().now() < deadline) {
      for (unsigned side = 0; open() < 10; side = 1 - side) {
        flows.push_back(world.start_flow(side, 1 - side, Behaviour::kEcho, script_of(share_of(400'000, 60'000))));
        flows.push_back(world.start_flow(side, 1 - side, Behaviour::kRespond, script_of(3'000)));
      }
      world.run_for(Duration::milliseconds(20));
    }
    EXPECT_TRUE(enough()) << text_of(world.judge());
    EXPECT_TRUE(world.run_until(kPatience, [&] { return open() == 0; })) << text_of(world.judge());
    for (const FlowEnd* end : flows)
      EXPECT_TRUE(end->clean()) << FlowLedger::describe(*end);
  }

  static void expect_rest(GatewayWorld& world) {
    if (world.judge().ok()) world.come_to_rest();
    if (world.judge().ok()) world.stop();
    EXPECT_TRUE(world.judge().ok()) << text_of(world.judge());
  }

  static LinkStatus link_of(GatewayWorld& world, unsigned side) {
    return world.site(side).transport().status()->links.at(0);
  }
};

TEST_F(RenewalSimTest, EveryPairingWorksAndSaysWhoProtects) {
  for (const Protector west : kProtectors) {
    for (const Protector east : kProtectors) {
      SCOPED_TRACE(std::string(name_of(west)) + " with " + name_of(east));
      GatewayWorld world(plan_of(west, east));
      world.come_up();
      const FlowEnd* echo = world.start_flow(0, 1, Behaviour::kEcho, script_of(200'000));
      const FlowEnd* back = world.start_flow(1, 0, Behaviour::kEcho, script_of(200'000));
      EXPECT_TRUE(world.run_until(kPatience, [&] { return echo->over && back->over; }));
      EXPECT_TRUE(echo->clean() && back->clean());
      for (unsigned side = 0; side < 2; ++side) {
        const LinkStatus status = link_of(world, side);
        const bool user = (side == 0 ? west : east) == Protector::kUser;
        EXPECT_EQ(status.send_protection.by, user ? "user space" : "kernel (software)");
        EXPECT_EQ(status.receive_protection.by, user ? "user space" : "kernel (software)");
        EXPECT_EQ(status.send_protection.why_not, user ? "recordProtection is user" : "no network card took the keys");
      }
      expect_rest(world);
    }
  }
}

TEST_F(RenewalSimTest, DirectionsAreDecidedApart) {
  WorldPlan plan = plan_of(Protector::kKernel, Protector::kKernel);
  plan.sides[0].tls.receives = false;
  plan.sides[1].tls.sends = false;
  plan.sides[1].tls.nic = true;
  GatewayWorld world(plan);
  world.come_up();
  EXPECT_EQ(link_of(world, 0).send_protection.by, "kernel (software)");
  EXPECT_EQ(link_of(world, 0).receive_protection.by, "user space");
  EXPECT_EQ(link_of(world, 0).receive_protection.why_not, "this kernel does not protect TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(link_of(world, 1).send_protection.by, "user space");
  EXPECT_EQ(link_of(world, 1).receive_protection.by, "kernel (NIC)");
  EXPECT_EQ(link_of(world, 1).receive_protection.why_not, "");
  const FlowEnd* echo = world.start_flow(0, 1, Behaviour::kEcho, script_of(200'000));
  EXPECT_TRUE(world.run_until(kPatience, [&] { return echo->over; }));
  EXPECT_TRUE(echo->clean());
  expect_rest(world);
}

TEST_F(RenewalSimTest, AKernelThatIsDemandedAndMissingIsSaidByBothEnds) {
  for (unsigned side = 0; side < 2; ++side) {
    WorldPlan plan = plan_of(Protector::kKernel, Protector::kKernel);
    plan.sides[side].tls.present = false;
    plan.sides[side].record_protection = RecordProtection::kKernel;
    GatewayWorld world(plan);
    world.run_for(Duration::seconds(2));
    EXPECT_FALSE(world.site(0).links_up());
    const LinkStatus status = link_of(world, 0);
    ASSERT_TRUE(status.last_error);
    EXPECT_NE(
        status.last_error->message.find("recordProtection demands the kernel, but this simulated kernel has no TLS"),
        std::string::npos)
        << status.last_error->message;
  }
}

TEST_F(RenewalSimTest, AThousandRenewalsUnderLoadForEachPairing) {
  for (const Protector west : kProtectors) {
    for (const Protector east : kProtectors) {
      SCOPED_TRACE(std::string(name_of(west)) + " with " + name_of(east));
      WorldPlan plan = plan_of(west, east);
      // Where keys cannot be updated a renewal takes a handshake.
      const bool updates = west != Protector::kOldKernel && east != Protector::kOldKernel;
      const bool both_old = west == Protector::kOldKernel && east == Protector::kOldKernel;
      const std::uint64_t wanted = share_of(updates || both_old ? 1'000 : 100, 10);
      for (SidePlan& side : plan.sides)
        side.records_per_key = 16;
      GatewayWorld world(plan);
      world.come_up();
      run_under_load(world, [&] { return count(world, updates ? "keys_updated" : "connections_replaced") >= wanted; });
      if (updates) {
        EXPECT_EQ(count(world, "connections_replaced"), 0U);
      }
      for (unsigned side = 0; side < 2; ++side) {
        EXPECT_EQ(link_of(world, side).ups, 1U) << "the link never went down";
        EXPECT_FALSE(link_of(world, side).last_error) << link_of(world, side).last_error->message;
      }
      expect_rest(world);
    }
  }
}

TEST_F(RenewalSimTest, EverySuiteIsRenewedUnderLoad) {
  for (const CipherSuite suite : kDefaultSuites) {
    for (const Protector west : {Protector::kKernel, Protector::kOldKernel}) {
      SCOPED_TRACE(std::string(name_of(suite)) + ", " + name_of(west));
      WorldPlan plan = plan_of(west, Protector::kUser);
      for (SidePlan& side : plan.sides)
        side.records_per_key = 16;
      plan.sides[1].cipher_suites = {suite};  // the one who accepts decides
      GatewayWorld world(plan);
      world.come_up();
      EXPECT_EQ(link_of(world, 0).cipher, name_of(suite));
      EXPECT_EQ(link_of(world, 1).cipher, name_of(suite));
      run_under_load(world, [&] {
        return count(world, "keys_updated") + count(world, "connections_replaced") >= share_of(100, 10);
      });
      EXPECT_EQ(link_of(world, 0).ups, 1U);
      expect_rest(world);
    }
  }
}

TEST_F(RenewalSimTest, CertificatesRotateUnderLoad) {
  for (const Protector west : kProtectors) {
    SCOPED_TRACE(name_of(west));
    GatewayWorld world(plan_of(west, Protector::kKernel));
    world.come_up();
    for (std::uint64_t round = 0, rounds = share_of(6, 2); round < rounds; ++round) {
      SCOPED_TRACE(round);
      // Each end, and both at once, also while a rotation is still under way.
      const std::uint64_t before = count(world, "connections_replaced");
      if (round % 3 != 1) world.site(0).set_credentials(fresh_credentials());
      if (round % 3 != 0) world.site(1).set_credentials(fresh_credentials());
      if (round % 5 == 4) {
        world.run_for(Duration::milliseconds(1));
        world.site(0).set_credentials(fresh_credentials());
        world.site(1).set_credentials(fresh_credentials());
      }
      run_under_load(world, [&] { return count(world, "connections_replaced") >= before + 4; });  // 2 sessions, 2 ends
    }
    for (unsigned side = 0; side < 2; ++side)
      EXPECT_EQ(link_of(world, side).ups, 1U);
    expect_rest(world);
  }
}

// A connection that comes when there is no memory for it waits, and so does what comes over it.
TEST_F(RenewalSimTest, AFreshConnectionWaitsForMemory) {
  WorldPlan plan = plan_of(Protector::kOldKernel, Protector::kOldKernel);
  for (SidePlan& side : plan.sides) {
    side.link_blocks = 8;
    side.records_per_key = 16;
  }
  GatewayWorld world(plan);
  world.come_up();
  run_under_load(world, [&] { return count(world, "connections_replaced") >= share_of(200, 8); });
  EXPECT_EQ(link_of(world, 0).ups, 1U);
  expect_rest(world);
}

// Whichever end dies, at whichever moment of a renewal: what it carried is reset and not cut in silence, and the link
// comes back.
TEST_F(RenewalSimTest, EndsAreLostInTheMiddleOfRenewals) {
  for (std::uint64_t seed = 0; seed < share_of(40, 3); ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    WorldPlan plan = plan_of(pick(prng, kProtectors), pick(prng, kProtectors));
    plan.seed = seed;
    plan.calm = false;
    for (SidePlan& side : plan.sides)
      side.records_per_key = 16;
    GatewayWorld world(plan);
    world.come_up();
    for (unsigned i = 0; i < 6; ++i)
      world.start_flow(i % 2, 1 - i % 2, Behaviour::kEcho, script_of(1'000'000));
    Disaster disaster;
    disaster.kind = prng.below(2) == 0 ? Disaster::Kind::kKill : Disaster::Kind::kCutLink;
    disaster.side = static_cast<unsigned>(prng.below(2));
    disaster.other = 1 - disaster.side;
    disaster.after = draw_duration(prng, Duration::milliseconds(60));
    disaster.lasts = Duration::milliseconds(900);
    world.schedule_disaster(disaster);
    world.run_for(Duration::seconds(1));
    world.heal();
    ASSERT_TRUE(world.judge().ok()) << text_of(world.judge());
    const FlowEnd* after = world.start_flow(0, 1, Behaviour::kEcho, script_of(100'000));
    EXPECT_TRUE(world.run_until(kPatience, [&] { return after->over; })) << text_of(world.judge());
    EXPECT_TRUE(after->clean()) << FlowLedger::describe(*after);
    expect_rest(world);
  }
}

}  // namespace
}  // namespace fairlead::sim
