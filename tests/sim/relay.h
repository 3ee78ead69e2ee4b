// Relay: a small forwarding program written against Kernel as production code is, so that the simulated network can be
// tested without the product: a server accepts clients, each client sends bytes and reads the same bytes back.
//
// Every end keeps what it saw, and ends its connection the way production code does: shut down, join, close.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_world.h"
#include "transport/uring/buffer_ring.h"
#include "transport/uring/ring.h"
#include "transport/uring/slice_queue.h"
#include "transport/uring/socket.h"

namespace fairlead::sim {

// A host's thread: a ring, lent buffers, and what runs on them.
class Loop {
 public:
  Loop(SimWorld& world, std::string name);

  SimKernel& kernel() noexcept { return kernel_; }

  Ring& ring() noexcept { return *ring_; }

  BufferRing& buffers() noexcept { return *buffers_; }

  BlockPool& pool() noexcept { return *pool_; }

  SliceNodes& nodes() noexcept { return nodes_; }

  void turn() {
    ring_->turn(Duration::max());
    buffers_->refill();
  }

  bool at_rest() noexcept { return ring_->in_flight() == 0; }

 private:
  static constexpr std::uint32_t kBlockSize = 1024;

  SimKernel kernel_;
  SliceNodes nodes_{4096};
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<BufferRing> buffers_;
};

// Sends back what it receives, then ends.
class Echo {
 public:
  Echo(Loop& loop, Socket socket);

  bool ended() const noexcept { return ended_; }

 private:
  void on_receive(Completion done) noexcept;
  void on_send(Completion done) noexcept;
  void receive() noexcept;
  void send() noexcept;
  void end() noexcept;

  Loop& loop_;
  Socket socket_;
  SliceQueue out_;
  bool finished_ = false;
  bool ending_ = false;
  bool ended_ = false;
  OpOf<&Echo::on_receive> receive_{*this};
  OpOf<&Echo::on_send> send_{*this};
};

class Server {
 public:
  Server(Loop& loop, std::uint16_t port);

  void stop() noexcept;
  bool at_rest() const noexcept;

 private:
  void on_accept(Completion done) noexcept;
  void accept() noexcept;

  Loop& loop_;
  Socket listener_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Echo>> echoes_;
  OpOf<&Server::on_accept> accept_{*this};
};

class Client {
 public:
  enum class Outcome : std::uint8_t { kRunning, kComplete, kFailed };

  Client(Loop& loop, const Address& server, std::string bytes);

  // Gives up what is still running.
  void stop() noexcept;

  bool at_rest() const noexcept { return !connect_.in_flight() && !send_.in_flight() && !receive_.in_flight(); }

  Outcome outcome() const noexcept { return outcome_; }

  int error() const noexcept { return error_; }

  const std::string& sent() const noexcept { return bytes_; }

  const std::string& got() const noexcept { return got_; }

 private:
  void on_connect(Completion done) noexcept;
  void on_send(Completion done) noexcept;
  void on_receive(Completion done) noexcept;
  void send() noexcept;
  void receive() noexcept;
  void end(Outcome outcome, int error) noexcept;

  Loop& loop_;
  Socket socket_;
  Address server_;
  std::string bytes_;
  std::size_t sent_size_ = 0;
  std::string got_;
  bool finished_ = false;  // said that no more will be sent
  Outcome outcome_ = Outcome::kRunning;
  int error_ = 0;
  OpOf<&Client::on_connect> connect_{*this};
  OpOf<&Client::on_send> send_{*this};
  OpOf<&Client::on_receive> receive_{*this};
};

}  // namespace fairlead::sim
