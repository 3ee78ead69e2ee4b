// RouteTable: where connections for each routing key go: an immutable snapshot that shards ask without a lock.
// Neighbours: what is known of the sites at the other ends of our links. Pure.
//
// A key is served by this site's own connectors if it has any, else by the neighbour behind the cheapest link that
// advertises it; among equals the lower link id, so that all shards agree.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "router/routing/advertisement.h"
#include "transport/forwarder.h"

namespace fairlead {

struct Neighbour {
  std::uint32_t cost = 1;
  ServedKeys keys;
};

// By link id.
using Neighbours = std::map<std::uint32_t, Neighbour>;
// Connector ids by routing key.
using LocalConnectors = std::map<std::string, std::vector<std::uint32_t>, std::less<>>;

class RouteTable final : public Forwarder {
 public:
  RouteTable(const LocalConnectors& connectors, const Neighbours& neighbours);

  Route route(std::string_view routing_key, std::uint32_t arrived_on) const noexcept override;

  std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    std::vector<std::uint32_t> connectors;
    std::uint32_t link = 0;
    bool has_link = false;
  };

  struct Hash {
    using is_transparent = void;

    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };

  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
};

}  // namespace fairlead
