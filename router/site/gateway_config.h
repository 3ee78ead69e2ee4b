// From validated resources to what the transport takes. The only place that knows both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "router/site/credentials_store.h"
#include "router/site/resources.h"
#include "transport/config.h"

namespace fairlead {

struct GatewayConfig {
  std::string site_id;
  std::string site_name;
  bool edge = false;
  Duration link_timeout{};
  RecordProtection record_protection = RecordProtection::kAuto;
  bool low_latency = false;
  std::uint64_t records_per_key = kRecordsPerKey;
  std::vector<CipherSuite> cipher_suites = default_suites();
  Duration certificate_warning{};  // before a certificate expires
  std::optional<HostPort> metrics;  // where they are served
  std::vector<AccessConfig> accesses;
  std::vector<ListenerConfig> listeners;
  std::vector<ConnectorConfig> connectors;
  std::vector<LinkConfig> links;
};

// A RouterAccess is one listening socket for each of its roles: "<access>-<role>".
std::string access_name(const RouterAccess& access, const RouterAccessRole& role);

// Listeners of both kinds are one kind to the transport: "<name> (MultiKeyListener)".
std::string listener_name(const MultiKeyListener& listener);

// `resources` are validated, with one Site. Makes the CA and server certificates if need be. Endpoints are those of the
// site's own role. What is in `running` already, if there is such a configuration, keeps its credentials.
Result<GatewayConfig> make_gateway_config(const Resources& resources, CredentialsStore& store,
                                          const GatewayConfig* running = nullptr);

// What of it the transport takes; all else has the transport's defaults.
TransportOptions make_transport_options(const GatewayConfig& config);

// The bundle of a link, a listener or connector with TLS, or of each port of a RouterAccess, under the name that it has
// in GatewayConfig; or why it is of no use.
struct NamedCredentials {
  std::string name;
  CredentialsUser user = CredentialsUser::kLink;
  Result<std::shared_ptr<const Credentials>> credentials;
};

// Where GatewayConfig has those in use; null if nothing of that name uses any.
std::shared_ptr<const Credentials>* find_credentials(GatewayConfig& config, CredentialsUser user,
                                                     const std::string& name);

// All of them, read anew; server certificates are made anew if need be.
std::vector<NamedCredentials> load_all_credentials(const Resources& resources, CredentialsStore& store);

}  // namespace fairlead
