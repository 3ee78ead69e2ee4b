// The simulated network carries bytes as TCP does, by seed, with every fault: what a client got is a prefix of what it
// sent, all of it when it says so; nothing stays in flight, lent, open or unexplained; the same seed gives the same
// trace. Then the controls of the harness one by one: partitions, kills, time.
#include "tests/sim/sim_world.h"

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sim/ipv4.h"
#include "tests/sim/relay.h"

namespace fairlead::sim {
namespace {

constexpr Duration kPatience = Duration::seconds(3600);
constexpr std::uint16_t kPort = 5671;

std::string bytes_of(std::uint64_t seed, std::size_t size) {
  Prng prng(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes)
    c = static_cast<char>(prng.next());
  return bytes;
}

// Steps the loops until `done`, or until nothing will happen any more.
template <class Done>
bool run(SimWorld& world, std::vector<Loop*> loops, Done&& done) {
  const Instant limit = world.now() + kPatience;
  while (!done()) {
    const std::uint64_t before = world.progress();
    world.shuffle(loops);
    for (Loop* loop : loops) {
      if (world.may_run(loop->kernel())) loop->turn();
    }
    if (world.now() > limit) return false;
    if (world.progress() == before && !world.advance_to_next_event(limit)) return done();
  }
  return true;
}

struct Result {
  std::uint64_t trace_hash = 0;
  unsigned complete = 0;
  unsigned failed = 0;
  std::int64_t ended_ns = 0;
};

Result run_seed(std::uint64_t seed) {
  Prng choice(seed);
  SimWorld world(seed, Faults::swarm(choice));
  if (std::getenv("FAIRLEAD_SIM_TRACE") != nullptr) world.print_trace_to(stderr);
  Loop east(world, "east");
  Loop west(world, "west");
  Result result;
  {
    Server server(east, kPort);
    std::deque<Client> clients;
    const std::size_t count = 1 + choice.below(8);
    for (std::size_t i = 0; i < count; ++i) {
      clients.emplace_back(west, east.kernel().address(kPort), bytes_of(seed + i, choice.below(60'000)));
    }
    const auto ended = [&] {
      return std::all_of(clients.begin(), clients.end(), [](const Client& client) {
        return client.outcome() != Client::Outcome::kRunning && client.at_rest();
      });
    };
    if (!run(world, {&east, &west}, ended)) {
      // Only where the faults took the network away for good may a client be left waiting.
      EXPECT_TRUE(world.faults().silence > 0) << world.describe();
    }
    for (Client& client : clients) {
      EXPECT_EQ(client.sent().compare(0, client.got().size(), client.got()), 0)
          << "bytes were lost, doubled or changed";
      if (client.outcome() == Client::Outcome::kComplete) {
        EXPECT_EQ(client.got().size(), client.sent().size());
      }
      client.outcome() == Client::Outcome::kComplete ? ++result.complete : ++result.failed;
    }
    for (Client& client : clients)
      client.stop();
    server.stop();
    world.heal();
    EXPECT_TRUE(run(world, {&east, &west}, [&] {
      return ended() && server.at_rest() && east.at_rest() && west.at_rest();
    })) << world.describe();
  }
  run(world, {&east, &west}, [] { return false; });
  EXPECT_EQ(world.open_descriptor_count(), 0U);
  for (Loop* loop : {&east, &west})
    EXPECT_EQ(loop->pool().available() + loop->buffers().lent(), loop->pool().count());
  EXPECT_EQ(world.violations(), std::vector<std::string>{});
  result.trace_hash = world.trace_hash();
  result.ended_ns = world.now().ns;
  return result;
}

TEST(SimWorldTest, BytesArriveWholeOrTheConnectionFails) {
  unsigned complete = 0;
  unsigned failed = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(seed);
    const Result result = run_seed(seed);
    complete += result.complete;
    failed += result.failed;
    if (testing::Test::HasFailure()) break;
  }
  // Faults that never strike, or always, show nothing.
  EXPECT_GT(complete, 500U);
  EXPECT_GT(failed, 20U);
}

TEST(SimWorldTest, TheSameSeedGivesTheSameTrace) {
  std::uint64_t last = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Result first = run_seed(seed);
    const Result second = run_seed(seed);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << seed;
    EXPECT_EQ(first.ended_ns, second.ended_ns) << seed;
    EXPECT_NE(first.trace_hash, last) << seed;
    last = first.trace_hash;
  }
}

TEST(SimWorldTest, APerfectWorldCompletesEverything) {
  SimWorld world(1);
  Loop east(world, "east");
  Loop west(world, "west");
  Server server(east, kPort);
  std::deque<Client> clients;
  for (std::uint64_t i = 0; i < 20; ++i)
    clients.emplace_back(west, east.kernel().address(kPort), bytes_of(i, 100'000));
  EXPECT_TRUE(run(world, {&east, &west}, [&] {
    return std::all_of(clients.begin(), clients.end(),
                       [](const Client& client) { return client.outcome() == Client::Outcome::kComplete; });
  })) << world.describe();
  for (const Client& client : clients)
    EXPECT_TRUE(client.got() == client.sent());
  server.stop();
  EXPECT_TRUE(run(world, {&east, &west}, [&] { return east.at_rest() && west.at_rest(); })) << world.describe();
}

class TwoHosts : public testing::Test {
 protected:
  static Faults with_latency() {
    Faults faults;
    faults.latency_min = Duration::milliseconds(10);
    faults.latency_max = Duration::milliseconds(10);
    return faults;
  }

  void TearDown() override {
    for (Client& client : clients_)
      client.stop();
    server_->stop();
    EXPECT_TRUE(run(world_, {&east_, &west_}, [&] { return server_->at_rest() && east_.at_rest() && west_.at_rest(); }))
        << world_.describe();
    EXPECT_EQ(world_.violations(), std::vector<std::string>{});
  }

  Client& dial(std::size_t size) {
    return clients_.emplace_back(west_, east_.kernel().address(kPort), bytes_of(1, size));
  }

  bool run_until_ended(Client& client) {
    return run(world_, {&east_, &west_}, [&] { return client.outcome() != Client::Outcome::kRunning; });
  }

  // Lets time pass, whatever happens meanwhile.
  void pass(Duration time) {
    const Instant until = world_.now() + time;
    bool reached = false;
    world_.at(until, [&] { reached = true; });
    EXPECT_TRUE(run(world_, {&east_, &west_}, [&] { return reached; }));
  }

  SimWorld world_{5, with_latency()};
  Loop east_{world_, "east"};
  Loop west_{world_, "west"};
  std::unique_ptr<Server> server_ = std::make_unique<Server>(east_, kPort);
  std::deque<Client> clients_;
};

TEST_F(TwoHosts, LatencyTakesItsTime) {
  const Instant start = world_.now();
  Client& client = dial(1);
  ASSERT_TRUE(run_until_ended(client));
  EXPECT_EQ(client.outcome(), Client::Outcome::kComplete);
  // SYN and its answer, the byte there and back with the FIN behind it.
  EXPECT_GE(world_.now() - start, Duration::milliseconds(40));
  EXPECT_LT(world_.now() - start, Duration::milliseconds(41));
}

TEST_F(TwoHosts, APartitionHoldsBytesBackUntilItHeals) {
  Client& client = dial(1'000'000);
  pass(Duration::milliseconds(45));
  EXPECT_GT(client.got().size(), 0U);
  world_.partition(east_.kernel(), west_.kernel());
  pass(Duration::milliseconds(1));
  const std::size_t got = client.got().size();
  pass(Duration::seconds(60));
  EXPECT_EQ(client.got().size(), got);
  EXPECT_EQ(client.outcome(), Client::Outcome::kRunning);
  world_.join(east_.kernel(), west_.kernel());
  ASSERT_TRUE(run_until_ended(client));
  EXPECT_EQ(client.outcome(), Client::Outcome::kComplete);
  EXPECT_TRUE(client.got() == client.sent());
}

TEST_F(TwoHosts, APartitionThatStaysEndsTheSenderWithATimeout) {
  Client& client = dial(1'000'000);
  pass(Duration::milliseconds(45));
  world_.partition(east_.kernel(), west_.kernel());
  ASSERT_TRUE(run_until_ended(client));
  EXPECT_EQ(client.error(), ETIMEDOUT);
  world_.join(east_.kernel(), west_.kernel());
}

TEST_F(TwoHosts, ConnectingThroughAPartitionTimesOutOrWaitsForItsEnd) {
  world_.partition(east_.kernel(), west_.kernel());
  Client& patient = dial(10);
  ASSERT_TRUE(run_until_ended(patient));
  EXPECT_EQ(patient.error(), ETIMEDOUT);
  Client& lucky = dial(10);
  pass(Duration::seconds(5));
  world_.join(east_.kernel(), west_.kernel());
  ASSERT_TRUE(run_until_ended(lucky));
  EXPECT_EQ(lucky.outcome(), Client::Outcome::kComplete);
}

TEST_F(TwoHosts, AKilledHostIsSeenByItsPeer) {
  Client& client = dial(1'000'000);
  pass(Duration::milliseconds(35));
  EXPECT_EQ(client.outcome(), Client::Outcome::kRunning);
  east_.kernel().kill();
  ASSERT_TRUE(run_until_ended(client));
  EXPECT_EQ(client.outcome(), Client::Outcome::kFailed);
  Client& later = dial(10);
  ASSERT_TRUE(run_until_ended(later));
  EXPECT_EQ(later.error(), ECONNREFUSED);
}

TEST_F(TwoHosts, AnAddressThatNobodyHasTimesOut) {
  Client& client = clients_.emplace_back(west_, make_address(0x0a0000ffU, kPort), "x");
  ASSERT_TRUE(run_until_ended(client));
  EXPECT_EQ(client.error(), ETIMEDOUT);
}

TEST_F(TwoHosts, ALoopThatWaitsIsWokenInItsTime) {
  const Instant start = world_.now();
  Ring& ring = west_.ring();
  east_.turn();
  ring.turn(Duration::milliseconds(7));
  ASSERT_TRUE(world_.advance_to_next_event(Instant::max()));
  EXPECT_GE(world_.now() - start, Duration::milliseconds(7));
  EXPECT_LT(world_.now() - start, Duration::milliseconds(8));
  ring.turn(Duration::max());
  EXPECT_FALSE(world_.advance_to_next_event(Instant::max())) << "a quiet world has no next event";
  EXPECT_NE(world_.describe().find("opcode 13"), std::string::npos) << world_.describe();
}

TEST(SimWorldTest, MisuseOfDescriptorsIsAViolation) {
  SimWorld world(1);
  SimKernel east(world, "east");
  SimKernel west(world, "west");
  const int fd = east.open_socket(AF_INET);
  west.close(fd);  // another host's
  east.close(fd);
  east.close(fd);  // twice
  EXPECT_EQ(world.violations().size(), 2U);
}

}  // namespace
}  // namespace fairlead::sim
