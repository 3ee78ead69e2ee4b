#include "router/gateway.h"

#include <cstdint>
#include <utility>

#include "router/routing/route_table.h"
#include "transport/base/log.h"
#include "transport/transport.h"
#include "transport/uring/probe.h"

namespace fairlead {

// The router's part: what is served here and behind each link, kept on the control thread, and the route table that
// follows from it.
class Gateway::Impl final : public TransportEvents {
 public:
  void link_up(std::uint32_t link, std::uint32_t cost, const std::string&) override {
    neighbours_[link] = {cost, {}};
    transport->send_control(link, encode_advertisement(served_keys()));
  }

  void link_down(std::uint32_t link) override {
    if (neighbours_.erase(link) > 0) publish_routes();
  }

  void control_message(std::uint32_t link, std::span<const std::uint8_t> message) override {
    const auto neighbour = neighbours_.find(link);
    if (neighbour == neighbours_.end()) return;
    auto keys = decode_advertisement(message);
    if (!keys) return log_warning("router message ignored: {}", keys.error().message);
    neighbour->second.keys = std::move(*keys);
    publish_routes();
  }

  void connector_added(const std::string& routing_key, std::uint32_t id) {
    connectors_[routing_key].push_back(id);
    publish_routes();
    for (const auto& neighbour : neighbours_) {
      transport->send_control(neighbour.first, encode_advertisement(served_keys()));
    }
  }

  std::unique_ptr<Transport> transport;

 private:
  ServedKeys served_keys() const {
    ServedKeys keys;
    for (const auto& [key, ids] : connectors_) keys[key] = static_cast<std::uint16_t>(ids.size());
    return keys;
  }

  void publish_routes() { transport->set_forwarder(std::make_shared<RouteTable>(connectors_, neighbours_)); }

  LocalConnectors connectors_;
  Neighbours neighbours_;
};

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Gateway::~Gateway() { impl_->transport->stop(); }

Result<std::unique_ptr<Gateway>> Gateway::start(const TransportOptions& options) {
  auto features = probe_kernel(live_kernel());
  if (!features) return std::unexpected(features.error());
  auto impl = std::make_unique<Impl>();
  TransportOptions complete = options;
  while (complete.incarnation == 0) {
    live_kernel().random({reinterpret_cast<std::uint8_t*>(&complete.incarnation), sizeof complete.incarnation});
  }
  auto transport = Transport::open(live_kernel(), complete, *features, *impl);
  if (!transport) return std::unexpected(transport.error());
  impl->transport = std::move(*transport);
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
    impl_->connector_added(connector.routing_key, *id);
    return {};
  });
}

Result<void> Gateway::add_link(const LinkConfig& link) {
  return impl_->transport->on_control([&](Transport& transport) { return transport.add_link(link); });
}

std::shared_ptr<const GatewayStatus> Gateway::status() const { return impl_->transport->status(); }
int Gateway::status_fd() const { return impl_->transport->status_fd(); }

void Gateway::drain() {
  impl_->transport->on_control([](Transport& transport) { transport.drain(); });
}

bool Gateway::drained() const {
  return impl_->transport->on_control([](Transport& transport) { return transport.drained(); });
}

}  // namespace fairlead
