// KernelTest: the fixture of the suite: a ring with lent buffers on either kernel, and the sockets that tests talk
// over.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "tests/conformance/platform.h"
#include "tests/sim/ipv4.h"
#include "transport/uring/block_pool.h"
#include "transport/uring/buffer_ring.h"
#include "transport/uring/ring.h"
#include "transport/uring/socket.h"

namespace fairlead::conformance {

class KernelTest : public testing::TestWithParam<KernelKind> {
 protected:
  static constexpr std::uint32_t kBlockSize = 4096;

  struct Pair {
    Socket client;
    Socket server;
  };

  void SetUp() override;
  void TearDown() override;

  Kernel& kernel() noexcept { return platform_.kernel(); }
  Ring& ring() noexcept { return *ring_; }
  BufferRing& buffers() noexcept { return *buffers_; }
  static constexpr std::uint32_t buffer_size() noexcept {
    return kBlockSize - sizeof(Block) - BufferRing::kHeadroom - BufferRing::kTailroom;
  }

  template <class Predicate>
  [[nodiscard]] bool run_until(Predicate&& done) {
    return platform_.run_until(*ring_, done);
  }
  [[nodiscard]] bool run_until_ended(Call& call) {
    return run_until([&] { return call.ended(); });
  }
  void settle() { platform_.settle(*ring_); }

  // A new request, which lives until the end of the test.
  Call& new_call() { return calls_.emplace_back(); }

  Socket open_socket();
  // Listens on a free port of 127.0.0.1, or on that of `like`.
  Socket listen(Address& address, bool share_port = false, int backlog = 16);
  Pair connect_pair();

  Call& accept(const Socket& listener);
  Call& accept_many(const Socket& listener);
  Call& connect(const Socket& socket, const Address& address);
  Call& receive(const Socket& socket, std::span<std::uint8_t> into);
  Call& receive_lent(const Socket& socket, std::uint32_t bytes_max, bool wait_first);
  Call& send(const Socket& socket, std::string_view bytes);

  // Sends all of it, however many requests that takes, while `reader` may read.
  void send_all(const Socket& socket, std::string_view bytes);
  std::string read_exactly(const Socket& socket, std::size_t size);
  // The result of one receive into a plain buffer.
  int receive_result(const Socket& socket);
  int send_result(const Socket& socket, std::string_view bytes);
  std::vector<Slice> collect(const Completion& done);

  Platform platform_{GetParam()};
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<BufferRing> buffers_;
  std::deque<Call> calls_;
  std::vector<std::uint8_t> scratch_ = std::vector<std::uint8_t>(1 << 20);
};

inline std::string text_of(const Slice& slice) { return {reinterpret_cast<const char*>(slice.data()), slice.size()}; }

// Bytes in which a lost, doubled or swapped piece shows.
std::string pattern(std::size_t size);

// Compares without printing megabytes.
testing::AssertionResult same(std::string_view a, std::string_view b);

}  // namespace fairlead::conformance
