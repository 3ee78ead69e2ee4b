#include "router/site/gateway_config.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace fairlead {

namespace {

Result<std::shared_ptr<const Credentials>> load(const std::string& owner, const Result<PemBundle>& bundle) {
  if (!bundle) return std::unexpected(bundle.error());
  auto loaded = Credentials::load(*bundle);
  if (!loaded) return fail(loaded.error().code, fmt::format("{}: {}", owner, loaded.error().message));
  return loaded;
}

Result<std::shared_ptr<const Credentials>> load_of(const RouterAccess& access, const Resources& resources,
                                                    CredentialsStore& store) {
  return load(label(access),
              store.server_bundle(access, resources.site()->default_issuer, CredentialsStore::Renewal::kAsNeeded));
}

Result<std::shared_ptr<const Credentials>> load_of(const Link& link, CredentialsStore& store) {
  return load(label(link), store.link_bundle(link));
}

template <class Config>
std::shared_ptr<const Credentials> in_use(const std::vector<Config>& list, const std::string& name) {
  const auto at = std::ranges::find(list, name, &Config::name);
  return at == list.end() ? nullptr : at->credentials;
}

// As validated.
RecordProtection record_protection(const std::string& name) {
  if (name == "kernel") return RecordProtection::kKernel;
  return name == "user" ? RecordProtection::kUser : RecordProtection::kAuto;
}

Result<void> add_accesses(const Resources& resources, CredentialsStore& store, const GatewayConfig& running,
                          GatewayConfig& config) {
  for (const RouterAccess& access : resources.router_accesses) {
    for (const RouterAccessRole& role : access.roles) {
      auto credentials = in_use(running.accesses, access_name(access, role));
      if (credentials == nullptr) {
        auto loaded = load_of(access, resources, store);
        if (!loaded) return std::unexpected(loaded.error());
        credentials = std::move(*loaded);
      }
      config.accesses.push_back({.name = access_name(access, role),
                                 .role = role.name,
                                 .bind_host = access.bind_host,
                                 .port = role.port,
                                 .credentials = std::move(credentials),
                                 .allow_anonymous = access.allow_anonymous_links});
    }
  }
  return {};
}

Result<void> add_links(const Resources& resources, CredentialsStore& store, const GatewayConfig& running,
                       GatewayConfig& config) {
  for (const Link& link : resources.links) {
    LinkConfig link_config;
    link_config.credentials = in_use(running.links, link.metadata.name);
    if (link_config.credentials == nullptr) {
      auto loaded = load_of(link, store);
      if (!loaded) return std::unexpected(loaded.error());
      link_config.credentials = std::move(*loaded);
    }
    link_config.name = link.metadata.name;
    link_config.cost = link.cost;
    for (const LinkEndpoint& endpoint : link.endpoints) {
      if (endpoint.role == resources.site()->role()) link_config.endpoints.push_back({endpoint.host, endpoint.port});
    }
    link_config.present_certificate = !link.no_client_auth;
    if (link.record_protection) link_config.record_protection = record_protection(*link.record_protection);
    config.links.push_back(std::move(link_config));
  }
  return {};
}

}  // namespace

std::string access_name(const RouterAccess& access, const RouterAccessRole& role) {
  return fmt::format("{}-{}", access.metadata.name, role.name);
}

std::string listener_name(const MultiKeyListener& listener) {
  return fmt::format("{} ({})", listener.metadata.name, MultiKeyListener::kKind);
}

Result<GatewayConfig> make_gateway_config(const Resources& resources, CredentialsStore& store,
                                          const GatewayConfig* running) {
  const GatewayConfig none;
  if (running == nullptr) running = &none;
  GatewayConfig config;
  auto id = store.site_id();
  if (!id) return std::unexpected(id.error());
  config.site_id = std::move(*id);
  config.site_name = resources.site()->metadata.name;
  config.edge = resources.site()->edge;
  config.link_timeout = resources.site()->link_timeout;
  config.certificate_warning = resources.site()->certificate_warning;
  config.record_protection = record_protection(resources.site()->record_protection);
  config.records_per_key = resources.site()->records_per_key.value_or(kRecordsPerKey);
  config.cipher_suites = resources.site()->cipher_suites;
  config.metrics = resources.site()->metrics;
  if (auto added = add_accesses(resources, store, *running, config); !added) return std::unexpected(added.error());
  if (auto added = add_links(resources, store, *running, config); !added) return std::unexpected(added.error());
  for (const Listener& listener : resources.listeners) {
    config.listeners.push_back(
        {listener.metadata.name, listener.routing_key, listener.host, listener.port, listener.strategy});
  }
  for (const MultiKeyListener& listener : resources.multi_key_listeners) {
    config.listeners.push_back({listener_name(listener), listener.routing_keys, listener.host, listener.port});
  }
  for (const Connector& connector : resources.connectors) {
    config.connectors.push_back({connector.metadata.name, connector.routing_key, connector.host, connector.port,
                                 connector.health_probe});
  }
  return config;
}

TransportOptions make_transport_options(const GatewayConfig& config) {
  TransportOptions options;
  options.site_id = config.site_id;
  options.site_name = config.site_name;
  options.edge = config.edge;
  options.silent_limit = config.link_timeout;
  options.record_protection = config.record_protection;
  options.records_per_key = config.records_per_key;
  options.cipher_suites = config.cipher_suites;
  return options;
}

std::vector<NamedCredentials> load_all_credentials(const Resources& resources, CredentialsStore& store) {
  std::vector<NamedCredentials> all;
  for (const RouterAccess& access : resources.router_accesses) {
    const auto credentials = load_of(access, resources, store);
    for (const RouterAccessRole& role : access.roles)
      all.push_back({access_name(access, role), true, credentials});
  }
  for (const Link& link : resources.links)
    all.push_back({link.metadata.name, false, load_of(link, store)});
  return all;
}

}  // namespace fairlead
