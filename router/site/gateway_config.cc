#include "router/site/gateway_config.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace fairlead {

namespace {

using Trust = Credentials::Trust;

Result<std::shared_ptr<const Credentials>> load(const std::string& owner, const Result<PemBundle>& bundle,
                                                 Trust trust = Trust::kNeeded) {
  if (!bundle) return std::unexpected(bundle.error());
  auto loaded = Credentials::load(*bundle, trust);
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

// A Listener or MultiKeyListener.
template <class Of>
Result<std::shared_ptr<const Credentials>> load_of_listener(const Of& listener, CredentialsStore& store) {
  return load(label(listener), store.listener_bundle(listener.tls_credentials, listener.host),
              listener.require_client_cert ? Trust::kNeeded : Trust::kOptional);
}

Result<std::shared_ptr<const Credentials>> load_of(const Connector& connector, CredentialsStore& store) {
  return load(label(connector), store.connector_bundle(connector));
}

template <class Config>
std::shared_ptr<const Credentials> in_use(const std::vector<Config>& list, const std::string& name) {
  const auto at = std::ranges::find(list, name, &Config::name);
  if (at == list.end()) return nullptr;
  if constexpr (requires { at->options; }) {
    return at->options.credentials;
  } else {
    return at->credentials;
  }
}

// Longer than an answer of the same rack takes, and little beside what a sleep and its end take.
constexpr Duration kSpin = Duration::microseconds(50);

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

template <class Of>
Result<void> add_listener(const Of& listener, ListenerConfig listener_config, CredentialsStore& store,
                          const GatewayConfig& running, GatewayConfig& config) {
  EdgeOptions& options = listener_config.options;
  options.client_certificate = listener.require_client_cert;
  options.accept_proxy = listener.accept_proxy_protocol;
  options.limits = listener.limits;
  if (!listener.tls_credentials.empty()) {
    options.credentials = in_use(running.listeners, listener_config.name);
    if (options.credentials == nullptr) {
      auto loaded = load_of_listener(listener, store);
      if (!loaded) return std::unexpected(loaded.error());
      options.credentials = std::move(*loaded);
    }
  }
  config.listeners.push_back(std::move(listener_config));
  return {};
}

Result<void> add_listeners(const Resources& resources, CredentialsStore& store, const GatewayConfig& running,
                           GatewayConfig& config) {
  for (const Listener& listener : resources.listeners) {
    auto added = add_listener(
        listener, {listener.metadata.name, listener.routing_key, listener.host, listener.port, listener.strategy},
        store, running, config);
    if (!added) return added;
  }
  for (const MultiKeyListener& listener : resources.multi_key_listeners) {
    auto added = add_listener(listener,
                              {listener_name(listener), listener.routing_keys, listener.host, listener.port}, store,
                              running, config);
    if (!added) return added;
  }
  return {};
}

Result<void> add_connectors(const Resources& resources, CredentialsStore& store, const GatewayConfig& running,
                            GatewayConfig& config) {
  for (const Connector& connector : resources.connectors) {
    EdgeOptions options;
    options.client_certificate = connector.use_client_cert;
    options.verify_host = connector.verify_hostname;
    options.send_proxy = connector.send_proxy_protocol;
    options.limits = connector.limits;
    if (!connector.tls_credentials.empty()) {
      options.credentials = in_use(running.connectors, connector.metadata.name);
      // Whether it has our certificate with it is a part of what is configured.
      if (options.credentials != nullptr && options.credentials->has_certificate() != connector.use_client_cert) {
        options.credentials = nullptr;
      }
    }
    if (!connector.tls_credentials.empty() && options.credentials == nullptr) {
      auto loaded = load_of(connector, store);
      if (!loaded) return std::unexpected(loaded.error());
      options.credentials = std::move(*loaded);
    }
    config.connectors.push_back({connector.metadata.name, connector.routing_key, connector.host, connector.port,
                                 connector.health_probe, std::move(options)});
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
  config.low_latency = resources.site()->low_latency;
  config.records_per_key = resources.site()->records_per_key.value_or(kRecordsPerKey);
  config.cipher_suites = resources.site()->cipher_suites;
  config.metrics = resources.site()->metrics;
  if (auto added = add_accesses(resources, store, *running, config); !added) return std::unexpected(added.error());
  if (auto added = add_links(resources, store, *running, config); !added) return std::unexpected(added.error());
  if (auto added = add_listeners(resources, store, *running, config); !added) return std::unexpected(added.error());
  if (auto added = add_connectors(resources, store, *running, config); !added) return std::unexpected(added.error());
  return config;
}

TransportOptions make_transport_options(const GatewayConfig& config) {
  TransportOptions options;
  options.site_id = config.site_id;
  options.site_name = config.site_name;
  options.edge = config.edge;
  options.silent_limit = config.link_timeout;
  options.record_protection = config.record_protection;
  if (config.low_latency) options.spin = kSpin;
  options.records_per_key = config.records_per_key;
  options.cipher_suites = config.cipher_suites;
  return options;
}

std::shared_ptr<const Credentials>* find_credentials(GatewayConfig& config, CredentialsUser user,
                                                     const std::string& name) {
  const auto find_in = [&](auto& list) -> std::shared_ptr<const Credentials>* {
    const auto at = std::ranges::find_if(list, [&](const auto& item) { return item.name == name; });
    if (at == list.end()) return nullptr;
    if constexpr (requires { at->options; }) {
      return at->options.credentials == nullptr ? nullptr : &at->options.credentials;
    } else {
      return &at->credentials;
    }
  };
  switch (user) {
    case CredentialsUser::kAccess:
      return find_in(config.accesses);
    case CredentialsUser::kLink:
      return find_in(config.links);
    case CredentialsUser::kListener:
      return find_in(config.listeners);
    case CredentialsUser::kConnector:
      return find_in(config.connectors);
  }
  return nullptr;
}

std::vector<NamedCredentials> load_all_credentials(const Resources& resources, CredentialsStore& store) {
  std::vector<NamedCredentials> all;
  for (const RouterAccess& access : resources.router_accesses) {
    const auto credentials = load_of(access, resources, store);
    for (const RouterAccessRole& role : access.roles)
      all.push_back({access_name(access, role), CredentialsUser::kAccess, credentials});
  }
  for (const Link& link : resources.links)
    all.push_back({link.metadata.name, CredentialsUser::kLink, load_of(link, store)});
  for (const Listener& listener : resources.listeners) {
    if (listener.tls_credentials.empty()) continue;
    all.push_back({listener.metadata.name, CredentialsUser::kListener, load_of_listener(listener, store)});
  }
  for (const MultiKeyListener& listener : resources.multi_key_listeners) {
    if (listener.tls_credentials.empty()) continue;
    all.push_back({listener_name(listener), CredentialsUser::kListener, load_of_listener(listener, store)});
  }
  for (const Connector& connector : resources.connectors) {
    if (connector.tls_credentials.empty()) continue;
    all.push_back({connector.metadata.name, CredentialsUser::kConnector, load_of(connector, store)});
  }
  return all;
}

}  // namespace fairlead
