// Router: what this site serves and what is served behind each of its links, and the route table that follows. It tells
// neighbours what is served here, and shards where connections go.
//
// Owner: Gateway. Control thread only.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "router/routing/route_table.h"
#include "transport/transport.h"

namespace fairlead {

class Router final : public TransportEvents {
 public:
  // Before the transport's first event.
  void attach(Transport& transport) noexcept { transport_ = &transport; }

  // A connector of this site serves the key from now on; `id` as in Route.
  void connector_added(const std::string& routing_key, std::uint32_t id);

  void link_up(std::uint32_t link, std::uint32_t cost, const std::string& remote_site_id) override;
  void link_down(std::uint32_t link) override;
  void link_reset(std::uint32_t link) override;
  void control_message(std::uint32_t link, std::span<const std::uint8_t> message) override;

 private:
  ServedKeys served_keys() const;
  void publish_routes();

  Transport* transport_ = nullptr;
  LocalConnectors connectors_;
  Neighbours neighbours_;
};

}  // namespace fairlead
