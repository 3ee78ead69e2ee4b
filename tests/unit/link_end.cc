#include "tests/unit/link_end.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loopback.h"
#include "transport/kernel_tls.h"
#include "transport/record_protection.h"
#include "transport/session.h"

namespace fairlead {

namespace {

constexpr Duration kHangLimit = Duration::seconds(20);
constexpr std::uint32_t kBlockSize = 256 * 1024 + sizeof(Block);
constexpr std::uint32_t kBlocks = 16;
constexpr std::size_t kPieceMax = 4096;  // of what is sent at once

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace

LoopbackListener::LoopbackListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = loopback(0);
  if (fd_ < 0 || bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(fd_, 8) != 0) {
    die("listen");
  }
}

LoopbackListener::~LoopbackListener() {
  close(fd_);
}

std::string LoopbackListener::address() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0) die("getsockname");
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

int LoopbackListener::accept() const {
  pollfd ready{fd_, POLLIN, 0};
  if (poll(&ready, 1, static_cast<int>(kHangLimit.milliseconds())) <= 0) die("nobody connects");
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) die("accept");
  return fd;
}

int connect_to_loopback(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("connect");
  return fd;
}

// ---- one request on the ring at a time

class Call {
 public:
  void done(Completion completion) noexcept { result = completion.res; }

  int result = -ETIMEDOUT;
  OpOf<&Call::done> op{*this};
};

LinkEnd::LinkEnd(int fd, std::unique_ptr<Handshake> handshake, PostHandshake::Role role, RecordProtection protection)
    : socket_(live_kernel(), fd), handshake_(std::move(handshake)), role_(role), protection_(protection) {}

LinkEnd::~LinkEnd() = default;

int LinkEnd::run(const std::function<void(io_uring_sqe*)>& prepare) {
  Call call;
  ring_->submit(call.op, prepare);
  const Instant deadline = live_kernel().now() + kHangLimit;
  while (call.op.in_flight() && live_kernel().now() < deadline)
    ring_->turn(deadline - live_kernel().now());
  if (call.op.in_flight()) ring_->cancel(call.op);
  while (call.op.in_flight())
    ring_->turn(kHangLimit);
  return call.result;
}

// ---- handshake

void LinkEnd::send_bytes(const std::uint8_t* data, std::size_t size) const {
  while (size > 0) {
    const ssize_t count = ::send(socket_.fd(), data, size, MSG_NOSIGNAL);
    if (count <= 0) return;  // the peer is gone: the receiving side tells why
    data += count;
    size -= static_cast<std::size_t>(count);
  }
}

bool LinkEnd::receive_bytes() {
  pollfd ready{socket_.fd(), POLLIN, 0};
  if (poll(&ready, 1, static_cast<int>(kHangLimit.milliseconds())) <= 0) return false;
  std::uint8_t buffer[32 * 1024];
  const ssize_t count = recv(socket_.fd(), buffer, sizeof buffer, 0);
  if (count <= 0) return false;
  input_.insert(input_.end(), buffer, buffer + count);
  return true;
}

std::optional<Error> LinkEnd::shake_hands() {
  for (;;) {
    send_bytes(handshake_->output().data(), handshake_->output().size());
    handshake_->output().clear();
    if (!receive_bytes()) return handshake_->closed_by_peer();
    const auto progress = handshake_->feed(std::exchange(input_, {}));
    send_bytes(handshake_->output().data(), handshake_->output().size());
    handshake_->output().clear();
    if (!progress) return progress.error();
    if (*progress == Handshake::Progress::kNeedMore) continue;
    result_ = handshake_->take();
    return protect();
  }
}

std::optional<Error> LinkEnd::protect() {
  Kernel& kernel = live_kernel();
  ring_ = Ring::open(kernel, 8).value();
  ring_->enable().value();
  pool_ = BlockPool::open(kBlockSize, kBlocks).value();
  SessionSeed seed;
  seed.dialled = role_ == PostHandshake::Role::kClient;
  seed.socket = std::move(socket_);
  seed.sealer = std::make_unique<RecordSealer>(result_.suite, result_.tx_secret, result_.tx_sequence);
  seed.opener = std::make_unique<RecordOpener>(result_.suite, result_.rx_secret, result_.rx_sequence);
  seed.early = result_.leftover;
  auto done = protect_records(kernel, probe_kernel_tls(kernel), protection_, seed);
  if (!done) return done.error();
  bool preloaded = true;
  sender_ = make_sender(kernel, seed, pool_->take());
  receiver_ = make_receiver(kernel, seed, *pool_, pool_->take(), preloaded);
  socket_ = std::move(seed.socket);
  if (!preloaded) return Error{ErrorCode::kProtocol, "too much came early"};
  return std::nullopt;
}

// ---- sending

void LinkEnd::flush() {
  sender_->flush();
  while (sender_->pending_bytes() > 0) {
    const int sent = run([&](io_uring_sqe* sqe) { sender_->prepare_send(sqe, socket_.fd()); });
    if (sent < 0 || sender_->sent(static_cast<std::uint32_t>(sent)) < 0) return;  // the receiving side tells why
  }
}

void LinkEnd::send(std::string_view text) {
  while (!text.empty()) {
    while (!text.empty() && sender_->room()) {
      const std::size_t size = std::min<std::size_t>(text.size(), kPieceMax);
      sender_->put_frames(reinterpret_cast<const std::uint8_t*>(text.data()), static_cast<std::uint32_t>(size));
      text.remove_prefix(size);
    }
    flush();
  }
}

void LinkEnd::send_key_update() {
  sender_->put_key_update();
  flush();
}

void LinkEnd::send_close_notify() {
  sender_->put_close_notify();
  flush();
}

// ---- receiving

bool LinkEnd::receive_until(std::string_view text) {
  while (received_.find(text) == std::string::npos) {
    if (!receive_some()) return false;
  }
  return true;
}

bool LinkEnd::answer_key_update() {
  const std::uint32_t before = answers_;
  while (answers_ == before) {
    if (!receive_some()) return false;
  }
  return true;
}

bool LinkEnd::receive_close() {
  while (receive_some()) {
  }
  return closed_;
}

// False: nothing more comes.
bool LinkEnd::receive_some() {
  if (closed_ || error_ || !read_records() || !receiver_->make_room()) return false;
  const int received = run([&](io_uring_sqe* sqe) { receiver_->prepare_receive(sqe, socket_.fd(), false); });
  if (received < 0) error_ = receiver_->error_of_receive(-received);
  if (received <= 0) return false;
  receiver_->received(static_cast<std::uint32_t>(received));
  return read_records();
}

// What has been received. False: no more comes.
bool LinkEnd::read_records() {
  for (;;) {
    RecordReceiver::Run run;
    const auto next = receiver_->next(run);
    if (receiver_->take_key_update_request()) {
      send_key_update();
      ++answers_;
    }
    switch (next) {
      case RecordReceiver::Next::kFrames:
        received_.append(run.data, run.data + run.size);
        break;
      case RecordReceiver::Next::kNeedMore:
        return true;
      case RecordReceiver::Next::kClosed:
        closed_ = true;
        return false;
      case RecordReceiver::Next::kError:
        error_ = receiver_->error();
        return false;
    }
  }
}

}  // namespace fairlead
