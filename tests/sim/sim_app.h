// AppHost: a simulated machine with applications: clients that connect to a gateway's listeners and servers that its
// connectors dial. They follow scripts (flow_script.h), live on one ring under the same faults as the gateways, and
// account for what they see in the FlowLedger.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/flow_ledger.h"
#include "tests/sim/flow_script.h"
#include "tests/sim/sim_kernel.h"
#include "transport/uring/op.h"
#include "transport/uring/ring.h"
#include "transport/uring/socket.h"
#include "transport/uring/timers.h"

namespace fairlead::sim {

class AppHost;

// One end of an application connection.
class AppConnection {
 public:
  // A client: dials.
  AppConnection(AppHost& host, Socket socket, const Address& to, FlowEnd& end, const FlowScript& script);
  // A server's: accepted.
  AppConnection(AppHost& host, Socket socket, FlowEnd& end, const FlowScript& script);
  AppConnection(const AppConnection&) = delete;
  AppConnection& operator=(const AppConnection&) = delete;

  // Ends a stall.
  void release();

  bool gone() const noexcept { return end_.over && idle(); }

  const FlowEnd& end() const noexcept { return end_; }

 private:
  // Longer than a gateway waits for anything on behalf of a client.
  static constexpr Duration kConnectTimeout = Duration::seconds(15);
  // Of each direction: a script takes seconds, not minutes.
  static constexpr unsigned kPausesMax = 20;

  void on_connect(Completion done) noexcept;
  void on_send(Completion done) noexcept;
  void on_receive(Completion done) noexcept;
  void on_send_pause(Instant now) noexcept;
  void on_receive_pause(Instant now) noexcept;
  void on_connect_deadline(Instant now) noexcept;

  void go_on();
  void send_more();
  void receive_more();
  std::uint64_t sendable_bytes() const noexcept;
  bool sends_everything_yet() const noexcept;

  bool aborts_now() const noexcept {
    return end_.sent >= script_.aborts_at_sent || end_.received >= script_.aborts_at_received;
  }

  void cut(std::string why, bool by_us);
  void end_when_idle();
  // A pause now and then.
  void rest(Timer& pause, Duration most, unsigned& left);

  bool idle() const noexcept { return !connect_.in_flight() && !send_.in_flight() && !receive_.in_flight(); }

  AppHost& host_;
  Socket socket_;
  Address to_;
  FlowEnd& end_;
  FlowScript script_;
  bool connected_;
  bool released_ = false;
  bool aborting_ = false;
  unsigned send_pauses_left_ = kPausesMax;
  unsigned receive_pauses_left_ = kPausesMax;
  std::vector<std::uint8_t> outgoing_;
  std::vector<std::uint8_t> incoming_;

  OpOf<&AppConnection::on_connect> connect_{*this};
  OpOf<&AppConnection::on_send> send_{*this};
  OpOf<&AppConnection::on_receive> receive_{*this};
  TimerOf<&AppConnection::on_send_pause> send_pause_{*this};
  TimerOf<&AppConnection::on_receive_pause> receive_pause_{*this};
  TimerOf<&AppConnection::on_connect_deadline> connect_deadline_{*this};
};

class AppServer {
 public:
  AppServer(AppHost& host, Socket socket, std::uint16_t port, Behaviour behaviour, std::string routing_key);
  AppServer(const AppServer&) = delete;
  AppServer& operator=(const AppServer&) = delete;

  void close();

  std::uint16_t port() const noexcept { return port_; }

  bool closing() const noexcept { return closing_; }

  bool gone() const noexcept { return closing_ && !accept_.in_flight(); }

 private:
  void on_accept(Completion done) noexcept;
  void arm();

  AppHost& host_;
  Socket socket_;
  std::uint16_t port_;
  Behaviour behaviour_;
  std::string routing_key_;
  bool closing_ = false;
  OpOf<&AppServer::on_accept> accept_{*this};
};

class AppHost {
 public:
  // `site` is the gateway that its applications use.
  AppHost(SimWorld& world, FlowLedger& ledger, const std::string& name, unsigned site, const FlowSizes& sizes);
  ~AppHost();
  AppHost(const AppHost&) = delete;
  AppHost& operator=(const AppHost&) = delete;

  SimKernel& kernel() noexcept { return kernel_; }

  FlowSizes& sizes() noexcept { return sizes_; }

  // Null when the host has no socket to spare just now.
  FlowEnd* connect(const Address& gateway, const std::string& routing_key, const FlowScript& script);
  bool serve(std::uint16_t port, Behaviour behaviour, const std::string& routing_key);
  // Nobody listens there any more; connections go on.
  void refuse(std::uint16_t port);
  bool serves(std::uint16_t port) const noexcept;

  void turn();
  void release_stalls();
  void close_servers();

  std::size_t connection_count() const noexcept { return connections_.size(); }

  // ---- for its applications

  Ring& ring() noexcept { return *ring_; }

  Timers& timers() noexcept { return timers_; }

  Instant now() const noexcept { return now_; }

  Prng& prng() noexcept { return prng_; }

  FlowLedger& ledger() noexcept { return ledger_; }

  void accept(Socket socket, Behaviour behaviour, const std::string& routing_key);
  // What a connection does, into the world's trace.
  void trace(const char* what, const FlowEnd& end, int fd);

 private:
  SimWorld& world_;
  FlowLedger& ledger_;
  unsigned site_;
  FlowSizes sizes_;
  SimKernel kernel_;
  Prng prng_;
  std::unique_ptr<Ring> ring_;
  Instant now_;
  Timers timers_;
  std::list<AppConnection> connections_;
  std::list<AppServer> servers_;
};

}  // namespace fairlead::sim
