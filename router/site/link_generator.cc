#include "router/site/link_generator.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/access_writer.h"
#include "router/site/link_writer.h"
#include "router/site/local_names.h"
#include "router/site/names.h"
#include "router/site/uuid.h"
#include "router/site/yaml_writer.h"

namespace fairlead {

namespace {

constexpr std::int32_t kClientCertificateDays = 5 * 365;

using Json = nlohmann::ordered_json;

// A way into this site: the RouterAccess, what it presents, and the host to dial.
struct Entrance {
  const RouterAccess* access;
  PemBundle bundle;
  std::string host;
};

bool is_wildcard(const std::string& name) {
  return name.starts_with('*') || is_any_address(name);
}

// The first name that can be dialled.
std::string first_name(const RouterAccess& access, const CertificateInfo& certificate) {
  for (const std::string& name : alternative_names(access)) {
    if (!is_wildcard(name) && is_valid_for_host(certificate, name)) return name;
  }
  for (const auto* names : {&certificate.ip_addresses, &certificate.dns_names}) {
    for (const std::string& name : *names) {
      if (!is_wildcard(name)) return name;
    }
  }
  return {};
}

// What to do so that a certificate names the host. A list of names replaces those that are found without one, which may
// be dialled: they are in the list that is proposed.
std::string how_to_add(const std::string& host, const Resources& resources) {
  const auto is_written = [](const RouterAccess& access) { return !access.implied; };
  const auto written = std::ranges::find_if(resources.router_accesses, is_written);
  if (written != resources.router_accesses.end() && !written->subject_alternative_names.empty()) {
    return fmt::format("add '{}' to spec.subjectAlternativeNames of {}", host, label(*written));
  }
  const bool implied = written == resources.router_accesses.end();
  RouterAccess access = implied ? resources.router_accesses.front() : *written;
  access.subject_alternative_names = alternative_names(access);
  access.subject_alternative_names.insert(access.subject_alternative_names.begin(), host);
  if (implied) {
    return fmt::format("write down {}, which linkAccess of {} implies, with its names:\n{}", label(access),
                       label(*resources.site()), written_out(access));
  }
  return fmt::format("set spec.subjectAlternativeNames of {} to {}", label(access),
                     Json(access.subject_alternative_names).dump());
}

Result<Entrance> find_entrance(const Resources& resources, CredentialsStore& store, const LinkRequest& request) {
  if (resources.site() == nullptr) return fail(ErrorCode::kInvalid, "there is no Site to make a link to");
  const Site& site = *resources.site();
  if (resources.router_accesses.empty()) {
    return fail(ErrorCode::kInvalid, fmt::format("{} accepts no links; set spec.linkAccess to default, or add a "
                                                 "RouterAccess",
                                                 label(site)));
  }
  std::string refusals;
  for (const RouterAccess& access : resources.router_accesses) {
    auto bundle = store.server_bundle(access, site.default_issuer, request.renewal);
    if (!bundle) return std::unexpected(bundle.error());
    const auto loaded = Credentials::load(*bundle);
    if (!loaded) {
      return fail(loaded.error().code, fmt::format("{}: {}", label(access), loaded.error().message));
    }
    const CertificateInfo& certificate = (*loaded)->certificate();
    std::string host = request.host.empty() ? first_name(access, certificate) : request.host;
    if (!host.empty() && is_valid_for_host(certificate, host)) return Entrance{&access, std::move(*bundle), host};
    refusals += fmt::format("; the certificate of {} names {}", label(access), certificate.names());
  }
  if (request.host.empty()) {
    return fail(ErrorCode::kInvalid,
                fmt::format("no certificate of this site names a host that could be dialled{}; say "
                            "one with --host after adding it to subjectAlternativeNames",
                            refusals));
  }
  return fail(ErrorCode::kInvalid,
              fmt::format("no certificate of this site names '{}'{}; use one of these with --host, or {}", request.host,
                          refusals, how_to_add(request.host, resources)));
}

std::vector<LinkEndpoint> endpoints_of(const Entrance& entrance) {
  std::vector<LinkEndpoint> endpoints;
  for (const RouterAccessRole& role : entrance.access->roles)
    endpoints.push_back({role.name, entrance.host, role.port, {}, {}});
  return endpoints;
}

// The CA that signs for who comes in there: one that the server side trusts, which is also the one that signed the
// server's certificate.
Result<CertificateAuthority> signing_authority(const Resources& resources, CredentialsStore& store,
                                               const Entrance& entrance, const std::string& wanted) {
  const std::string& own = entrance.access->issuer.empty() ? resources.site()->default_issuer : entrance.access->issuer;
  const std::string& issuer = wanted.empty() ? own : wanted;
  auto ca = store.authority(issuer);
  if (!ca) return ca;
  std::string trusted = ca->cert;
  while (!trusted.empty() && trusted.back() == '\n')
    trusted.pop_back();
  if (entrance.bundle.ca.contains(trusted)) return ca;
  return fail(ErrorCode::kCredentials,
              fmt::format("{}: its ca.crt does not hold the CA '{}', so a client certificate made here would be "
                          "refused; put the key of its CA into input/issuers/{}, or make the link's credentials where "
                          "that CA is",
                          label(*entrance.access), issuer, issuer));
}

Result<PemBundle> make_client_bundle(const Resources& resources, CredentialsStore& store, const Entrance& entrance) {
  const auto ca = signing_authority(resources, store, entrance, {});
  if (!ca) return std::unexpected(ca.error());
  // The accepting side shows the subject of its peers: a random one tells the sites that were given links apart.
  const auto id = make_uuid();
  if (!id) return std::unexpected(id.error());
  auto client = make_certificate(*ca, {.common_name = *id, .hosts = {*id}, .validity_days = kClientCertificateDays});
  if (client) client->ca = entrance.bundle.ca;
  return client;
}

Result<PemBundle> certify_client(const CertificateAuthority& ca, const RedemptionRequest& request) {
  const CertificateRequest wanted{
      .common_name = request.subject, .validity_days = kClientCertificateDays, .client_only = true};
  if (request.public_key.empty()) return make_certificate(ca, wanted);
  auto certificate = certify(ca, wanted, request.public_key);
  if (!certificate) return std::unexpected(certificate.error());
  return PemBundle{{}, std::move(*certificate), {}};
}

}  // namespace

Result<std::string> generate_link(const Resources& resources, CredentialsStore& store, const LinkRequest& request) {
  const Site* const site = resources.site();
  const std::string name =
      request.name.empty() && site != nullptr ? fmt::format("link-{}", site->metadata.name) : request.name;
  if (auto problem = check_name(name)) return fail(ErrorCode::kInvalid, fmt::format("the link's name: {}", *problem));
  if (!request.host.empty()) {
    if (auto problem = check_host(request.host)) return fail(ErrorCode::kInvalid, fmt::format("--host: {}", *problem));
  }
  const auto entrance = find_entrance(resources, store, request);
  if (!entrance) return std::unexpected(entrance.error());
  const auto client = make_client_bundle(resources, store, *entrance);
  if (!client) return std::unexpected(client.error());
  return fmt::format(
      "# A link to site {}, for the input/resources of one other site. Holds a private key: keep the file secret "
      "(mode\n"
      "# 0600). A gateway that runs there takes it at once.\n"
      "{}---\n{}",
      site->metadata.name, to_yaml(secret_document(name, *client)),
      to_yaml(link_document(name, name, endpoints_of(*entrance), request.cost)));
}

Result<Entry> find_entry(const Resources& resources, CredentialsStore& store, const std::string& host) {
  auto entrance = find_entrance(resources, store, {.host = host, .renewal = CredentialsStore::Renewal::kKeep});
  if (!entrance) return std::unexpected(entrance.error());
  return Entry{std::move(entrance->host), std::move(entrance->bundle)};
}

Result<std::string> answer_redemption(const Resources& resources, CredentialsStore& store,
                                      const RedemptionRequest& request) {
  const auto entrance =
      find_entrance(resources, store, {.host = request.host, .renewal = CredentialsStore::Renewal::kKeep});
  if (!entrance) return std::unexpected(entrance.error());
  const auto ca = signing_authority(resources, store, *entrance, request.issuer);
  if (!ca) return std::unexpected(ca.error());
  auto client = certify_client(*ca, request);
  if (!client) return std::unexpected(client.error());
  client->ca = entrance->bundle.ca;
  return fmt::format("---\n{}---\n{}", to_yaml(secret_document(request.name, *client)),
                     to_yaml(link_document(request.name, request.name, endpoints_of(*entrance), std::nullopt)));
}

}  // namespace fairlead
