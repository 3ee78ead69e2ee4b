#include "router/site/kind_readers.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "router/site/base64.h"
#include "router/site/names.h"
#include "router/site/token_url.h"
#include "transport/tls/cipher.h"
#include "transport/tls/pem.h"
#include "transport/tls/record.h"

namespace fairlead {

namespace {

constexpr std::string_view kKubernetesOnly = "it has a meaning on Kubernetes only";
constexpr std::size_t kRoutingKeysMax = 256;
constexpr std::uint32_t kWeightMax = std::numeric_limits<std::int32_t>::max();
// Shorter ones would take a busy machine for a dead one.
constexpr Duration kLinkTimeoutMin = Duration::milliseconds(100);
constexpr Duration kLinkTimeoutMax = Duration::seconds(60);
constexpr Duration kCertificateWarningMax = Duration::seconds(1000LL * 3600);
// Fewer would renew keys for every handful of packets.
constexpr std::uint32_t kRecordsPerKeyMin = 16;
constexpr Duration kExpirationWindowMin = Duration::seconds(1);
constexpr Duration kExpirationWindowMax = Duration::seconds(1000LL * 3600);
constexpr std::uint32_t kRedemptionsMax = 100'000;
constexpr Duration kConnectionTimeoutMax = Duration::seconds(1000LL * 3600);
constexpr Duration kKeepaliveMax = Duration::seconds(9 * 3600);  // of the kernel: 32,767 s
constexpr std::uint32_t kConnectionsMax = std::numeric_limits<std::int32_t>::max();
constexpr std::uint32_t kCostMax = std::numeric_limits<std::int32_t>::max();

// Reports what a check of names.h found about a field that is there.
template <class Check>
void check_text(FieldReader& reader, std::string_view name, const std::string& value, Check check) {
  if (!reader.has(name)) return;
  if (auto problem = check(value)) reader.error(name, std::move(*problem));
}

void ignore_settings(DocumentContext& context, FieldReader& spec) {
  const YamlNode* settings = spec.map("settings");
  if (settings == nullptr) return;
  for (const YamlEntry& entry : settings->entries) {
    context.diagnostics.warning(entry.position, fmt::format("{}: spec.settings.{} is ignored: no such setting here",
                                                            context.label, in_quotes(entry.key)));
  }
}

template <class Check>
std::string read_host(FieldReader& reader, Check check) {
  std::string host = reader.required_text("host");
  check_text(reader, "host", host, check);
  return host;
}

std::optional<std::string> read_record_protection(FieldReader& spec) {
  return spec.choice("recordProtection", {"auto", "kernel", "user"});
}

// The most wanted first.
void read_cipher_suites(FieldReader& spec, std::vector<CipherSuite>& suites) {
  constexpr std::string_view kField = "cipherSuites";
  const YamlNode* list = spec.list(kField);
  if (list == nullptr) return;
  std::vector<std::string_view> allowed;
  for (const CipherSuite suite : kDefaultSuites)
    allowed.push_back(name_of(suite));
  const std::string choices = fmt::format("{}", fmt::join(allowed, ", "));
  if (list->items.empty()) return spec.error(kField, fmt::format("is empty; needed is at least one of {}", choices));
  std::vector<CipherSuite> wanted;
  for (const std::string& name : spec.text_list(kField)) {
    const auto suite = cipher_suite_named(name);
    if (!suite) return spec.error(kField, fmt::format("found {}; allowed are {}", in_quotes(name), choices));
    if (std::ranges::find(wanted, *suite) != wanted.end()) {
      return spec.error(kField, fmt::format("names {} twice", name));
    }
    wanted.push_back(*suite);
  }
  if (!wanted.empty()) suites = std::move(wanted);
}

void read_metrics(DocumentContext& context, FieldReader& spec, Site& site) {
  const YamlNode* node = spec.map("metrics");
  if (node == nullptr) return;
  FieldReader reader(context, *node, spec.path_of("metrics"));
  HostPort address;
  address.host = read_host(reader, check_bind_host);
  address.port = reader.required_port("port");
  reader.finish();
  site.metrics = std::move(address);
}

void read_grant_server(DocumentContext& context, FieldReader& spec, GrantServer& server) {
  const YamlNode* node = spec.map("grantServer");
  if (node == nullptr) return;
  FieldReader reader(context, *node, spec.path_of("grantServer"));
  server.bind_host = reader.text("bindHost").value_or("");
  check_text(reader, "bindHost", server.bind_host, check_bind_host);
  server.host = reader.text("host").value_or("");
  check_text(reader, "host", server.host, check_host);
  server.port = reader.port("port").value_or(kGrantPort);
  reader.finish();
}

std::string read_routing_key(FieldReader& spec) {
  std::string key = spec.required_text("routingKey");
  check_text(spec, "routingKey", key, check_routing_key);
  return key;
}

// `interRouter` and `edge` of the older spelling: {host, port}.
void read_named_endpoint(DocumentContext& context, FieldReader& spec, std::string_view field, std::string_view role,
                         Link& link) {
  const YamlNode* node = spec.map(field);
  if (node == nullptr) return;
  FieldReader reader(context, *node, spec.path_of(field));
  LinkEndpoint endpoint;
  endpoint.role = role;
  endpoint.field = spec.path_of(field);
  endpoint.host = read_host(reader, check_host);
  endpoint.port = reader.required_port("port");
  reader.finish();
  link.endpoints.push_back(std::move(endpoint));
}

void read_endpoint_list(DocumentContext& context, FieldReader& spec, Link& link) {
  const YamlNode* list = spec.list("endpoints");
  if (list == nullptr) return;
  for (std::size_t i = 0; i < list->items.size(); i++) {
    const YamlNode& item = list->items[i];
    LinkEndpoint endpoint;
    endpoint.field = fmt::format("spec.endpoints[{}]", i);
    context.source.fields.insert_or_assign(endpoint.field, item.position);
    if (item.kind != YamlNode::Kind::kMap) {
      context.diagnostics.error(
          item.position, fmt::format("{}: {}: found {}; allowed is a map of name, host, port and group", context.label,
                                     endpoint.field, describe(item)));
      continue;
    }
    FieldReader reader(context, item, endpoint.field);
    if (!reader.has("name")) {
      reader.ignore("name");
      reader.missing("name", "inter-router or edge");
    } else {
      endpoint.role = reader.choice("name", {kInterRouterRole, kEdgeRole}).value_or("");
    }
    endpoint.host = read_host(reader, check_host);
    endpoint.port = reader.required_port("port");
    endpoint.group = reader.text("group").value_or("");
    reader.finish();
    link.endpoints.push_back(std::move(endpoint));
  }
}

void read_link_credentials(FieldReader& spec, Link& link) {
  const bool current = spec.has("tlsCredentials");
  const bool older = spec.has("tlsSecret");
  const std::string name = older && !current ? "tlsSecret" : "tlsCredentials";
  if (current && older) {
    spec.error("tlsSecret", "is the older spelling of tlsCredentials, which is there too; keep one of them");
  }
  spec.ignore("tlsSecret");
  link.tls_credentials = current || older ? spec.text(name).value_or("") : "";
  spec.ignore("tlsCredentials");
  link.tls_credentials_field = spec.path_of(name);
  if (!current && !older) {
    spec.missing(name, "the name of a Secret, or of a directory below input/certs, with ca.crt, tls.crt and tls.key");
  }
  check_text(spec, name, link.tls_credentials, check_bundle_name);
}

// Of a listener or connector.
std::string read_tls_credentials(FieldReader& spec) {
  std::string name = spec.text("tlsCredentials").value_or("");
  check_text(spec, "tlsCredentials", name, check_bundle_name);
  return name;
}

// What has no meaning without TLS, and would be missed.
bool read_tls_flag(FieldReader& spec, const std::string& name, const std::string& credentials) {
  const bool set = spec.flag(name).value_or(false);
  if (set && credentials.empty()) spec.error(name, "found true, but there is no tlsCredentials, so there is no TLS");
  return set;
}

// A Unix socket has no port; whatever else is reached by one.
std::uint16_t read_port_beside(FieldReader& spec, const std::string& host) {
  if (!is_unix_host(host)) return spec.required_port("port");
  if (spec.has("port")) spec.error("port", fmt::format("is there, but {} has none; leave it out", host));
  spec.ignore("port");
  return 0;
}

void read_limits(FieldReader& spec, ConnectionLimits& limits) {
  const auto read = [&](std::string_view name, Duration& timeout) {
    if (const auto written = spec.duration(name, Duration{}, kConnectionTimeoutMax)) timeout = *written;
  };
  read("idleTimeout", limits.idle_timeout);
  read("halfClosedTimeout", limits.half_closed_timeout);
  read("userTimeout", limits.user_timeout);
  if (const auto keepalive = spec.duration("keepalive", Duration{}, kKeepaliveMax)) limits.keepalive = *keepalive;
  if (limits.keepalive.ns % Duration::seconds(1).ns != 0) {
    spec.error("keepalive", fmt::format("found {}; the kernel takes whole seconds", to_string(limits.keepalive)));
  }
  limits.connections_max = spec.number("maxConnections", 0, kConnectionsMax).value_or(0);
}

void finish_listener(DocumentContext& context, FieldReader& spec, ListenerOptions& options) {
  static_cast<void>(spec.choice("observer", {"auto", "none", "http1", "http2"}));
  options.tls_credentials = read_tls_credentials(spec);
  options.require_client_cert = read_tls_flag(spec, "requireClientCert", options.tls_credentials);
  options.accept_proxy_protocol = spec.flag("acceptProxyProtocol").value_or(false);
  read_limits(spec, options.limits);
  ignore_settings(context, spec);
  spec.finish();
}

// A key of a strategy; `field` says where it was written.
void add_routing_key(DocumentContext& context, const Position& position, const std::string& field, RoutingKeys::Key key,
                     RoutingKeys& keys) {
  const auto error = [&](std::string_view what) {
    context.diagnostics.error(position, fmt::format("{}: {}: {}", context.label, field, what));
  };
  if (auto problem = check_routing_key(key.name)) return error(*problem);
  const auto same = [&](const RoutingKeys::Key& other) { return other.name == key.name; };
  if (std::ranges::any_of(keys.keys, same)) return error(fmt::format("{} is there twice", in_quotes(key.name)));
  if (keys.keys.size() == kRoutingKeysMax) return;
  keys.keys.push_back(std::move(key));
}

RoutingKeys read_priority(DocumentContext& context, const FieldReader& strategy, const YamlNode& node) {
  RoutingKeys keys;
  FieldReader reader(context, node, strategy.path_of("priority"));
  const std::vector<std::string> names = reader.text_list("routingKeys");
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string field = fmt::format("{}[{}]", reader.path_of("routingKeys"), i);
    add_routing_key(context, context.source.of(field), field, {names[i], 1}, keys);
  }
  if (names.empty()) reader.missing("routingKeys", "a list of 1 to 256 keys, the most wanted first");
  if (names.size() > kRoutingKeysMax) {
    reader.error("routingKeys", fmt::format("has {} keys; 256 are allowed", names.size()));
  }
  reader.finish();
  return keys;
}

RoutingKeys read_weighted(DocumentContext& context, const FieldReader& strategy, const YamlNode& node) {
  RoutingKeys keys{RoutingKeys::Choice::kWeighted, {}};
  FieldReader reader(context, node, strategy.path_of("weighted"));
  const YamlNode* map = reader.map("routingKeys");
  if (map != nullptr) {
    FieldReader weights(context, *map, reader.path_of("routingKeys"));
    for (const YamlEntry& entry : map->entries) {
      const auto weight = weights.number(entry.key, 1, kWeightMax);
      if (!weight && !weights.has(entry.key)) weights.missing(entry.key, "its weight");
      add_routing_key(context, entry.position, weights.path_of(entry.key), {entry.key, weight.value_or(1)}, keys);
    }
    if (map->entries.size() > kRoutingKeysMax) {
      reader.error("routingKeys", fmt::format("has {} keys; 256 are allowed", map->entries.size()));
    }
  }
  if (map == nullptr ? !reader.has("routingKeys") : map->entries.empty()) {
    reader.missing("routingKeys", "a map of 1 to 256 keys with their weights");
  }
  reader.finish();
  return keys;
}

RoutingKeys read_strategy(DocumentContext& context, FieldReader& spec) {
  constexpr std::string_view kAllowed =
      "either priority: {routingKeys: [KEY, …]} or weighted: {routingKeys: {KEY: WEIGHT, …}}";
  const YamlNode* node = spec.map("strategy");
  if (node == nullptr) {
    if (!spec.has("strategy")) spec.missing("strategy", kAllowed);
    return {};
  }
  FieldReader strategy(context, *node, spec.path_of("strategy"));
  const YamlNode* priority = strategy.map("priority");
  const YamlNode* weighted = strategy.map("weighted");
  RoutingKeys keys;
  if (strategy.has("priority") == strategy.has("weighted")) {
    const char* found = strategy.has("priority") ? "both" : "neither";
    spec.error("strategy", fmt::format("has {}; needed is {}", found, kAllowed));
  } else if (priority != nullptr) {
    keys = read_priority(context, strategy, *priority);
  } else if (weighted != nullptr) {
    keys = read_weighted(context, strategy, *weighted);
  }
  strategy.finish();
  return keys;
}

}  // namespace

void read_site(DocumentContext& context, FieldReader& spec, Site& site) {
  site.link_access = spec.choice("linkAccess", {"none", "default", "route", "loadbalancer", "ingress", "ingress-nginx"})
                         .value_or("none");
  site.edge = spec.flag("edge").value_or(false);
  if (site.edge && site.accepts_links()) {
    spec.error("edge", "an edge site accepts no links; set linkAccess to none, or edge to false");
  }
  if (auto issuer = spec.text("defaultIssuer")) site.default_issuer = *issuer;
  check_text(spec, "defaultIssuer", site.default_issuer, check_bundle_name);
  if (const auto timeout = spec.duration("linkTimeout", kLinkTimeoutMin, kLinkTimeoutMax)) site.link_timeout = *timeout;
  if (const auto warning = spec.duration("certificateWarning", Duration{}, kCertificateWarningMax)) {
    site.certificate_warning = *warning;
  }
  site.record_protection = read_record_protection(spec).value_or("auto");
  site.low_latency = spec.choice("latency", {"normal", "low"}).value_or("normal") == "low";
  site.records_per_key = spec.number("recordsPerKey", kRecordsPerKeyMin, kRecordsPerKey);
  read_cipher_suites(spec, site.cipher_suites);
  read_metrics(context, spec, site);
  read_grant_server(context, spec, site.grant_server);
  if (spec.flag("ha").value_or(false)) {
    spec.error("ha", fmt::format("found true; allowed is false: {}", kKubernetesOnly));
  }
  spec.ignore_with_warning("serviceAccount", kKubernetesOnly);
  ignore_settings(context, spec);
  spec.finish();
}

void read_link(DocumentContext& context, FieldReader& spec, Link& link) {
  read_link_credentials(spec, link);
  link.cost = spec.number("cost", 1, kCostMax).value_or(1);
  link.no_client_auth = spec.flag("noClientAuth").value_or(false);
  link.record_protection = read_record_protection(spec);
  if (spec.has("endpoints") && (spec.has("interRouter") || spec.has("edge"))) {
    spec.error("endpoints", "is there together with interRouter or edge, the older spelling; keep one of them");
  }
  read_named_endpoint(context, spec, "interRouter", kInterRouterRole, link);
  read_named_endpoint(context, spec, "edge", kEdgeRole, link);
  read_endpoint_list(context, spec, link);
  const bool any_written = spec.has("endpoints") || spec.has("interRouter") || spec.has("edge");
  if (!any_written) {
    spec.missing("endpoints", "a list of {name, host, port}, or the older interRouter and edge");
  } else if (link.endpoints.empty() && spec.has("endpoints")) {
    spec.error("endpoints", "has no usable endpoint; needed is at least one of {name, host, port}");
  }
  ignore_settings(context, spec);
  spec.finish();
}

void read_router_access(DocumentContext& context, FieldReader& spec, RouterAccess& access) {
  if (const YamlNode* list = spec.list("roles"); list != nullptr && !list->items.empty()) {
    for (std::size_t i = 0; i < list->items.size(); i++) {
      const YamlNode& item = list->items[i];
      RouterAccessRole role;
      role.field = fmt::format("spec.roles[{}]", i);
      context.source.fields.insert_or_assign(role.field, item.position);
      if (item.kind != YamlNode::Kind::kMap) {
        context.diagnostics.error(item.position, fmt::format("{}: {}: found {}; allowed is a map of name and port",
                                                             context.label, role.field, describe(item)));
        continue;
      }
      FieldReader reader(context, item, role.field);
      if (!reader.has("name")) {
        reader.missing("name", "inter-router or edge");
        reader.ignore("name");
      } else {
        role.name = reader.choice("name", {kInterRouterRole, kEdgeRole}).value_or("");
      }
      role.port = reader.port("port").value_or(role.name == kEdgeRole ? kEdgePort : kInterRouterPort);
      reader.finish();
      access.roles.push_back(std::move(role));
    }
  } else if (list != nullptr || !spec.has("roles")) {
    spec.missing("roles", "a list of {name, port} with the names inter-router and edge");
  }
  access.tls_credentials = spec.text("tlsCredentials").value_or("");
  check_text(spec, "tlsCredentials", access.tls_credentials, check_name);
  access.issuer = spec.text("issuer").value_or("");
  check_text(spec, "issuer", access.issuer, check_bundle_name);
  access.bind_host = spec.text("bindHost").value_or("");
  check_text(spec, "bindHost", access.bind_host, check_bind_host);
  access.subject_alternative_names = spec.text_list("subjectAlternativeNames");
  for (std::size_t i = 0; i < access.subject_alternative_names.size(); i++) {
    if (auto problem = check_host(access.subject_alternative_names[i])) {
      const std::string field = fmt::format("spec.subjectAlternativeNames[{}]", i);
      context.diagnostics.error(context.source.of(field), fmt::format("{}: {}: {}", context.label, field, *problem));
    }
  }
  access.allow_anonymous_links = spec.flag("allowAnonymousLinks").value_or(false);
  access.generate_tls_credentials = spec.flag("generateTlsCredentials");
  spec.ignore_with_warning("accessType", kKubernetesOnly);
  ignore_settings(context, spec);
  spec.finish();
}

void read_listener(DocumentContext& context, FieldReader& spec, Listener& listener) {
  listener.routing_key = read_routing_key(spec);
  listener.host = read_host(spec, check_listener_host);
  listener.port = read_port_beside(spec, listener.host);
  static_cast<void>(spec.choice("type", {"tcp"}));
  if (spec.choice("strategy", {"balanced", "lowest-cost"}).value_or("") == "lowest-cost") {
    listener.strategy = Strategy::kLowestCost;
  }
  spec.ignore_with_warning("exposePodsByName", kKubernetesOnly);
  finish_listener(context, spec, listener);
}

void read_multi_key_listener(DocumentContext& context, FieldReader& spec, MultiKeyListener& listener) {
  listener.host = read_host(spec, check_listener_host);
  listener.port = read_port_beside(spec, listener.host);
  listener.routing_keys = read_strategy(context, spec);
  finish_listener(context, spec, listener);
}

void read_connector(DocumentContext& context, FieldReader& spec, Connector& connector) {
  connector.routing_key = read_routing_key(spec);
  if (spec.has("selector") && !spec.has("host")) {
    spec.error("selector", fmt::format("{}; give the server's host instead", kKubernetesOnly));
    spec.ignore("selector");
    spec.ignore("host");
  } else {
    connector.host = read_host(spec, check_server_host);
    spec.ignore_with_warning("selector", kKubernetesOnly);
  }
  connector.port = read_port_beside(spec, connector.host);
  connector.health_probe = spec.choice("healthProbe", {"tcp", "none"}).value_or("tcp") == "tcp";
  static_cast<void>(spec.choice("type", {"tcp"}));
  connector.tls_credentials = read_tls_credentials(spec);
  connector.use_client_cert = read_tls_flag(spec, "useClientCert", connector.tls_credentials);
  connector.verify_hostname = read_tls_flag(spec, "verifyHostname", connector.tls_credentials);
  if (connector.verify_hostname && is_unix_host(connector.host)) {
    spec.error("verifyHostname", "found true, but a Unix socket has no host name for a certificate to be valid for");
  }
  const std::string version = spec.choice("sendProxyProtocol", {"none", "v1", "v2"}).value_or("none");
  if (version == "v1") connector.send_proxy_protocol = ProxyProtocol::kV1;
  if (version == "v2") connector.send_proxy_protocol = ProxyProtocol::kV2;
  read_limits(spec, connector.limits);
  spec.ignore_with_warning("includeNotReadyPods", kKubernetesOnly);
  spec.ignore_with_warning("exposePodsByName", kKubernetesOnly);
  ignore_settings(context, spec);
  spec.finish();
}

void read_access_grant(DocumentContext& context, FieldReader& spec, AccessGrant& grant) {
  // As Skupper takes it, 0 is 1.
  grant.redemptions_allowed = std::max(1U, spec.number("redemptionsAllowed", 0, kRedemptionsMax).value_or(1));
  if (const auto window = spec.duration("expirationWindow", kExpirationWindowMin, kExpirationWindowMax)) {
    grant.expiration_window = *window;
  }
  grant.code = spec.text("code").value_or("");
  check_text(spec, "code", grant.code, check_code);
  grant.issuer = spec.text("issuer").value_or("");
  check_text(spec, "issuer", grant.issuer, check_bundle_name);
  ignore_settings(context, spec);
  spec.finish();
}

void read_access_token(DocumentContext& context, FieldReader& spec, AccessToken& token) {
  token.url = spec.required_text("url");
  if (spec.has("url")) {
    if (const auto url = parse_token_url(token.url); !url) spec.error("url", url.error().message);
  }
  token.code = spec.required_text("code");
  check_text(spec, "code", token.code, check_code);
  token.ca = spec.required_text("ca");
  // Whether it is good is for the redemption to say: one that expires must not make the whole input invalid.
  if (spec.has("ca") && pem_blocks(token.ca, "CERTIFICATE").empty()) {
    spec.error("ca", "holds no certificate in PEM form");
  }
  token.link_cost = spec.number("linkCost", 1, kCostMax).value_or(1);
  ignore_settings(context, spec);
  spec.finish();
}

void read_secret(DocumentContext& context, FieldReader& document, Secret& secret) {
  // Opaque is what older bundles say; the keys inside are the same.
  static_cast<void>(document.choice("type", {"kubernetes.io/tls", "Opaque"}));
  if (const YamlNode* data = document.map("data")) {
    for (const YamlEntry& entry : data->entries) {
      const std::string field = fmt::format("data.{}", entry.key);
      context.source.fields.insert_or_assign(field, entry.value.position);
      const bool is_scalar = entry.value.kind == YamlNode::Kind::kScalar;
      auto decoded = is_scalar ? decode_base64(entry.value.text) : std::nullopt;
      if (!decoded) {
        // What was found is not shown: it may be most of a private key.
        context.diagnostics.error(entry.value.position,
                                  fmt::format("{}: {}: found {}; allowed is base64", context.label, field,
                                              is_scalar ? "text that is not base64" : describe(entry.value)));
        continue;
      }
      secret.data.insert_or_assign(entry.key, std::move(*decoded));
    }
  }
  if (const YamlNode* texts = document.map("stringData")) {
    for (const YamlEntry& entry : texts->entries) {
      context.source.fields.insert_or_assign(fmt::format("data.{}", entry.key), entry.value.position);
      if (entry.value.kind != YamlNode::Kind::kScalar) {
        context.diagnostics.error(entry.value.position, fmt::format("{}: stringData.{}: found {}; allowed is text",
                                                                    context.label, entry.key, describe(entry.value)));
        continue;
      }
      secret.data.insert_or_assign(entry.key, entry.value.text);
    }
  }
  document.ignore("immutable");
}

}  // namespace fairlead
