#include "transport/health_probe.h"

#include <cerrno>

#include "transport/transport.h"

namespace fairlead {
namespace {

// After a client's failure: long enough for a server that restarts, short enough that hardly anybody notices.
constexpr Duration kAfterFailure = Duration::milliseconds(50);

}  // namespace

HealthProbe::HealthProbe(Transport& transport, std::uint32_t connector)
    : transport_(transport), connector_(connector) {}

void HealthProbe::set_addresses(std::vector<Address> addresses) {
  addresses_ = std::move(addresses);
  next_ = failed_ = 0;
  if (state_ == State::kUnknown) probe();
}

void HealthProbe::client_failed() {
  if (closing_) return;
  settle(State::kDown, 0);
  due_.cancel();
  transport_.timers().arm(due_, transport_.now() + kAfterFailure);
}

void HealthProbe::probe() noexcept {
  if (closing_ || connect_.in_flight() || addresses_.empty()) return;
  target_ = addresses_[next_++ % addresses_.size()];
  const int fd = transport_.kernel().open_socket(target_.family());
  if (fd < 0) {
    // Our own shortage says nothing about the server.
    transport_.count_descriptors_exhausted();
    return transport_.timers().arm(due_, transport_.now() + transport_.options().health_retry);
  }
  socket_ = Socket(transport_.kernel(), fd);
  transport_.ring().submit(
      connect_, [&](io_uring_sqe* sqe) { io_uring_prep_connect(sqe, socket_.fd(), target_.get(), target_.size); });
  transport_.timers().arm(deadline_, transport_.now() + transport_.options().health_timeout);
}

void HealthProbe::on_deadline(Instant) noexcept {
  transport_.ring().cancel(connect_);
}

void HealthProbe::on_connect(Completion done) noexcept {
  deadline_.cancel();
  // By reset: the server's accept queue must not fill with connections that say nothing.
  socket_.close_with_reset();
  if (closing_) return;
  if (done.ok()) {
    failed_ = 0;
    settle(State::kUp, 0);
    due_.cancel();
    return transport_.timers().arm(due_, transport_.now() + transport_.options().health_interval);
  }
  if (++failed_ < addresses_.size()) return probe();
  failed_ = 0;
  settle(State::kDown, done.res == -ECANCELED ? ETIMEDOUT : -done.res);
  due_.cancel();
  transport_.timers().arm(due_, transport_.now() + transport_.options().health_retry);
}

void HealthProbe::on_due(Instant) noexcept {
  probe();
}

void HealthProbe::settle(State state, int error) noexcept {
  if (std::exchange(state_, state) == state) return;
  transport_.connector_health_changed(connector_, state == State::kUp, error);
}

void HealthProbe::close() noexcept {
  closing_ = true;
  due_.cancel();
  deadline_.cancel();
  transport_.ring().cancel(connect_);
}

}  // namespace fairlead
