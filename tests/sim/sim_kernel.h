// SimKernel: one simulated host as production code sees it. It implements Kernel for any number of rings (its shards
// and control loop) over the network and clock of a SimWorld; sim_world.h says how a harness drives it.
//
// It executes the SQEs that liburing's helpers wrote: NOP, ACCEPT, CONNECT, RECV (with buffers of a ring, in bundles,
// or a plain buffer), RECVMSG, SEND and SENDMSG (also those that do not wait, and complete only if they fail), READ of
// an eventfd, ASYNC_CANCEL by user_data. Anything else, and any flag it does not know, completes with -EINVAL and is a
// violation: model it here and in tests/conformance before production uses it.
//
// Loops are stepped, and enter() never sleeps. So a thread that would sleep in it does not see its last requests
// taken, and so does not learn of what needs no completion, before something wakes it.
//
// Every host has one address, 10.0.0.(number + 1), and 127.0.0.0/8 of its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tests/sim/sim_ring.h"
#include "tests/sim/sim_socket.h"
#include "tests/sim/sim_world.h"
#include "transport/uring/kernel.h"

namespace fairlead::sim {

class SimKernel final : public Kernel {
 public:
  static constexpr unsigned kNoHost = ~0U;

  struct Options {
    bool receive_bundles = true;  // Linux 6.10
    std::size_t descriptors_max = 1'000'000;
    bool may_fall_silent = true;  // whether connections of this host get that fault
    SimTlsOptions tls{};
    Duration connect_cost{};  // of the time of whoever submits it
  };

  SimKernel(SimWorld& world, std::string name) : SimKernel(world, std::move(name), Options{}) {}

  SimKernel(SimWorld& world, std::string name, Options options);
  ~SimKernel() override;

  // ---- for the harness

  Options& options() noexcept { return options_; }

  unsigned host() const noexcept { return host_; }

  const std::string& name() const noexcept { return name_; }

  std::uint32_t ip() const noexcept { return 0x0a000001U + host_; }

  // This host's address as others dial it.
  Address address(std::uint16_t port) const noexcept;

  Instant paused_until() const noexcept { return paused_until_; }

  void pause_until(Instant until) noexcept { paused_until_ = until; }

  // The process dies: its requests end with -ECANCELED, its descriptors are closed, which its peers see as after a
  // kill -9. Its loops may be stepped until they have stopped; every call of theirs fails. Destroying a SimKernel whose
  // rings are closed closes what is left in the same way. For a host that loses power, partition it first.
  void kill();

  bool dead() const noexcept { return dead_; }

  // A new process on the same host, once the rings of the dead one are closed.
  void restart();
  std::string describe() const;

  // ---- for the rest of the simulation

  // When the first of the rings wants to be woken, if that is after `now`; Instant::max() if none does.
  Instant next_wake(Instant now) const noexcept;
  bool owns(std::uint32_t ip) const noexcept;
  unsigned host_of(std::uint32_t ip) const noexcept;
  std::uint16_t next_port() noexcept;
  int add_socket(std::shared_ptr<SimSocket> socket);

  bool out_of_descriptors() const noexcept { return world_.descriptors_of(host_) >= options_.descriptors_max; }

  // ---- Kernel

  int setup_ring(io_uring& ring, unsigned entries, io_uring_params& params) noexcept override;
  int enable_ring(io_uring& ring) noexcept override;
  void close_ring(io_uring& ring) noexcept override;
  int enter(io_uring& ring, Duration wait) noexcept override;

  bool spin(io_uring&, Duration) noexcept override { return false; }  // time does not pass within a turn

  // A harness steps every loop anyway.
  int register_event(io_uring&, int) noexcept override { return 0; }

  int register_buffer_ring(io_uring& ring, io_uring_buf_reg& registration) noexcept override;
  int unregister_buffer_ring(io_uring& ring, int group) noexcept override;
  int open_socket(int family) noexcept override;
  using Kernel::set_option;
  int set_option(int fd, int level, int name, std::span<const std::byte> value) noexcept override;
  int bind_and_listen(int fd, const Address& address, int backlog) noexcept override;
  // There are no Unix sockets here, which are what they are for.
  int duplicate(int) noexcept override { return -ENOSYS; }
  void unlink_socket(const Address&) noexcept override {}
  int local_address(int fd, Address& address) noexcept override;
  int peer_address(int fd, Address& address) noexcept override;
  int milliseconds_since_data(int fd) noexcept override;
  TlsEngines tls_engines(int fd) noexcept override;
  int shutdown(int fd, int how) noexcept override;
  void close(int fd) noexcept override;
  void close_with_reset(int fd) noexcept override;
  int open_event() noexcept override;
  void signal_event(int fd) noexcept override;

  Instant now() noexcept override { return world_.now(); }

  std::int64_t unix_seconds() noexcept override;

  ThreadUsage thread_usage() noexcept override { return {}; }  // its threads are none
  void random(std::span<std::uint8_t> bytes) noexcept override;

 private:
  // What the wall clock shows when the simulated one starts.
  static constexpr std::int64_t kEpochSeconds = 1'790'000'000;
  static constexpr std::uint16_t kFirstPort = 32'768;

  SimRing& ring_of(io_uring& ring) noexcept;
  std::shared_ptr<SimSocket> socket_of(int fd, const char* call);

  SimWorld& world_;
  std::string name_;
  Options options_;
  unsigned host_;
  Prng entropy_;
  std::uint16_t next_port_ = kFirstPort;
  Instant paused_until_{};
  bool dead_ = false;
  std::map<int, std::unique_ptr<SimRing>> rings_;  // by the number in io_uring.ring_fd
  int next_ring_ = 1;
};

}  // namespace fairlead::sim
