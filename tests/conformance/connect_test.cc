// Listening, accepting and connecting: multishot accepts and how they end, refusals, shared ports, addresses.
#include <cerrno>
#include <cstring>

#include "tests/conformance/kernel_test.h"

namespace fairlead::conformance {
namespace {

class ConnectTest : public KernelTest {
 protected:
  // A connect that gets no answer: the listener's backlog is full.
  Call& hang(const Socket& socket, const Address& address) {
    fillers_.push_back(open_socket());
    connect(fillers_.back(), address);
    settle();
    Call& call = connect(socket, address);
    settle();
    EXPECT_FALSE(call.ended());
    return call;
  }

  std::vector<Socket> fillers_;
};

TEST_P(ConnectTest, AMultishotAcceptKeepsGoing) {
  Address address;
  const Socket listener = listen(address);
  Call& accepts = accept_many(listener);
  std::vector<Socket> clients;
  std::vector<Socket> servers;
  for (std::size_t i = 1; i <= 5; ++i) {
    clients.push_back(open_socket());
    Call& connected = connect(clients.back(), address);
    ASSERT_TRUE(run_until([&] { return connected.ended() && accepts.results.size() == i; }));
    EXPECT_EQ(connected.last().res, 0);
    ASSERT_GE(accepts.last().res, 0);
    EXPECT_TRUE(accepts.last().more());
    servers.emplace_back(kernel(), accepts.last().res);
  }
  EXPECT_TRUE(accepts.op.in_flight());
}

TEST_P(ConnectTest, ACancelledMultishotAcceptEndsWithCanceled) {
  Address address;
  const Socket listener = listen(address);
  Call& accepts = accept_many(listener);
  settle();
  ring().cancel(accepts.op);
  ASSERT_TRUE(run_until_ended(accepts));
  EXPECT_EQ(accepts.results.size(), 1U);
  EXPECT_EQ(accepts.last().res, -ECANCELED);
  EXPECT_FALSE(accepts.last().more());
}

TEST_P(ConnectTest, ShutdownOfAListenerEndsItsAccept) {
  Address address;
  Socket listener = listen(address);
  Call& accepts = accept_many(listener);
  settle();
  EXPECT_EQ(listener.shutdown(SHUT_RDWR), 0);
  ASSERT_TRUE(run_until_ended(accepts));
  EXPECT_EQ(accepts.last().res, -EINVAL);

  const Socket client = open_socket();
  Call& refused = connect(client, address);
  ASSERT_TRUE(run_until_ended(refused));
  EXPECT_EQ(refused.last().res, -ECONNREFUSED);
}

TEST_P(ConnectTest, AClientThatNobodyAcceptedIsResetWithTheListener) {
  Address address;
  Socket listener = listen(address);
  const Socket client = open_socket();
  Call& connected = connect(client, address);
  ASSERT_TRUE(run_until_ended(connected));
  EXPECT_EQ(connected.last().res, 0);
  listener.close();
  EXPECT_EQ(receive_result(client), -ECONNRESET);
}

TEST_P(ConnectTest, OutOfDescriptorsEndsAMultishotAccept) {
  Address address;
  const Socket listener = listen(address);
  const Socket client = open_socket();
  platform_.exhaust_descriptors();
  EXPECT_EQ(kernel().open_socket(AF_INET), -EMFILE);
  Call& accepts = accept_many(listener);
  ASSERT_TRUE(run_until_ended(accepts));
  EXPECT_EQ(accepts.last().res, -EMFILE);
  platform_.restore_descriptors();

  Call& again = accept_many(listener);
  Call& connected = connect(client, address);
  ASSERT_TRUE(run_until([&] { return connected.ended() && !again.results.empty(); }));
  ASSERT_GE(again.last().res, 0);
  const Socket server(kernel(), again.last().res);
}

TEST_P(ConnectTest, NobodyListensIsRefused) {
  Address address;
  Socket listener = listen(address);
  listener.close();
  const Socket client = open_socket();
  Call& call = connect(client, address);
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, -ECONNREFUSED);
}

TEST_P(ConnectTest, CancelEndsAPendingConnect) {
  Address address;
  const Socket listener = listen(address, false, 0);
  const Socket client = open_socket();
  Call& call = hang(client, address);
  ring().cancel(call.op);
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, -ECANCELED);
}

TEST_P(ConnectTest, ShutdownEndsAPendingConnect) {
  Address address;
  const Socket listener = listen(address, false, 0);
  Socket client = open_socket();
  Call& call = hang(client, address);
  EXPECT_EQ(client.shutdown(SHUT_RDWR), 0);
  ASSERT_TRUE(run_until_ended(call));
  EXPECT_EQ(call.last().res, -ECONNRESET);
}

TEST_P(ConnectTest, ListenersThatShareAPortShareItsClients) {
  Address address;
  const Socket one = listen(address, true, 128);
  const Socket two = listen(address, true, 128);
  Call& accepts_one = accept_many(one);
  Call& accepts_two = accept_many(two);
  std::vector<Socket> sockets;
  constexpr std::size_t kClients = 64;
  for (std::size_t i = 0; i < kClients; ++i) {
    sockets.push_back(open_socket());
    Call& call = connect(sockets.back(), address);
    ASSERT_TRUE(run_until_ended(call));
    ASSERT_EQ(call.last().res, 0);
  }
  ASSERT_TRUE(run_until([&] { return accepts_one.results.size() + accepts_two.results.size() == kClients; }));
  EXPECT_GT(accepts_one.results.size(), 0U);
  EXPECT_GT(accepts_two.results.size(), 0U);
  for (const Call* call : {&accepts_one, &accepts_two}) {
    for (const Completion& done : call->results) sockets.emplace_back(kernel(), done.res);
  }
}

TEST_P(ConnectTest, APortIsNotSharedUnlessBothWantIt) {
  Address address;
  const Socket first = listen(address, true);
  const Socket second = open_socket();
  EXPECT_EQ(kernel().bind_and_listen(second.fd(), address, 16), -EADDRINUSE);
  Address wildcard = sim::make_address(INADDR_ANY, sim::port_of(address));
  const Socket third = open_socket();
  EXPECT_EQ(kernel().bind_and_listen(third.fd(), wildcard, 16), -EADDRINUSE);
}

TEST_P(ConnectTest, BothEndsKnowEachOthersAddress) {
  Pair pair = connect_pair();
  Address client_local;
  Address client_peer;
  Address server_local;
  Address server_peer;
  EXPECT_EQ(kernel().local_address(pair.client.fd(), client_local), 0);
  EXPECT_EQ(kernel().peer_address(pair.client.fd(), client_peer), 0);
  EXPECT_EQ(kernel().local_address(pair.server.fd(), server_local), 0);
  EXPECT_EQ(kernel().peer_address(pair.server.fd(), server_peer), 0);
  EXPECT_EQ(sim::to_string(client_local), sim::to_string(server_peer));
  EXPECT_EQ(sim::to_string(client_peer), sim::to_string(server_local));
  EXPECT_EQ(sim::ip_of(client_local), INADDR_LOOPBACK);
  const Socket fresh = open_socket();
  EXPECT_EQ(kernel().peer_address(fresh.fd(), client_peer), -ENOTCONN);
  EXPECT_EQ(kernel().shutdown(fresh.fd(), SHUT_RDWR), -ENOTCONN);
}

INSTANTIATE_TEST_SUITE_P(Kernels, ConnectTest, testing::Values(KernelKind::kLive, KernelKind::kSim),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace fairlead::conformance
