#include "tests/conformance/kernel_test.h"

#include <algorithm>
#include <cerrno>

namespace fairlead::conformance {

void KernelTest::SetUp() {
  auto ring = Ring::open(kernel(), 64);
  ASSERT_TRUE(ring.has_value()) << ring.error().message;
  ring_ = std::move(*ring);
  auto pool = BlockPool::open(kBlockSize, BufferRing::kLentCount);
  ASSERT_TRUE(pool.has_value()) << pool.error().message;
  pool_ = std::move(*pool);
  ASSERT_TRUE(ring_->enable().has_value());
  auto buffers = BufferRing::open(*ring_, *pool_, 1);
  ASSERT_TRUE(buffers.has_value()) << buffers.error().message;
  buffers_ = std::move(*buffers);
}

void KernelTest::TearDown() {
  for (Call& call : calls_) ring_->cancel(call.op);
  EXPECT_TRUE(run_until([this] { return ring_->in_flight() == 0; }));
  EXPECT_EQ(platform_.violations(), std::vector<std::string>{});
  buffers_.reset();
}

// ---- sockets

Socket KernelTest::open_socket() {
  const int fd = kernel().open_socket(AF_INET);
  EXPECT_GE(fd, 0);
  return {kernel(), fd};
}

Socket KernelTest::listen(Address& address, bool share_port, int backlog) {
  Socket socket = open_socket();
  if (share_port) {
    EXPECT_EQ(socket.set_option(SOL_SOCKET, SO_REUSEPORT, 1), 0);
  }
  if (address.size == 0) address = sim::make_address(INADDR_LOOPBACK, 0);
  EXPECT_EQ(kernel().bind_and_listen(socket.fd(), address, backlog), 0);
  EXPECT_EQ(kernel().local_address(socket.fd(), address), 0);
  return socket;
}

KernelTest::Pair KernelTest::connect_pair() {
  Address address;
  const Socket listener = listen(address);
  Pair pair;
  pair.client = open_socket();
  Call& accepted = accept(listener);
  Call& connected = connect(pair.client, address);
  EXPECT_TRUE(run_until([&] { return accepted.ended() && connected.ended(); }));
  EXPECT_EQ(connected.last().res, 0);
  EXPECT_GE(accepted.last().res, 0);
  pair.server = Socket(kernel(), accepted.last().res);
  return pair;
}

// ---- requests

Call& KernelTest::accept(const Socket& listener) {
  Call& call = new_call();
  ring().submit(call.op,
                [&](io_uring_sqe* sqe) { io_uring_prep_accept(sqe, listener.fd(), nullptr, nullptr, SOCK_CLOEXEC); });
  return call;
}

Call& KernelTest::accept_many(const Socket& listener) {
  Call& call = new_call();
  ring().submit(call.op, [&](io_uring_sqe* sqe) {
    io_uring_prep_multishot_accept(sqe, listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  });
  return call;
}

Call& KernelTest::connect(const Socket& socket, const Address& address) {
  Call& call = new_call();
  ring().submit(call.op,
                [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, socket.fd(), address.get(), address.size); });
  ring().turn(Duration{});  // the address may go now
  return call;
}

Call& KernelTest::receive(const Socket& socket, std::span<std::uint8_t> into) {
  Call& call = new_call();
  ring().submit(call.op, [&](io_uring_sqe* sqe) { io_uring_prep_recv(sqe, socket.fd(), into.data(), into.size(), 0); });
  return call;
}

Call& KernelTest::receive_lent(const Socket& socket, std::uint32_t bytes_max, bool wait_first) {
  Call& call = new_call();
  ring().submit(call.op,
                [&](io_uring_sqe* sqe) { buffers().prepare_receive(sqe, socket.fd(), bytes_max, wait_first); });
  return call;
}

Call& KernelTest::send(const Socket& socket, std::string_view bytes) {
  Call& call = new_call();
  ring().submit(call.op, [&](io_uring_sqe* sqe) {
    io_uring_prep_send(sqe, socket.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  });
  return call;
}

// ---- whole exchanges

void KernelTest::send_all(const Socket& socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const int sent = send_result(socket, bytes);
    ASSERT_GT(sent, 0);
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string KernelTest::read_exactly(const Socket& socket, std::size_t size) {
  std::string text;
  while (text.size() < size) {
    Call& call = receive(socket, std::span(scratch_).first(std::min(size - text.size(), scratch_.size())));
    EXPECT_TRUE(run_until_ended(call));
    const int got = call.ended() ? call.last().res : -ETIMEDOUT;
    EXPECT_GT(got, 0);
    if (got <= 0) break;
    text.append(reinterpret_cast<const char*>(scratch_.data()), static_cast<std::size_t>(got));
  }
  return text;
}

int KernelTest::receive_result(const Socket& socket) {
  Call& call = receive(socket, scratch_);
  EXPECT_TRUE(run_until_ended(call));
  return call.ended() ? call.last().res : -ETIMEDOUT;
}

int KernelTest::send_result(const Socket& socket, std::string_view bytes) {
  Call& call = send(socket, bytes);
  EXPECT_TRUE(run_until_ended(call));
  return call.ended() ? call.last().res : -ETIMEDOUT;
}

std::vector<Slice> KernelTest::collect(const Completion& done) {
  std::vector<Slice> slices;
  buffers().collect(done, [&](Slice slice) { slices.push_back(std::move(slice)); });
  return slices;
}

testing::AssertionResult same(std::string_view a, std::string_view b) {
  if (a == b) return testing::AssertionSuccess();
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return testing::AssertionFailure() << a.size() << " and " << b.size() << " bytes, the first " << (in_a - a.begin())
                                     << " the same";
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 2'654'435'761U >> 13);
  return text;
}

}  // namespace fairlead::conformance
