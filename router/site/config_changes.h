// ConfigChanges: what differs between the configuration that a gateway runs with and the one that it is to have. Pure.
#pragma once

#include <string>
#include <vector>

#include "router/site/gateway_config.h"

namespace fairlead {

// Of one kind, by name.
template <class Config>
struct ChangedItems {
  struct Pair {
    Config before;
    Config after;
  };

  std::vector<Config> added;
  std::vector<Pair> changed;
  std::vector<Config> removed;

  bool empty() const { return added.empty() && changed.empty() && removed.empty(); }
};

struct ConfigChanges {
  ChangedItems<AccessConfig> accesses;
  ChangedItems<ListenerConfig> listeners;
  ChangedItems<ConnectorConfig> connectors;
  ChangedItems<LinkConfig> links;
  bool link_options = false;         // how links are watched and protected
  bool latency = false;
  bool certificate_warning = false;
  bool metrics = false;
  std::vector<std::string> at_start;  // what a gateway can only take when it starts: sentences

  bool empty() const;
};

// Credentials do not count: what is in a bundle changes on its own.
ConfigChanges compare(const GatewayConfig& before, const GatewayConfig& after);

// For a user: a line for each thing that changes, and for each that does not before the next start.
std::vector<std::string> describe(const ConfigChanges& changes);

}  // namespace fairlead
