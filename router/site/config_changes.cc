#include "router/site/config_changes.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "router/site/field_reader.h"

namespace fairlead {

namespace {

LinkConfig without_credentials(LinkConfig config) {
  config.credentials.reset();
  return config;
}

AccessConfig without_credentials(AccessConfig config) {
  config.credentials.reset();
  return config;
}

const ListenerConfig& without_credentials(const ListenerConfig& config) {
  return config;
}

const ConnectorConfig& without_credentials(const ConnectorConfig& config) {
  return config;
}

template <class Config>
const Config* find(const std::vector<Config>& list, const std::string& name) {
  const auto at = std::ranges::find(list, name, &Config::name);
  return at == list.end() ? nullptr : &*at;
}

template <class Config>
ChangedItems<Config> compare_items(const std::vector<Config>& before, const std::vector<Config>& after) {
  ChangedItems<Config> changes;
  for (const Config& item : after) {
    const Config* known = find(before, item.name);
    if (known == nullptr) {
      changes.added.push_back(item);
    } else if (without_credentials(*known) != without_credentials(item)) {
      changes.changed.push_back({*known, item});
    }
  }
  std::ranges::copy_if(before, std::back_inserter(changes.removed),
                       [&](const Config& item) { return find(after, item.name) == nullptr; });
  return changes;
}

// ---- words

std::string place_of(const std::string& host, std::uint16_t port) {
  return to_string(HostPort{host.empty() ? "*" : host, port});
}

std::string keys_of(const RoutingKeys& keys) {
  std::vector<std::string> names;
  for (const RoutingKeys::Key& key : keys.keys)
    names.push_back(keys.choice == RoutingKeys::Choice::kWeighted ? fmt::format("{} ({})", key.name, key.weight)
                                                                  : key.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string strategy_of(Strategy strategy) {
  return strategy == Strategy::kLowestCost ? "lowest-cost" : "balanced";
}

std::string endpoints_of(const LinkConfig& link) {
  std::vector<std::string> endpoints;
  for (const HostPort& endpoint : link.endpoints)
    endpoints.push_back(to_string(endpoint));
  return fmt::format("{}", fmt::join(endpoints, ", "));
}

std::string protection_of(const std::optional<RecordProtection>& protection) {
  if (!protection) return "as the site's";
  switch (*protection) {
    case RecordProtection::kKernel:
      return "kernel";
    case RecordProtection::kUser:
      return "user";
    case RecordProtection::kAuto:
      break;
  }
  return "auto";
}

// Those that are set, as they are written.
std::string options_of(const EdgeOptions& options) {
  std::vector<std::string> set;
  const ConnectionLimits usual;
  const auto add = [&](const char* name, Duration value, Duration otherwise) {
    if (value != otherwise) set.push_back(fmt::format("{} {}", name, to_string(value)));
  };
  if (options.accept_proxy) set.emplace_back("acceptProxyProtocol");
  if (options.send_proxy != ProxyProtocol::kNone) {
    set.emplace_back(options.send_proxy == ProxyProtocol::kV1 ? "sendProxyProtocol v1" : "sendProxyProtocol v2");
  }
  add("idleTimeout", options.limits.idle_timeout, usual.idle_timeout);
  add("halfClosedTimeout", options.limits.half_closed_timeout, usual.half_closed_timeout);
  add("keepalive", options.limits.keepalive, usual.keepalive);
  add("userTimeout", options.limits.user_timeout, usual.user_timeout);
  if (options.limits.connections_max > 0) {
    set.push_back(fmt::format("maxConnections {}", options.limits.connections_max));
  }
  return set.empty() ? "none" : fmt::format("{}", fmt::join(set, ", "));
}

// What of an item a user wrote, in words: those that differ are told.
using Traits = std::vector<std::pair<std::string_view, std::string>>;

Traits traits_of(const AccessConfig& access) {
  return {{"port", place_of(access.bind_host, access.port)},
          {"links without a certificate", access.allow_anonymous ? "allowed" : "refused"}};
}

Traits traits_of(const ListenerConfig& listener) {
  return {{"port", place_of(listener.host, listener.port)},
          {"routing key", keys_of(listener.routing_keys)},
          {"strategy", strategy_of(listener.strategy)},
          {"options", options_of(listener.options)}};
}

Traits traits_of(const ConnectorConfig& connector) {
  return {{"server", place_of(connector.host, connector.port)},
          {"routing key", connector.routing_key},
          {"health probe", connector.probe ? "tcp" : "none"},
          {"options", options_of(connector.options)}};
}

Traits traits_of(const LinkConfig& link) {
  return {{"endpoint", endpoints_of(link)},
          {"cost", std::to_string(link.cost)},
          {"client certificate", link.present_certificate ? "presented" : "none"},
          {"record protection", protection_of(link.record_protection)}};
}

template <class Config>
void describe_items(std::string_view kind, const ChangedItems<Config>& changes, std::vector<std::string>& lines) {
  for (const Config& item : changes.added)
    lines.push_back(fmt::format("{} {}: added", kind, item.name));
  for (const auto& [before, after] : changes.changed) {
    const Traits were = traits_of(before);
    const Traits are = traits_of(after);
    std::vector<std::string> differing;
    for (std::size_t i = 0; i < are.size(); ++i) {
      if (were[i].second != are[i].second) {
        differing.push_back(fmt::format("{} {} (was {})", are[i].first, are[i].second, were[i].second));
      }
    }
    if (differing.empty()) differing.emplace_back("changed");
    lines.push_back(fmt::format("{} {}: {}", kind, after.name, fmt::join(differing, "; ")));
  }
  for (const Config& item : changes.removed)
    lines.push_back(fmt::format("{} {}: removed", kind, item.name));
}

}  // namespace

bool ConfigChanges::empty() const {
  return accesses.empty() && listeners.empty() && connectors.empty() && links.empty() && !link_options &&
         !latency && !certificate_warning && !metrics;
}

ConfigChanges compare(const GatewayConfig& before, const GatewayConfig& after) {
  ConfigChanges changes;
  changes.accesses = compare_items(before.accesses, after.accesses);
  changes.listeners = compare_items(before.listeners, after.listeners);
  changes.connectors = compare_items(before.connectors, after.connectors);
  changes.links = compare_items(before.links, after.links);
  changes.link_options = before.link_timeout != after.link_timeout ||
                         before.record_protection != after.record_protection ||
                         before.records_per_key != after.records_per_key ||
                         before.cipher_suites != after.cipher_suites;
  changes.latency = before.low_latency != after.low_latency;
  changes.certificate_warning = before.certificate_warning != after.certificate_warning;
  changes.metrics = before.metrics != after.metrics;
  if (before.site_name != after.site_name) {
    changes.at_start.push_back(fmt::format("the site is called {} until the gateway starts again", before.site_name));
  }
  return changes;
}

std::vector<std::string> describe(const ConfigChanges& changes) {
  std::vector<std::string> lines;
  describe_items("RouterAccess", changes.accesses, lines);
  describe_items("Listener", changes.listeners, lines);
  describe_items("Connector", changes.connectors, lines);
  describe_items("Link", changes.links, lines);
  if (changes.link_options) lines.emplace_back("Site: how links are watched and protected changed");
  if (changes.latency) lines.emplace_back("Site: latency changed");
  if (changes.certificate_warning) lines.emplace_back("Site: certificateWarning changed");
  if (changes.metrics) lines.emplace_back("Site: metrics changed");
  for (const std::string& sentence : changes.at_start)
    lines.push_back("Site: " + sentence);
  return lines;
}

}  // namespace fairlead
