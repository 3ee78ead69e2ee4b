#include "router/site/status_documents.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/field_reader.h"
#include "router/site/gateway_config.h"
#include "router/site/link_writer.h"
#include "router/site/network_document.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kNotRunning = "the gateway is not running";

template <class T>
const T* find_named(const std::vector<T>* list, const std::string& name) {
  if (list == nullptr) return nullptr;
  const auto found = std::ranges::find(*list, name, &T::name);
  return found == list->end() ? nullptr : &*found;
}

Json error_json(const LastError& error) {
  Json json;
  json["reason"] = name_of(error.code);
  json["message"] = error.message;
  json["since"] = format_time(error.since_unix_s);
  return json;
}

// Builds the documents of one snapshot.
class Builder {
 public:
  Builder(const StatusInput& input, TransitionTimes& times) : input_(input), times_(times) {}

  StatusDocuments build();

 private:
  template <class T>
  Json object(const T& resource) const {
    Json json;
    json["apiVersion"] = "skupper.io/v2alpha1";
    json["kind"] = T::kKind;
    json["metadata"]["name"] = resource.metadata.name;
    json["metadata"]["namespace"] = input_.namespace_name;
    return json;
  }

  // status, message and conditions, in the order in which people read them.
  Json status(const std::string& resource, std::vector<Condition> required) {
    const StatusSummary summary = summarize(required);
    std::vector<Condition> conditions = with_ready(std::move(required));
    times_.stamp(resource, conditions, input_.now_unix_s);
    Json json;
    json["status"] = summary.status;
    json["message"] = summary.message;
    Json& list = json["conditions"] = Json::array();
    for (const Condition& condition : conditions) {
      Json entry;
      entry["type"] = condition.type;
      entry["status"] = condition.is_true ? "True" : "False";
      entry["reason"] = condition.reason;
      entry["message"] = condition.message;
      entry["lastTransitionTime"] = format_time(condition.last_transition_unix_s);
      entry["observedGeneration"] = 1;
      list.push_back(std::move(entry));
    }
    return json;
  }

  Json site_document(const Site& site);
  Json link_document(const Link& link);
  Json incoming_document(const LinkStatus& link);
  Json access_document(const RouterAccess& access);
  Json listener_document(const Listener& listener);
  Json multi_key_listener_document(const MultiKeyListener& listener);
  Json connector_document(const Connector& connector);
  Json grant_document(const AccessGrant& grant);
  Json token_document(const AccessToken& token);

  std::vector<Condition> link_conditions(const LinkStatus* link) const;
  void add_link_details(Json& status, const LinkStatus& link) const;
  const ListenerStatus* find_listener(const std::string& name) const;
  std::vector<Condition> listener_conditions(const ListenerStatus* seen, std::string_view matched) const;
  static void add_listener_options(Json& spec, const ListenerOptions& options);
  static void add_limits(Json& spec, const ConnectionLimits& limits);
  void add_listener_details(Json& status, const ListenerStatus& seen) const;
  Json credentials_json(const CredentialsStatus& credentials) const;
  Json endpoints(const RouterAccess& access) const;
  std::vector<Condition> access_conditions(const RouterAccess& access) const;
  Condition resolved_condition() const;

  const std::vector<LinkStatus>* links() const { return input_.gateway == nullptr ? nullptr : &input_.gateway->links; }

  const StatusInput& input_;
  TransitionTimes& times_;
};

std::vector<Condition> Builder::link_conditions(const LinkStatus* link) const {
  if (link == nullptr) {
    return {condition_pending("Configured", input_.gateway == nullptr ? kNotRunning : "the link is being set up")};
  }
  std::vector<Condition> conditions = {condition_met("Configured")};
  if (link->state == LinkPhase::kUp) {
    conditions.push_back(condition_met("Operational"));
  } else if (link->state == LinkPhase::kClosing) {
    conditions.push_back(condition_pending("Operational", "the link is closing"));
  } else if (link->last_error) {
    conditions.push_back(condition_failed("Operational", link->last_error->message));
  } else {
    conditions.push_back(condition_pending(
        "Operational", link->url.empty() ? "connecting" : fmt::format("connecting to {}", link->url)));
  }
  return conditions;
}

// Of our end. `expiresSoon` is there if it is true.
// Whether there is TLS with applications.
bool has_credentials(const CredentialsStatus& credentials) {
  return !credentials.subject.empty() || credentials.ca_expires_unix_s != 0;
}

Json Builder::credentials_json(const CredentialsStatus& credentials) const {
  constexpr std::int64_t kDayS = 24LL * 3600;
  const Site* site = input_.resources.site();
  const std::int64_t warning_s = (site != nullptr ? *site : Site{}).certificate_warning.milliseconds() / 1000;
  const auto add = [&](Json& json, const std::string& what, std::int64_t expires_unix_s) {
    if (expires_unix_s == 0) return;
    json[what + "Expires"] = format_time(expires_unix_s);
    json[what + "DaysLeft"] = (expires_unix_s - input_.now_unix_s) / kDayS;
    if (expires_unix_s - input_.now_unix_s <= warning_s) json["expiresSoon"] = true;
  };
  Json json = Json::object();
  if (!credentials.subject.empty()) json["certificateSubject"] = credentials.subject;
  add(json, "certificate", credentials.expires_unix_s);
  add(json, "ca", credentials.ca_expires_unix_s);
  if (!credentials.refused.empty()) json["refused"] = credentials.refused;
  return json;
}

void Builder::add_link_details(Json& status, const LinkStatus& link) const {
  const bool up = link.state == LinkPhase::kUp;
  status["direction"] = link.incoming ? "incoming" : "outgoing";
  status["configured"] = true;
  status["active"] = up;
  status["state"] = name_of(link.state);
  status["since"] = format_time(link.since_unix_s);
  status["url"] = link.url;
  status["site"] = link.remote_site_name;
  status["remoteSiteId"] = link.remote_site_id;
  status["remoteSiteName"] = link.remote_site_name;
  status["cost"] = link.routing_cost > 0 ? link.routing_cost : link.cost;
  if (link.last_error) status["lastError"] = error_json(*link.last_error);
  status["dials"] = link.dials;
  status["ups"] = link.ups;
  status["sessions"]["up"] = link.sessions_up;
  status["sessions"]["wanted"] = link.sessions_wanted;
  status["streams"]["open"] = link.streams;
  status["streams"]["total"] = link.streams_total;
  status["bytes"]["in"] = link.bytes_in;
  status["bytes"]["out"] = link.bytes_out;
  if (!link.incoming) status["credentials"] = credentials_json(link.credentials);
  if (!up) return;
  // What describes a connection is told only while there is one.
  if (link.rtt.ns > 0) {
    status["rtt"] = format_rtt(link.rtt);
    status["rttMin"] = format_rtt(link.rtt_min);
    status["rttMicroseconds"] = link.rtt.microseconds();
  }
  Json& tls = status["tls"];
  tls["version"] = link.tls_version;
  tls["cipher"] = link.cipher;
  tls["group"] = link.tls_group;
  tls["keyExchange"] = link.post_quantum ? "post-quantum" : "classical";
  const auto describe = [&](const char* direction, const Protection& protection) {
    tls["protection"][direction] = protection.by;
    if (!protection.why_not.empty()) tls["protection"][direction + std::string("Reason")] = protection.why_not;
  };
  describe("send", link.send_protection);
  describe("receive", link.receive_protection);
  tls["peerAuthenticated"] = link.peer_authenticated;
  if (!link.peer_subject.empty()) tls["peerSubject"] = link.peer_subject;
  if (link.peer_certificate_expires_unix_s != 0) {
    tls["peerCertificateExpires"] = format_time(link.peer_certificate_expires_unix_s);
  }
}

Json Builder::link_document(const Link& link) {
  Json json = object(link);
  Json& spec = json["spec"];
  spec["cost"] = link.cost;
  spec["tlsCredentials"] = link.tls_credentials;
  if (link.no_client_auth) spec["noClientAuth"] = true;
  spec["endpoints"] = endpoints_document(link.endpoints);
  const LinkStatus* seen = nullptr;
  if (links() != nullptr) {
    const auto found = std::ranges::find_if(
        *links(), [&](const LinkStatus& other) { return !other.incoming && other.name == link.metadata.name; });
    if (found != links()->end()) seen = &*found;
  }
  json["status"] = status(label(link), link_conditions(seen));
  if (seen != nullptr) {
    add_link_details(json["status"], *seen);
  } else {
    json["status"]["direction"] = "outgoing";
    json["status"]["configured"] = false;
    json["status"]["active"] = false;
  }
  return json;
}

Json Builder::incoming_document(const LinkStatus& link) {
  Json json;
  json["apiVersion"] = "skupper.io/v2alpha1";
  json["kind"] = "IncomingLink";
  json["metadata"]["name"] = link.name;
  json["metadata"]["namespace"] = input_.namespace_name;
  const std::string identity =
      fmt::format("IncomingLink {} {}", link.name, link.remote_site_id.empty() ? link.url : link.remote_site_id);
  json["status"] = status(identity, link_conditions(&link));
  add_link_details(json["status"], link);
  return json;
}

Json Builder::endpoints(const RouterAccess& access) const {
  Json list = Json::array();
  for (const RouterAccessRole& role : access.roles) {
    Json entry;
    entry["name"] = role.name;
    entry["host"] = access.bind_host;
    entry["port"] = std::to_string(role.port);
    list.push_back(std::move(entry));
  }
  return list;
}

std::vector<Condition> Builder::access_conditions(const RouterAccess& access) const {
  if (input_.gateway == nullptr) return {condition_pending("Configured", kNotRunning)};
  for (const RouterAccessRole& role : access.roles) {
    const AccessStatus* seen = find_named(&input_.gateway->accesses, access_name(access, role));
    if (seen != nullptr && seen->listening) continue;
    const bool failed = seen != nullptr && seen->last_error;
    return {condition_met("Configured"),
            failed ? condition_failed("Resolved", seen->last_error->message)
                   : condition_pending("Resolved", fmt::format("not listening on port {}", role.port))};
  }
  return {condition_met("Configured"), condition_met("Resolved")};
}

Json Builder::access_document(const RouterAccess& access) {
  Json json = object(access);
  Json& spec = json["spec"];
  spec["tlsCredentials"] = access.credentials_name();
  if (!access.bind_host.empty()) spec["bindHost"] = access.bind_host;
  if (!access.subject_alternative_names.empty()) spec["subjectAlternativeNames"] = access.subject_alternative_names;
  if (access.allow_anonymous_links) spec["allowAnonymousLinks"] = true;
  Json& roles = spec["roles"] = Json::array();
  for (const RouterAccessRole& role : access.roles)
    roles.push_back({{"name", role.name}, {"port", role.port}});
  json["status"] = status(label(access), access_conditions(access));
  json["status"]["endpoints"] = endpoints(access);
  if (input_.gateway == nullptr) return json;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;
  const LastError* last_refused = nullptr;
  for (const RouterAccessRole& role : access.roles) {
    const AccessStatus* seen = find_named(&input_.gateway->accesses, access_name(access, role));
    if (seen == nullptr) continue;
    json["status"]["credentials"] = credentials_json(seen->credentials);
    accepted += seen->accepted;
    refused += seen->refused;
    if (!seen->last_refused) continue;
    if (last_refused == nullptr || seen->last_refused->since_unix_s > last_refused->since_unix_s) {
      last_refused = &*seen->last_refused;
    }
  }
  json["status"]["accepted"] = accepted;
  json["status"]["refused"] = refused;
  if (last_refused != nullptr) json["status"]["lastRefused"] = error_json(*last_refused);
  return json;
}

const ListenerStatus* Builder::find_listener(const std::string& name) const {
  return input_.gateway == nullptr ? nullptr : find_named(&input_.gateway->listeners, name);
}

// `matched` is what the kind calls it that its connections have somewhere to go.
std::vector<Condition> Builder::listener_conditions(const ListenerStatus* seen, std::string_view matched) const {
  if (seen == nullptr) return {condition_pending("Configured", kNotRunning)};
  // Without a connector the port is closed on purpose; that is no fault of the listener's configuration.
  const bool failed = !seen->listening && seen->last_error;
  const std::string type(matched);
  return {failed ? condition_failed("Configured", seen->last_error->message) : condition_met("Configured"),
          seen->reachable_keys.empty() ? condition_pending(type, "No matching connectors") : condition_met(type)};
}

void Builder::add_listener_details(Json& status, const ListenerStatus& seen) const {
  status["listening"] = seen.listening;
  status["connections"] = {{"open", seen.connections}, {"total", seen.connections_total}};
  if (seen.last_error) status["lastError"] = error_json(*seen.last_error);
  if (has_credentials(seen.credentials)) status["credentials"] = credentials_json(seen.credentials);
  status["refused"] = seen.refused;
  if (seen.last_refused) status["lastRefused"] = error_json(*seen.last_refused);
}

void Builder::add_listener_options(Json& spec, const ListenerOptions& options) {
  if (!options.tls_credentials.empty()) spec["tlsCredentials"] = options.tls_credentials;
  if (options.require_client_cert) spec["requireClientCert"] = true;
  if (options.accept_proxy_protocol) spec["acceptProxyProtocol"] = true;
  add_limits(spec, options.limits);
}

// Those that differ from what there is without a word.
void Builder::add_limits(Json& spec, const ConnectionLimits& limits) {
  const ConnectionLimits usual;
  const auto add = [&](const char* name, Duration value, Duration otherwise) {
    if (value != otherwise) spec[name] = to_string(value);
  };
  add("idleTimeout", limits.idle_timeout, usual.idle_timeout);
  add("halfClosedTimeout", limits.half_closed_timeout, usual.half_closed_timeout);
  add("keepalive", limits.keepalive, usual.keepalive);
  add("userTimeout", limits.user_timeout, usual.user_timeout);
  if (limits.connections_max > 0) spec["maxConnections"] = limits.connections_max;
}

Json Builder::listener_document(const Listener& listener) {
  Json json = object(listener);
  json["spec"]["routingKey"] = listener.routing_key;
  json["spec"]["host"] = listener.host;
  if (listener.port != 0) json["spec"]["port"] = listener.port;
  add_listener_options(json["spec"], listener);
  const ListenerStatus* seen = find_listener(listener.metadata.name);
  json["status"] = status(label(listener), listener_conditions(seen, "Matched"));
  json["status"]["hasMatchingConnector"] = seen != nullptr && !seen->reachable_keys.empty();
  if (seen != nullptr) add_listener_details(json["status"], *seen);
  return json;
}

Json Builder::multi_key_listener_document(const MultiKeyListener& listener) {
  const RoutingKeys& keys = listener.routing_keys;
  const bool weighted = keys.choice == RoutingKeys::Choice::kWeighted;
  const char* strategy = weighted ? "weighted" : "priority";
  const ListenerStatus* seen = find_listener(listener_name(listener));
  // A list of keys, or a map of keys to weights.
  Json configured = weighted ? Json::object() : Json::array();
  Json reachable = configured;
  for (const RoutingKeys::Key& key : keys.keys) {
    const auto add = [&](Json& to) { weighted ? to[key.name] = key.weight : to.emplace_back(key.name); };
    add(configured);
    if (seen != nullptr && std::ranges::find(seen->reachable_keys, key.name) != seen->reachable_keys.end()) {
      add(reachable);
    }
  }
  Json json = object(listener);
  json["spec"]["host"] = listener.host;
  if (listener.port != 0) json["spec"]["port"] = listener.port;
  json["spec"]["strategy"][strategy]["routingKeys"] = std::move(configured);
  add_listener_options(json["spec"], listener);
  json["status"] = status(label(listener), listener_conditions(seen, "Operational"));
  json["status"]["hasDestination"] = seen != nullptr && !seen->reachable_keys.empty();
  json["status"]["strategy"][strategy]["routingKeysReachable"] = std::move(reachable);
  if (seen != nullptr) add_listener_details(json["status"], *seen);
  return json;
}

Json Builder::connector_document(const Connector& connector) {
  Json json = object(connector);
  json["spec"]["routingKey"] = connector.routing_key;
  json["spec"]["host"] = connector.host;
  if (connector.port != 0) json["spec"]["port"] = connector.port;
  if (!connector.tls_credentials.empty()) json["spec"]["tlsCredentials"] = connector.tls_credentials;
  if (connector.use_client_cert) json["spec"]["useClientCert"] = true;
  if (connector.verify_hostname) json["spec"]["verifyHostname"] = true;
  if (connector.send_proxy_protocol != ProxyProtocol::kNone) {
    json["spec"]["sendProxyProtocol"] = connector.send_proxy_protocol == ProxyProtocol::kV1 ? "v1" : "v2";
  }
  add_limits(json["spec"], connector.limits);
  const ConnectorStatus* seen =
      input_.gateway == nullptr ? nullptr : find_named(&input_.gateway->connectors, connector.metadata.name);
  std::vector<Condition> conditions;
  if (seen == nullptr) {
    conditions = {condition_pending("Configured", kNotRunning)};
  } else {
    // Sites do not tell each other of their listeners, so there is no Matched among these, and no hasMatchingListener.
    conditions = {condition_met("Configured")};
    if (!seen->available) {
      conditions.push_back(seen->last_error ? condition_failed("Available", seen->last_error->message)
                                            : condition_pending("Available", "the server has not answered yet"));
    }
  }
  json["status"] = status(label(connector), std::move(conditions));
  if (seen == nullptr) return json;
  json["status"]["available"] = seen->available;
  json["status"]["connections"] = {
      {"open", seen->connections}, {"total", seen->connections_total}, {"failed", seen->failed}};
  if (seen->last_error) json["status"]["lastError"] = error_json(*seen->last_error);
  if (has_credentials(seen->credentials)) json["status"]["credentials"] = credentials_json(seen->credentials);
  return json;
}

Json Builder::grant_document(const AccessGrant& grant) {
  Json json = object(grant);
  json["spec"]["redemptionsAllowed"] = grant.redemptions_allowed;
  json["spec"]["expirationWindow"] = to_string(grant.expiration_window);
  if (!grant.issuer.empty()) json["spec"]["issuer"] = grant.issuer;
  const Grant* seen = nullptr;
  if (input_.tokens != nullptr) {
    const auto found = input_.tokens->grants.find(grant.metadata.name);
    if (found != input_.tokens->grants.end()) seen = &found->second;
  }
  if (seen == nullptr) {
    json["status"] = status(label(grant), {condition_pending("Processed", kNotRunning)});
    return json;
  }
  const GrantAddress& address = input_.tokens->address;
  std::vector<Condition> conditions = {seen->error.empty() ? condition_met("Processed")
                                                           : condition_failed("Processed", seen->error)};
  conditions.push_back(address.error.empty() ? condition_met("Resolved") : condition_failed("Resolved", address.error));
  json["status"] = status(label(grant), std::move(conditions));
  Json& result = json["status"];
  // It has done what it is for, which is no fault.
  const bool ready = result["status"] == "Ready";
  if (ready && seen->used_up()) result["message"] = "all redemptions are used up";
  if (ready && !seen->used_up() && seen->expired(input_.now_unix_s)) result["message"] = "it has expired";
  if (!seen->error.empty()) return json;
  if (!address.host_port.empty()) {
    result["url"] = address.url_of(*seen);
    result["ca"] = address.ca;
  }
  result["code"] = seen->code;
  result["redemptions"] = seen->redemptions.size();
  result["expirationTime"] = format_time(seen->expires_unix_s);
  Json& list = result["redeemedBy"] = Json::array();
  for (const Redemption& redemption : seen->redemptions) {
    list.push_back(
        {{"subject", redemption.subject}, {"from", redemption.from}, {"time", format_time(redemption.time_unix_s)}});
  }
  return json;
}

Json Builder::token_document(const AccessToken& token) {
  Json json = object(token);
  json["spec"]["url"] = token.url;
  json["spec"]["linkCost"] = token.link_cost;
  const TokenState* seen = nullptr;
  if (input_.tokens != nullptr) {
    const auto found = input_.tokens->tokens.find(token.metadata.name);
    if (found != input_.tokens->tokens.end()) seen = &found->second;
  }
  Condition redeemed = condition_pending("Redeemed", seen == nullptr ? kNotRunning : "it is being redeemed");
  if (seen != nullptr && seen->redeemed_unix_s != 0) {
    redeemed = condition_met("Redeemed");
  } else if (seen != nullptr && !seen->error.empty()) {
    redeemed = condition_failed("Redeemed", seen->error + (seen->final ? "" : "; it is tried again"));
  }
  const bool is_redeemed = redeemed.is_true;
  json["status"] = status(label(token), {std::move(redeemed)});
  json["status"]["redeemed"] = is_redeemed;
  if (is_redeemed) json["status"]["redeemedAt"] = format_time(seen->redeemed_unix_s);
  return json;
}

// Of the site: that of the first RouterAccess which is not, else met.
Condition Builder::resolved_condition() const {
  for (const RouterAccess& access : input_.resources.router_accesses) {
    Condition resolved = access_conditions(access).back();
    if (!resolved.is_true) return resolved;
  }
  return condition_met("Resolved");
}

Json Builder::site_document(const Site& site) {
  Json json = object(site);
  json["spec"]["linkAccess"] = site.link_access;
  json["spec"]["edge"] = site.edge;
  std::vector<Condition> conditions;
  if (input_.gateway == nullptr) {
    conditions = {condition_pending("Configured", kNotRunning)};
  } else {
    json["metadata"]["uid"] = input_.gateway->site_id;
    conditions = {
        input_.input_refused.empty() ? condition_met("Configured")
                                     : condition_failed("Configured", input_.input_refused),
        input_.gateway->draining ? condition_pending("Running", "the gateway is draining") : condition_met("Running")};
    if (!input_.resources.router_accesses.empty()) conditions.push_back(resolved_condition());
  }
  json["status"] = status(label(site), std::move(conditions));
  Json list = Json::array();
  for (const RouterAccess& access : input_.resources.router_accesses) {
    for (Json& endpoint : endpoints(access))
      list.push_back(std::move(endpoint));
  }
  json["status"]["endpoints"] = std::move(list);
  if (!input_.resources.router_accesses.empty()) json["status"]["defaultIssuer"] = site.default_issuer;
  return json;
}

StatusDocuments Builder::build() {
  StatusDocuments documents;
  const Resources& resources = input_.resources;
  for (const Site& site : resources.sites)
    documents.resources.push_back(site_document(site));
  for (const Link& link : resources.links)
    documents.resources.push_back(link_document(link));
  for (const RouterAccess& access : resources.router_accesses)
    documents.resources.push_back(access_document(access));
  for (const Listener& listener : resources.listeners)
    documents.resources.push_back(listener_document(listener));
  for (const MultiKeyListener& listener : resources.multi_key_listeners)
    documents.resources.push_back(multi_key_listener_document(listener));
  for (const Connector& connector : resources.connectors)
    documents.resources.push_back(connector_document(connector));
  for (const AccessToken& token : resources.access_tokens)
    documents.resources.push_back(token_document(token));
  for (const AccessGrant& grant : resources.access_grants)
    documents.grants.push_back(grant_document(grant));
  if (links() == nullptr) return documents;
  for (const LinkStatus& link : *links()) {
    if (link.incoming) documents.incoming_links.push_back(incoming_document(link));
  }
  return documents;
}

}  // namespace

std::string_view name_of(LinkPhase state) {
  switch (state) {
    case LinkPhase::kConnecting:
      return "connecting";
    case LinkPhase::kWaiting:
      return "waiting";
    case LinkPhase::kUp:
      return "up";
    case LinkPhase::kClosing:
      return "closing";
  }
  return "connecting";
}

StatusDocuments::StatusDocuments() = default;
StatusDocuments::StatusDocuments(StatusDocuments&&) noexcept = default;
StatusDocuments& StatusDocuments::operator=(StatusDocuments&&) noexcept = default;
StatusDocuments::~StatusDocuments() = default;

StatusDocuments make_status_documents(const StatusInput& input, TransitionTimes& times) {
  return Builder(input, times).build();
}

Json make_status_snapshot(const StatusInput& input, const StatusDocuments& documents) {
  Json json;
  json["time"] = format_time(input.now_unix_s);
  json["namespace"] = input.namespace_name;
  if (input.gateway != nullptr) {
    const GatewayStatus& gateway = *input.gateway;
    json["site"] = {{"id", gateway.site_id}, {"name", gateway.site_name}};
    json["shards"] = gateway.shards;
    json["kernel"]["release"] = gateway.kernel_release;
    json["kernel"]["lacking"] = gateway.kernel_lacking;
    json["draining"] = gateway.draining;
    json["connections"] = gateway.connections;
    Json& counters = json["counters"] = Json::object();
    for (const NamedCount& counter : gateway.counters)
      counters[counter.name] = counter.value;
  }
  if (input.network != nullptr) json["network"] = network_json(*input.network, input.gateway);
  json["resources"] = documents.resources;
  for (Json grant : documents.grants) {
    grant["status"].erase("code");
    json["resources"].push_back(std::move(grant));
  }
  json["incomingLinks"] = documents.incoming_links;
  return json;
}

}  // namespace fairlead
