// The resources of a site as plain structs, after syntax and types were checked (resource_reader.h) and before or after
// the checks that need all of them (validate.h). Field names are Skupper's, in our case style. Both spellings of the
// Link end up in the one struct here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/site/diagnostics.h"
#include "transport/base/time.h"
#include "transport/config.h"
#include "transport/edge_options.h"
#include "transport/forwarder.h"
#include "transport/routing_keys.h"
#include "transport/tls/cipher.h"

namespace fairlead {

inline constexpr std::string_view kDefaultNamespace = "default";
inline constexpr std::string_view kSiteCaName = "skupper-site-ca";
inline constexpr std::string_view kServiceCaName = "skupper-service-ca";  // of listeners with TLS
inline constexpr std::string_view kInterRouterRole = "inter-router";
inline constexpr std::string_view kEdgeRole = "edge";
inline constexpr std::uint16_t kInterRouterPort = 55671;
inline constexpr std::uint16_t kEdgePort = 45671;
inline constexpr std::uint16_t kGrantPort = 9090;

// Where a resource and each of its fields were written, for messages.
struct Source {
  Position position;                       // of the document
  std::map<std::string, Position> fields;  // by path ("spec.endpoints[1].port")
  bool has_errors = false;                 // reported; some fields may have their defaults instead of what was written

  // The field's position, or the resource's where the field was not written.
  const Position& of(const std::string& field) const;
};

struct Metadata {
  std::string name;
  std::string namespace_name;  // empty: not written
};

// Some of these have the name of a class of the transport's, as both are Skupper's words. No file sees two of one name,
// but without a namespace of their own the linker would take the implicit members of one for those of the other.
inline namespace resource {

// Where a site's AccessGrants are redeemed, over HTTPS.
struct GrantServer {
  std::string bind_host;  // empty: all interfaces
  std::uint16_t port = kGrantPort;
  std::string host;  // in the URL of tokens; empty: the first name that can be dialled
};

struct Site {
  static constexpr std::string_view kKind = "Site";
  Metadata metadata;
  Source source;
  std::string link_access = "none";
  bool edge = false;
  std::string default_issuer{kSiteCaName};
  Duration link_timeout = Duration::milliseconds(400);  // a link that is silent for longer is lost
  std::string record_protection = "auto";               // or kernel, or user
  bool low_latency = false;                             // processors spin for a while before they sleep
  std::optional<std::uint32_t> records_per_key;
  std::vector<CipherSuite> cipher_suites = default_suites();           // of links, the most wanted first; never empty
  Duration certificate_warning = Duration::seconds(30LL * 24 * 3600);  // so long before one expires
  std::optional<HostPort> metrics;                                     // where they are served
  GrantServer grant_server;

  bool accepts_links() const { return link_access != "none"; }

  std::string_view role() const { return edge ? kEdgeRole : kInterRouterRole; }
};

struct LinkEndpoint {
  std::string role;  // `name` in v2alpha1
  std::string host;
  std::uint16_t port = 0;
  std::string group;
  std::string field;  // path of the endpoint in its document
};

struct Link {
  static constexpr std::string_view kKind = "Link";
  Metadata metadata;
  Source source;
  std::string tls_credentials;  // `tlsSecret` in the older spelling
  std::string tls_credentials_field;
  std::uint32_t cost = 1;
  std::vector<LinkEndpoint> endpoints;
  bool no_client_auth = false;
  std::optional<std::string> record_protection;  // none: the site's
  std::string of_token;                          // the AccessToken that it was redeemed for; empty: a user wrote it
};

bool has_endpoint(const Link& link, std::string_view role);

struct RouterAccessRole {
  std::string name;
  std::uint16_t port = 0;
  std::string field;
};

struct RouterAccess {
  static constexpr std::string_view kKind = "RouterAccess";
  Metadata metadata;
  Source source;
  std::vector<RouterAccessRole> roles;
  std::string tls_credentials;  // empty: the resource's name
  std::string issuer;           // empty: the site's default issuer
  std::string bind_host;        // empty: all interfaces
  std::vector<std::string> subject_alternative_names;
  bool allow_anonymous_links = false;
  std::optional<bool> generate_tls_credentials;  // nothing: not written, which is like true
  bool implied = false;                          // not written by the user: comes from the Site's linkAccess

  bool may_generate_credentials() const { return generate_tls_credentials.value_or(true); }

  const std::string& credentials_name() const { return tls_credentials.empty() ? metadata.name : tls_credentials; }
};

// What the two kinds of listeners have in common.
struct ListenerOptions {
  std::string tls_credentials;  // for TLS with the clients; empty: plain
  bool require_client_cert = false;
  bool accept_proxy_protocol = false;
  ConnectionLimits limits;
};

struct Listener : ListenerOptions {
  static constexpr std::string_view kKind = "Listener";
  Metadata metadata;
  Source source;
  std::string routing_key;
  std::string host;        // or "unix:/path"
  std::uint16_t port = 0;  // 0 with that
  Strategy strategy = Strategy::kBalanced;
};

// One port for several routing keys. Which one a client gets is its strategy's choice.
struct MultiKeyListener : ListenerOptions {
  static constexpr std::string_view kKind = "MultiKeyListener";
  Metadata metadata;
  Source source;
  std::string host;
  std::uint16_t port = 0;
  RoutingKeys routing_keys;
};

struct Connector {
  static constexpr std::string_view kKind = "Connector";
  Metadata metadata;
  Source source;
  std::string routing_key;
  std::string host;
  std::uint16_t port = 0;
  bool health_probe = true;
  std::string tls_credentials;  // for TLS with the server; empty: plain
  bool use_client_cert = false;
  bool verify_hostname = false;
  ProxyProtocol send_proxy_protocol = ProxyProtocol::kNone;
  ConnectionLimits limits;
};

// Holds a private key: never print one, and write it to files of mode 0600 only.
struct Secret {
  static constexpr std::string_view kKind = "Secret";
  Metadata metadata;
  Source source;
  std::map<std::string, std::string> data;  // decoded; ca.crt, tls.crt, tls.key, and whatever else was there
};

// Lets whoever knows its code make a link to this site. Holds a secret: the code.
struct AccessGrant {
  static constexpr std::string_view kKind = "AccessGrant";
  Metadata metadata;
  Source source;
  std::uint32_t redemptions_allowed = 1;
  Duration expiration_window = Duration::seconds(15 * 60);  // from when the gateway first saw it
  std::string code;                                         // empty: one is made
  std::string issuer;                                       // of the certificates; empty: that of the RouterAccess
};

// Of a grant at another site: redeemed for a link to it, once. Holds a secret: the code.
struct AccessToken {
  static constexpr std::string_view kKind = "AccessToken";
  Metadata metadata;
  Source source;
  std::string url;
  std::string code;
  std::string ca;  // PEM: who alone is trusted at `url`
  std::uint32_t link_cost = 1;
};

}  // namespace resource

// Everything of one namespace.
struct Resources {
  std::vector<Site> sites;  // exactly one after validation for running
  std::vector<Link> links;
  std::vector<RouterAccess> router_accesses;
  std::vector<Listener> listeners;
  std::vector<MultiKeyListener> multi_key_listeners;
  std::vector<Connector> connectors;
  std::vector<Secret> secrets;
  std::vector<AccessGrant> access_grants;
  std::vector<AccessToken> access_tokens;

  // The only site, or null.
  const Site* site() const { return sites.size() == 1 ? &sites.front() : nullptr; }

  const Secret* find_secret(std::string_view name) const;
};

// A Site that accepts links and has no RouterAccess of its name gets one, on the default ports. Done before validation,
// so that its ports are checked against the others.
void add_implied_router_access(Resources& resources);

// "Link west": how messages name a resource.
std::string label(std::string_view kind, std::string_view name);

template <class T>
std::string label(const T& resource) {
  return label(T::kKind, resource.metadata.name);
}

}  // namespace fairlead
