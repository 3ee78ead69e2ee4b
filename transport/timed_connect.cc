#include "transport/timed_connect.h"

#include <cerrno>
#include <utility>

#include "transport/transport.h"

namespace fairlead {

TimedConnect::TimedConnect(Transport& transport, Done done) : transport_(transport), done_(std::move(done)) {}

bool TimedConnect::start(const Address& address) noexcept {
  target_ = address;
  const int fd = transport_.kernel().open_socket(target_.family());
  if (fd < 0) {
    transport_.count_descriptors_exhausted();
    return false;
  }
  socket_ = Socket(transport_.kernel(), fd);
  began_ = transport_.now();
  transport_.ring().submit(
      connect_, [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, socket_.fd(), target_.get(), target_.size); });
  transport_.timers().arm(deadline_, began_ + transport_.options().health_timeout);
  return true;
}

void TimedConnect::on_deadline(Instant) noexcept {
  transport_.ring().cancel(connect_);
}

void TimedConnect::on_connect(Completion done) noexcept {
  deadline_.cancel();
  socket_.close_with_reset();
  if (closing_) return;
  const int error = done.ok() ? 0 : done.res == -ECANCELED ? ETIMEDOUT : -done.res;
  done_(error, transport_.kernel().now() - began_);
}

void TimedConnect::close() noexcept {
  closing_ = true;
  deadline_.cancel();
  transport_.ring().cancel(connect_);
}

}  // namespace fairlead
