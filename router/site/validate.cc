#include "router/site/validate.h"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "router/site/access_writer.h"
#include "router/site/port_claims.h"
#include "transport/tls/certificates.h"
#include "transport/tls/credentials.h"

namespace fairlead {

namespace {

// One pass over one set of resources.
class Validator {
 public:
  Validator(const Resources& resources, const CredentialSource& credentials, const ValidationOptions& options,
            Diagnostics& diagnostics)
      : resources_(resources), credentials_(credentials), options_(options), diagnostics_(diagnostics) {}

  void run() {
    check_sites();
    for_each_resource([this](const auto& resource) { check_namespace(resource); });
    for_each_resource([this](const auto& resource) { check_unique(resource); });
    for (const Link& link : resources_.links)
      check_link(link);
    for (const RouterAccess& access : resources_.router_accesses)
      check_router_access(access);
    for (const Site& site : resources_.sites) {
      if (site.metrics) claim_port(site, "spec.metrics", site.metrics->host, site.metrics->port);
    }
    for (const AccessGrant& grant : resources_.access_grants)
      check_grant(grant);
    for (const AccessToken& token : resources_.access_tokens)
      check_token(token);
    if (const Site* site = resources_.site(); site != nullptr && !resources_.access_grants.empty()) {
      claim_port(*site, "spec.grantServer.port", site->grant_server.bind_host, site->grant_server.port);
    }
    for (const Listener& listener : resources_.listeners)
      check_listener(listener);
    for (const MultiKeyListener& listener : resources_.multi_key_listeners)
      check_listener(listener);
    for (const Connector& connector : resources_.connectors)
      check_connector(connector);
  }

 private:
  struct Claim {
    std::string label;
    Position position;
  };

  template <class Visit>
  void for_each_resource(Visit visit) {
    std::ranges::for_each(resources_.sites, visit);
    std::ranges::for_each(resources_.links, visit);
    std::ranges::for_each(resources_.router_accesses, visit);
    std::ranges::for_each(resources_.listeners, visit);
    std::ranges::for_each(resources_.multi_key_listeners, visit);
    std::ranges::for_each(resources_.connectors, visit);
    std::ranges::for_each(resources_.secrets, visit);
    std::ranges::for_each(resources_.access_grants, visit);
    std::ranges::for_each(resources_.access_tokens, visit);
  }

  template <class T>
  void error(const T& resource, const std::string& field, std::string_view message) {
    diagnostics_.error(resource.source.of(field), fmt::format("{}: {}: {}", label(resource), field, message));
  }

  void check_sites() {
    if (resources_.sites.empty() && options_.require_site && diagnostics_.complete()) {
      diagnostics_.error({},
                         "there is no Site among the resources; exactly one is needed: "
                         "{kind: Site, metadata: {name: NAME}}");
    }
    for (std::size_t i = 1; i < resources_.sites.size(); i++) {
      const Site& site = resources_.sites[i];
      // The same name twice is reported as that.
      if (site.metadata.name == resources_.sites.front().metadata.name) continue;
      diagnostics_.error(site.source.position, fmt::format("{}: a namespace has one Site, and there is {} at {}",
                                                           label(site), label(resources_.sites.front()),
                                                           to_string(resources_.sites.front().source.position)));
    }
  }

  template <class T>
  void check_namespace(const T& resource) {
    const std::string& written = resource.metadata.namespace_name;
    if (!options_.namespace_name.empty()) {
      if (written.empty() || written == options_.namespace_name) return;
      error(resource, "metadata.namespace",
            fmt::format("found '{}'; these are the resources of namespace '{}'", written, options_.namespace_name));
      return;
    }
    const std::string effective = written.empty() ? std::string(kDefaultNamespace) : written;
    if (!first_namespace_) {
      first_namespace_ = Claim{effective, resource.source.of("metadata.namespace")};
    } else if (first_namespace_->label != effective) {
      error(resource, "metadata.namespace",
            fmt::format("found '{}'; all resources loaded together share one namespace, and '{}' comes from {}",
                        effective, first_namespace_->label, to_string(first_namespace_->position)));
    }
  }

  template <class T>
  void check_unique(const T& resource) {
    const auto [entry, inserted] =
        names_.try_emplace(label(resource), Claim{label(resource), resource.source.of("metadata.name")});
    if (inserted) return;
    error(resource, "metadata.name",
          fmt::format("a {} of this name is already there at {}; keep one of them or rename it", T::kKind,
                      to_string(entry->second.position)));
  }

  void check_link(const Link& link) {
    check_link_endpoints(link);
    check_client_bundle(link, link.tls_credentials_field, !link.no_client_auth,
                        "a link needs a client certificate and its key, unless noClientAuth is true");
  }

  void check_connector(const Connector& connector) {
    check_client_bundle(connector, "spec.tlsCredentials", connector.use_client_cert,
                        "useClientCert needs a certificate and its key");
  }

  // Of who dials: given by the user, and with a certificate only where one is presented.
  template <class T>
  void check_client_bundle(const T& resource, const std::string& field, bool presents, std::string_view need) {
    const std::string& name = resource.tls_credentials;
    if (name.empty()) return;
    const auto found = credentials_.find(name);
    if (!found) return error(resource, field, found.error().message);
    if (!*found) {
      if (!diagnostics_.complete()) return;
      return error(resource, field,
                   fmt::format("found '{}', but there is no Secret of this name among the resources and no directory "
                               "of this name below input/certs",
                               name));
    }
    if (is_broken_secret(name)) return;
    const NamedBundle& bundle = **found;
    if (presents && (bundle.pem.cert.empty() || bundle.pem.key.empty())) {
      return error(resource, field,
                   fmt::format("{} has no {}; {}", bundle.origin, bundle.pem.cert.empty() ? "tls.crt" : "tls.key",
                               need));
    }
    // Who presents none does not look at what there is besides the CA.
    if (auto loaded = Credentials::load(presents ? bundle.pem : without_certificate(bundle.pem)); !loaded) {
      error(resource, field, fmt::format("{}: {}", bundle.origin, loaded.error().message));
    }
  }

  // Which is reported as that.
  bool is_broken_secret(const std::string& name) const {
    const Secret* secret = resources_.find_secret(name);
    return secret != nullptr && secret->source.has_errors;
  }

  // Of either kind.
  template <class T>
  void check_listener(const T& listener) {
    if (is_unix_host(listener.host)) {
      claim_path(listener);
    } else {
      claim_port(listener, "spec.port", listener.host, listener.port);
    }
    if (listener.tls_credentials.empty()) return;
    const std::string field = "spec.tlsCredentials";
    const auto found = credentials_.find(listener.tls_credentials);
    if (!found) return error(listener, field, found.error().message);
    if (*found) {
      if (is_broken_secret(listener.tls_credentials)) return;
      const bool verifies = listener.require_client_cert;
      return check_given_server_bundle(listener, **found,
                                       verifies ? Credentials::Trust::kNeeded : Credentials::Trust::kOptional);
    }
    if (!diagnostics_.complete()) return;
    warn_of_bundle_to_be_made(listener, listener.tls_credentials);
    claim_bundle_to_be_made(listener, listener.tls_credentials);
    check_authority_of(listener, field, std::string(kServiceCaName), true);
  }

  void check_link_endpoints(const Link& link) {
    const Site* site = resources_.site();
    if (site == nullptr || site->source.has_errors || link.source.has_errors) return;
    if (has_endpoint(link, site->role())) return;
    error(link, "spec.endpoints",
          fmt::format("there is no endpoint for the role {}, which {} has because edge is {}; add one", site->role(),
                      label(*site), site->edge));
  }

  void check_router_access(const RouterAccess& access) {
    const Site* site = resources_.site();
    // An implied one is an error of the Site's, reported there.
    if (site != nullptr && site->edge && !access.implied) {
      diagnostics_.error(access.source.position,
                         fmt::format("{}: {} is an edge site, which accepts no links; remove one of them",
                                     label(access), label(*site)));
    }
    for (std::size_t i = 0; i < access.roles.size(); i++) {
      const RouterAccessRole& role = access.roles[i];
      const auto same_name = [&](const RouterAccessRole& other) { return other.name == role.name; };
      const auto first = std::ranges::find_if(access.roles, same_name);
      if (first != access.roles.begin() + static_cast<std::ptrdiff_t>(i) && !role.name.empty()) {
        error(access, role.field, fmt::format("the role {} is there twice; keep one of them", role.name));
      } else {
        claim_port(access, role.field, access.bind_host, role.port);
      }
    }
    check_server_bundle(access, site);
  }

  void check_server_bundle(const RouterAccess& access, const Site* site) {
    const auto found = credentials_.find(access.credentials_name());
    if (!found) {
      error(access, "spec.tlsCredentials", found.error().message);
    } else if (*found) {
      check_given_server_bundle(access, **found, Credentials::Trust::kNeeded);
    } else if (diagnostics_.complete()) {
      check_server_bundle_to_be_made(access);
    }
    const bool needs_authority = found && !*found;
    const std::string& issuer = access.issuer.empty() && site != nullptr ? site->default_issuer : access.issuer;
    check_authority_of(access, "spec.issuer", issuer, needs_authority);
  }

  template <class T>
  void check_given_server_bundle(const T& resource, const NamedBundle& bundle, Credentials::Trust trust) {
    const std::string field = "spec.tlsCredentials";
    const PemBundle& pem = bundle.pem;
    if (pem.cert.empty() || pem.key.empty()) {
      error(resource, field,
            fmt::format("{} has no {}; to accept {} a certificate and its key are needed", bundle.origin,
                        pem.cert.empty() ? "tls.crt" : "tls.key",
                        T::kKind == RouterAccess::kKind ? "links" : "clients with TLS"));
    } else if (auto loaded = Credentials::load(pem, trust); !loaded) {
      error(resource, field, fmt::format("{}: {}", bundle.origin, loaded.error().message));
    }
  }

  static std::string describe_missing(const std::string& name) {
    return fmt::format("there is no Secret '{}' among the resources and no directory of this name below input/certs",
                       name);
  }

  void check_server_bundle_to_be_made(const RouterAccess& access) {
    const std::string& name = access.credentials_name();
    if (!access.may_generate_credentials()) {
      return error(access, "spec.generateTlsCredentials", fmt::format("found false, but {}", describe_missing(name)));
    }
    if (!access.tls_credentials.empty() && !access.generate_tls_credentials) warn_of_bundle_to_be_made(access, name);
    claim_bundle_to_be_made(access, name);
  }

  template <class T>
  void warn_of_bundle_to_be_made(const T& resource, const std::string& name) {
    const std::string field = "spec.tlsCredentials";
    const std::string_view meant = T::kKind == RouterAccess::kKind
                                       ? " (generateTlsCredentials: true says that this is meant)"
                                       : " and signed by the CA skupper-service-ca";
    diagnostics_.warning(resource.source.of(field),
                         fmt::format("{}: {}: {}; a certificate will be made for it{}", label(resource), field,
                                     describe_missing(name), meant));
  }

  template <class T>
  void claim_bundle_to_be_made(const T& resource, const std::string& name) {
    const auto [entry, inserted] = made_bundles_.try_emplace(name, Claim{label(resource), resource.source.position});
    // The same name twice is reported as that.
    if (inserted || entry->second.label == label(resource)) return;
    error(resource, "spec.tlsCredentials",
          fmt::format("the certificate '{}' would be made for {} at {} as well; give each a name of its own", name,
                      entry->second.label, to_string(entry->second.position)));
  }

  // The CA that a user gave for making certificates. Beside a server certificate that is given too, it is needed for
  // generated links only, which is no reason not to run: its certificate alone does no harm then, and all else is
  // warned of.
  template <class T>
  void check_authority_of(const T& resource, const std::string& field, const std::string& issuer, bool needed) {
    if (issuer.empty()) return;
    const auto authority = credentials_.find_issuer(issuer);
    if (authority && !*authority) return;
    const std::string problem = authority ? problem_of_authority(**authority, needed) : authority.error().message;
    if (problem.empty() || !reported_issuers_.insert({issuer, needed}).second) return;
    if (needed) {
      error(resource, field, problem);
    } else {
      diagnostics_.warning(resource.source.of(field), fmt::format("{}: {}: {}", label(resource), field, problem));
    }
  }

  static std::string problem_of_authority(const NamedBundle& bundle, bool needed) {
    const PemBundle& pem = bundle.pem;
    if (pem.cert.empty() || pem.key.empty()) {
      if (!needed) return {};
      return fmt::format("{} has no {}; to sign certificates both are needed", bundle.origin,
                         pem.cert.empty() ? "tls.crt" : "tls.key");
    }
    const auto usable = check_authority({pem.cert, pem.key});
    return usable ? std::string() : fmt::format("{}: {}", bundle.origin, usable.error().message);
  }

  void check_grant(const AccessGrant& grant) {
    constexpr std::size_t kGoodCode = 16;
    if (!grant.code.empty() && grant.code.size() < kGoodCode) {
      diagnostics_.warning(
          grant.source.of("spec.code"),
          fmt::format("{}: spec.code has less than {} characters, which can be guessed; leave it out to "
                      "have a good one made",
                      label(grant), kGoodCode));
    }
    const Site* site = resources_.site();
    if (site == nullptr || !resources_.router_accesses.empty() || !diagnostics_.complete()) return;
    diagnostics_.error(
        grant.source.position,
        fmt::format("{}: {} accepts no links{}", label(grant), label(*site),
                    site->edge ? ", because it is an edge site: make the grant at the site that is to be dialled"
                               : "; set spec.linkAccess to default, or add a RouterAccess"));
  }

  void check_token(const AccessToken& token) {
    const auto clashes = [&](const Link& link) {
      return link.of_token.empty() && link.metadata.name == token.metadata.name;
    };
    const auto found = std::ranges::find_if(resources_.links, clashes);
    if (found == resources_.links.end()) return;
    error(token, "metadata.name",
          fmt::format(
              "the link that it is redeemed for gets the token's name, and there is a {} at {}; rename one of them",
              label(*found), to_string(found->source.position)));
  }

  template <class T>
  void claim_path(const T& listener) {
    const auto [entry, inserted] =
        paths_.try_emplace(listener.host, Claim{label(listener), listener.source.of("spec.host")});
    if (inserted) return;
    error(listener, "spec.host",
          fmt::format("{} is already taken by {} at {}", listener.host, entry->second.label,
                      to_string(entry->second.position)));
  }

  template <class T>
  void claim_port(const T& resource, const std::string& field, const std::string& host, std::uint16_t port) {
    if (port == 0) return;
    const PortClaims::Claim* first = ports_.take(port, {host, label(resource), resource.source.of(field)});
    if (first == nullptr) return;
    const std::string there =
        first->host == host ? "" : fmt::format(", which listens on {},", describe_bind_host(first->host));
    error(resource, field,
          fmt::format("port {} on {} is already taken by {}{} at {}{}", port, describe_bind_host(host), first->owner,
                      there, to_string(first->position), about_implied({label(resource), first->owner})));
  }

  // Where one of the two was never written, how to write it.
  std::string about_implied(std::initializer_list<std::string> owners) const {
    for (const RouterAccess& access : resources_.router_accesses) {
      if (!access.implied || std::ranges::find(owners, label(access)) == owners.end()) continue;
      return fmt::format(
          "; linkAccess of {} implies {}: to give it other ports, write it as {}, or set linkAccess to none",
          label(*resources_.site()), label(access), written_on_one_line(access));
    }
    return {};
  }

  const Resources& resources_;
  const CredentialSource& credentials_;
  const ValidationOptions& options_;
  Diagnostics& diagnostics_;
  std::map<std::string, Claim> names_;
  std::map<std::string, Claim> made_bundles_;
  std::set<std::pair<std::string, bool>> reported_issuers_;  // a CA of several is said to be broken once
  PortClaims ports_;
  std::map<std::string, Claim> paths_;  // of Unix sockets
  std::optional<Claim> first_namespace_;
};

}  // namespace

void validate(const Resources& resources, const CredentialSource& credentials, const ValidationOptions& options,
              Diagnostics& diagnostics) {
  Validator(resources, credentials, options, diagnostics).run();
}

}  // namespace fairlead
