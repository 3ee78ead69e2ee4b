#include "transport/health_probe.h"

#include "transport/transport.h"

namespace fairlead {
namespace {

// After a client's failure: long enough for a server that restarts, short enough that hardly anybody notices.
constexpr Duration kAfterFailure = Duration::milliseconds(50);

}  // namespace

HealthProbe::HealthProbe(Transport& transport, std::uint32_t connector)
    : transport_(transport),
      connector_(connector),
      connect_(transport, [this](int error, Duration) { connected(error); }) {}

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
  if (closing_ || connect_.busy() || addresses_.empty()) return;
  if (connect_.start(addresses_[next_++ % addresses_.size()])) return;
  // Our own shortage says nothing about the server.
  transport_.timers().arm(due_, transport_.now() + transport_.options().health_retry);
}

void HealthProbe::connected(int error) noexcept {
  if (error == 0) {
    failed_ = 0;
    settle(State::kUp, 0);
    due_.cancel();
    return transport_.timers().arm(due_, transport_.now() + transport_.options().health_interval);
  }
  if (++failed_ < addresses_.size()) return probe();
  failed_ = 0;
  settle(State::kDown, error);
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
  connect_.close();
}

}  // namespace fairlead
