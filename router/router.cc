#include "router/router.h"

#include <memory>
#include <utility>

#include "transport/base/log.h"

namespace fairlead {

void Router::connector_added(const std::string& routing_key, std::uint32_t id) {
  connectors_[routing_key].push_back(id);
  publish_routes();
  for (const auto& neighbour : neighbours_) {
    transport_->send_control(neighbour.first, encode_advertisement(served_keys()));
  }
}

void Router::link_up(std::uint32_t link, std::uint32_t cost, const std::string&) {
  neighbours_[link] = {cost, {}};
  transport_->send_control(link, encode_advertisement(served_keys()));
}

void Router::link_down(std::uint32_t link) {
  if (neighbours_.erase(link) > 0) publish_routes();
}

void Router::link_reset(std::uint32_t link) {
  if (neighbours_.contains(link)) transport_->send_control(link, encode_advertisement(served_keys()));
}

void Router::control_message(std::uint32_t link, std::span<const std::uint8_t> message) {
  const auto neighbour = neighbours_.find(link);
  if (neighbour == neighbours_.end()) return;
  auto keys = decode_advertisement(message);
  if (!keys) return log_warning("router message ignored: {}", keys.error().message);
  neighbour->second.keys = std::move(*keys);
  publish_routes();
}

ServedKeys Router::served_keys() const {
  ServedKeys keys;
  for (const auto& [key, ids] : connectors_)
    keys[key] = static_cast<std::uint16_t>(ids.size());
  return keys;
}

void Router::publish_routes() {
  transport_->set_forwarder(std::make_shared<RouteTable>(connectors_, neighbours_));
}

}  // namespace fairlead
