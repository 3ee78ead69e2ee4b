#include "tests/sim/relay.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "transport/base/check.h"

namespace fairlead::sim {

Loop::Loop(SimWorld& world, std::string name) : kernel_(world, std::move(name)) {
  ring_ = std::move(*Ring::open(kernel_, 256));
  CHECK(ring_->enable().has_value());
  pool_ = std::move(*BlockPool::open(kBlockSize, 256));
  buffers_ = std::move(*BufferRing::open(*ring_, *pool_, 1));
}

// ---- Echo

Echo::Echo(Loop& loop, Socket socket) : loop_(loop), socket_(std::move(socket)), out_(loop.nodes()) {
  receive();
}

void Echo::receive() noexcept {
  if (receive_.in_flight() || finished_ || ending_) return;
  loop_.ring().submit(receive_, [&](io_uring_sqe* sqe) {
    loop_.buffers().prepare_receive(sqe, socket_.fd(), BufferRing::kReceiveBytesMax, true);
  });
}

void Echo::on_receive(Completion done) noexcept {
  if (done.res > 0) {
    loop_.buffers().collect(done, [&](Slice slice) { CHECK(out_.push(std::move(slice))); });
  } else if (done.res == 0) {
    finished_ = true;
  } else if (done.res != -ENOBUFS) {
    return end();
  }
  if (ending_) return end();
  send();
  // One receive's worth at a time: what is queued must leave before more is taken in.
  if (out_.empty()) receive();
}

void Echo::send() noexcept {
  if (send_.in_flight() || ending_) return;
  if (out_.empty()) {
    if (finished_) end();
    return;
  }
  loop_.ring().submit(send_, [&](io_uring_sqe* sqe) {
    io_uring_prep_send(sqe, socket_.fd(), out_.front().data(), out_.front().size(), MSG_NOSIGNAL);
  });
}

void Echo::on_send(Completion done) noexcept {
  if (done.res <= 0) return end();
  out_.drop_front(done.bytes());
  if (ending_) return end();
  send();
  if (out_.empty()) receive();
}

void Echo::end() noexcept {
  if (!ending_) {
    ending_ = true;
    socket_.shutdown(SHUT_RDWR);
  }
  if (receive_.in_flight() || send_.in_flight()) return;
  out_.clear();
  socket_.close();
  ended_ = true;
}

// ---- Server

Server::Server(Loop& loop, std::uint16_t port) : loop_(loop) {
  int fd = -1;
  while (fd < 0)
    fd = loop.kernel().open_socket(AF_INET);  // a simulated failure passes
  listener_ = Socket(loop.kernel(), fd);
  CHECK(loop.kernel().bind_and_listen(fd, loop.kernel().address(port), 64) == 0);
  accept();
}

void Server::accept() noexcept {
  loop_.ring().submit(accept_, [&](io_uring_sqe* sqe) {
    io_uring_prep_multishot_accept(sqe, listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
  });
}

void Server::on_accept(Completion done) noexcept {
  if (done.ok()) echoes_.push_back(std::make_unique<Echo>(loop_, Socket(loop_.kernel(), done.res)));
  if (!done.more() && !stopping_) accept();
}

void Server::stop() noexcept {
  stopping_ = true;
  loop_.ring().cancel(accept_);
  listener_.shutdown(SHUT_RDWR);
}

bool Server::at_rest() const noexcept {
  return !accept_.in_flight() &&
         std::all_of(echoes_.begin(), echoes_.end(), [](const auto& echo) { return echo->ended(); });
}

// ---- Client

Client::Client(Loop& loop, const Address& server, std::string bytes)
    : loop_(loop), server_(server), bytes_(std::move(bytes)) {
  const int fd = loop.kernel().open_socket(AF_INET);
  if (fd < 0) {
    outcome_ = Outcome::kFailed;
    error_ = -fd;
    return;
  }
  socket_ = Socket(loop.kernel(), fd);
  loop.ring().submit(connect_, [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, fd, server_.get(), server_.size); });
}

void Client::on_connect(Completion done) noexcept {
  if (outcome_ != Outcome::kRunning) return end(outcome_, error_);
  if (!done.ok()) return end(Outcome::kFailed, -done.res);
  send();
  receive();
}

void Client::send() noexcept {
  if (sent_size_ < bytes_.size()) {
    loop_.ring().submit(send_, [&](io_uring_sqe* sqe) {
      io_uring_prep_send(sqe, socket_.fd(), bytes_.data() + sent_size_,
                         std::min<std::size_t>(bytes_.size() - sent_size_, 3'000), MSG_NOSIGNAL);
    });
  } else if (!finished_) {
    finished_ = true;
    socket_.shutdown(SHUT_WR);
  }
}

void Client::on_send(Completion done) noexcept {
  if (outcome_ != Outcome::kRunning || done.res <= 0) return end(Outcome::kFailed, -done.res);
  sent_size_ += done.bytes();
  send();
}

void Client::receive() noexcept {
  loop_.ring().submit(receive_, [&](io_uring_sqe* sqe) {
    loop_.buffers().prepare_receive(sqe, socket_.fd(), BufferRing::kReceiveBytesMax, true);
  });
}

void Client::on_receive(Completion done) noexcept {
  if (done.res > 0) {
    loop_.buffers().collect(
        done, [&](const Slice& slice) { got_.append(reinterpret_cast<const char*>(slice.data()), slice.size()); });
  }
  if (outcome_ != Outcome::kRunning) return end(outcome_, error_);
  if (done.res > 0 || done.res == -ENOBUFS) return receive();
  if (done.res == 0 && finished_) return end(Outcome::kComplete, 0);
  end(Outcome::kFailed, -done.res);
}

void Client::stop() noexcept {
  if (outcome_ == Outcome::kRunning) end(Outcome::kFailed, ECANCELED);
}

void Client::end(Outcome outcome, int error) noexcept {
  if (outcome_ == Outcome::kRunning) {
    outcome_ = outcome;
    error_ = error;
    loop_.ring().cancel(connect_);
    socket_.shutdown(SHUT_RDWR);
  }
  if (at_rest()) socket_.close();
}

}  // namespace fairlead::sim
