#include "router/gateway.h"

#include <cstdint>
#include <utility>

#include "router/router.h"
#include "transport/base/log.h"
#include "transport/transport.h"
#include "transport/uring/probe.h"

namespace fairlead {

struct Gateway::Impl {
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
  auto impl = std::make_unique<Impl>();
  TransportOptions complete = options;
  while (complete.incarnation == 0) {
    live_kernel().random({reinterpret_cast<std::uint8_t*>(&complete.incarnation), sizeof complete.incarnation});
  }
  auto transport = Transport::open(live_kernel(), complete, *features, impl->router);
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
    impl_->router.connector_added(connector.routing_key, *id);
    return {};
  });
}

Result<void> Gateway::add_link(const LinkConfig& link) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.add_link(link); });
}

std::shared_ptr<const GatewayStatus> Gateway::status() const {
  return impl_->transport->status();
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
