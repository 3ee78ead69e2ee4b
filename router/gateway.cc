#include "router/gateway.h"

#include <cstdint>
#include <utility>

#include "router/router.h"
#include "transport/base/log.h"
#include "transport/transport.h"
#include "transport/uring/probe.h"

namespace fairlead {
namespace {

// Later than that of the life before, as far as the clock can be trusted, and not that of another process: microseconds
// since 1970 in the upper bits, chance in the lower ones.
std::uint64_t new_incarnation() {
  constexpr std::uint64_t kMicrosecondsPerSecond = 1'000'000;
  std::uint64_t chance = 0;
  live_kernel().random({reinterpret_cast<std::uint8_t*>(&chance), sizeof chance});
  const auto seconds = static_cast<std::uint64_t>(live_kernel().unix_seconds());
  return (seconds * kMicrosecondsPerSecond << 12) | (chance >> 32);
}

}  // namespace

struct Gateway::Impl {
  explicit Impl(const TransportOptions& options) : router(options) {}

  Router router;
  std::unique_ptr<Transport> transport;  // calls the router: ends first
};

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Gateway::~Gateway() {
  impl_->transport->stop();
}

Result<std::unique_ptr<Gateway>> Gateway::start(const TransportOptions& options) {
  auto features = probe_kernel(live_kernel());
  if (!features) return std::unexpected(features.error());
  for (const std::string& sentence : features->lacking) {
    log_info("Linux {} lacks {}", features->release, sentence);
  }
  const KernelTlsFeatures tls = probe_kernel_tls(live_kernel());
  if (!tls.lacking.empty()) log_info("Linux {}: no kernel TLS: {}", features->release, tls.lacking);
  TransportOptions complete = options;
  if (complete.incarnation == 0) complete.incarnation = new_incarnation();
  auto impl = std::make_unique<Impl>(complete);
  auto transport = Transport::open(live_kernel(), complete, *features, tls, impl->router);
  if (!transport) return std::unexpected(transport.error());
  impl->transport = std::move(*transport);
  impl->router.attach(*impl->transport);
  if (auto started = impl->transport->start_threads(); !started) return std::unexpected(started.error());
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Result<void> Gateway::add_access(const AccessConfig& access) {
  auto added = impl_->transport->on_control([&](Transport& transport) { return transport.add_access(access); });
  if (!added) return std::unexpected(added.error());
  return {};
}

Result<void> Gateway::add_listener(const ListenerConfig& listener) {
  auto added = impl_->transport->on_control([&](Transport& transport) { return transport.add_listener(listener); });
  if (!added) return std::unexpected(added.error());
  return {};
}

Result<void> Gateway::add_connector(const ConnectorConfig& connector) {
  return impl_->transport->on_control([&](Transport& transport) -> Result<void> {
    auto id = transport.add_connector(connector);
    if (!id) return std::unexpected(id.error());
    impl_->router.connector_added(connector.routing_key, *id, !connector.probe);
    return {};
  });
}

Result<void> Gateway::add_link(const LinkConfig& link) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.add_link(link); });
}

Result<void> Gateway::set_access(const AccessConfig& access) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.set_access(access); });
}

Result<void> Gateway::set_listener(const ListenerConfig& listener) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.set_listener(listener); });
}

Result<void> Gateway::set_connector(const ConnectorConfig& connector) {
  return impl_->transport->on_control([&](Transport& transport) -> Result<void> {
    auto id = transport.set_connector(connector);
    if (!id) return std::unexpected(id.error());
    if (*id) impl_->router.connector_added(connector.routing_key, **id, !connector.probe);
    return {};
  });
}

Result<void> Gateway::set_link(const LinkConfig& link) {
  return impl_->transport->on_control([&](Transport& transport) -> Result<void> {
    auto id = transport.set_link(link);
    if (!id) return std::unexpected(id.error());
    impl_->router.set_link_cost(*id, link.cost);
    return {};
  });
}

Result<void> Gateway::remove_access(const std::string& access) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.remove_access(access); });
}

Result<void> Gateway::remove_listener(const std::string& listener) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.remove_listener(listener); });
}

Result<void> Gateway::remove_connector(const std::string& connector) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.remove_connector(connector); });
}

Result<void> Gateway::remove_link(const std::string& link) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.remove_link(link); });
}

void Gateway::set_options(const TransportOptions& options) {
  impl_->transport->on_control([&](Transport& transport) { transport.set_options(options); });
}

Result<void> Gateway::set_link_cost(const std::string& link, std::uint32_t cost) {
  return impl_->transport->on_control([&](Transport& transport) -> Result<void> {
    auto id = transport.set_link_cost(link, cost);
    if (!id) return std::unexpected(id.error());
    impl_->router.set_link_cost(*id, cost);
    return {};
  });
}

Result<void> Gateway::set_link_credentials(const std::string& link, std::shared_ptr<const Credentials> credentials) {
  return impl_->transport->on_control(
      [&](Transport& transport) { return transport.set_link_credentials(link, std::move(credentials)); });
}

Result<void> Gateway::set_access_credentials(const std::string& access,
                                             std::shared_ptr<const Credentials> credentials) {
  return impl_->transport->on_control(
      [&](Transport& transport) { return transport.set_access_credentials(access, std::move(credentials)); });
}

void Gateway::note_refused_credentials(CredentialsUser user, const std::string& name, const std::string& why) {
  impl_->transport->on_control([&](Transport& transport) {
    transport.note_refused_credentials(user, name, why);
    return true;
  });
}

std::shared_ptr<const GatewayStatus> Gateway::status() const {
  return impl_->transport->status();
}

NetworkView Gateway::network() const {
  return impl_->transport->on_control([this](Transport& transport) {
    transport.refresh_status();
    return impl_->router.view();
  });
}

std::uint64_t Gateway::begin_trace(const std::string& routing_key) {
  return impl_->transport->on_control([&](Transport&) { return impl_->router.begin_trace(routing_key); });
}

std::optional<TraceReport> Gateway::trace_report(std::uint64_t id) const {
  return impl_->transport->on_control([&](Transport&) -> std::optional<TraceReport> {
    const TraceReport* report = impl_->router.trace_report(id);
    return report == nullptr ? std::nullopt : std::optional(*report);
  });
}

std::uint64_t Gateway::begin_survey() {
  return impl_->transport->on_control([&](Transport&) { return impl_->router.begin_survey(); });
}

std::optional<NetworkSurvey> Gateway::survey(std::uint64_t id) const {
  return impl_->transport->on_control([&](Transport&) { return impl_->router.survey(id); });
}

Result<std::uint64_t> Gateway::begin_link_test(const std::string& name, const LinkTestPlan& plan) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.begin_link_test(name, plan); });
}

std::optional<LinkTestReport> Gateway::link_test(std::uint64_t id) const {
  return impl_->transport->on_control([&](Transport& transport) { return transport.link_test(id); });
}

void Gateway::end_link_test(std::uint64_t id) {
  impl_->transport->on_control([&](Transport& transport) { transport.end_link_test(id); });
}

int Gateway::status_fd() const {
  return impl_->transport->status_fd();
}

void Gateway::drain() {
  impl_->transport->on_control([](Transport& transport) { transport.drain(); });
}

bool Gateway::drained() const {
  return impl_->transport->on_control([](Transport& transport) { return transport.drained(); });
}

}  // namespace fairlead
