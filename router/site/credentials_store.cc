#include "router/site/credentials_store.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "router/site/files.h"
#include "router/site/local_names.h"
#include "router/site/uuid.h"
#include "transport/base/log.h"

namespace fairlead {

namespace {

constexpr std::int32_t kCertificateDays = 5 * 365;        // as long as Skupper's
constexpr std::int64_t kRenewBeforeS = 30LL * 24 * 3600;  // a gateway may run for weeks with what it read at its start

Result<Fd> lock_credentials(const NamespacePaths& paths) {
  if (auto made = make_directory(paths.runtime(), kPublicDirectoryMode); !made) return std::unexpected(made.error());
  return wait_for_lock(paths.runtime() / "credentials.lock");
}

// The key first: a crash between the two leaves no certificate, and then both are made anew.
Result<void> write_bundle(const std::filesystem::path& directory, const PemBundle& bundle) {
  if (auto made = make_directory(directory, kPrivateDirectoryMode); !made) return made;
  for (const auto& [file, text, mode] : {std::tuple{"tls.key", &bundle.key, kPrivateFileMode},
                                         {"ca.crt", &bundle.ca, kPublicFileMode},
                                         {"tls.crt", &bundle.cert, kPublicFileMode}}) {
    if (auto written = write_file(directory / file, *text, mode, Durability::kSync); !written) return written;
  }
  return {};
}

// Why the certificate must be made anew; empty if it is still good.
std::string reason_to_renew(const PemBundle& bundle, const std::string& ca, const std::vector<std::string>& names) {
  const auto loaded = Credentials::load(bundle);
  if (!loaded) return loaded.error().message;
  if (bundle.ca != ca) return "the CA is another one";
  const CertificateInfo& certificate = (*loaded)->certificate();
  if (certificate.not_after_unix_s < std::time(nullptr) + kRenewBeforeS) {
    return fmt::format("it expires on {}", format_date(certificate.not_after_unix_s));
  }
  const auto missing =
      std::ranges::find_if_not(names, [&](const std::string& name) { return is_valid_for_host(certificate, name); });
  return missing == names.end() ? "" : fmt::format("it does not name {}", *missing);
}

// What is wrong with a CA is said here, where it is known which one it is.
Result<CertificateAuthority> checked(CertificateAuthority authority, const std::string& origin) {
  if (const auto usable = check_authority(authority); !usable) {
    return fail(usable.error().code, fmt::format("{}: {}", origin, usable.error().message));
  }
  return authority;
}

}  // namespace

CredentialsStore::CredentialsStore(const NamespacePaths& paths, const CredentialSource& source)
    : paths_(paths), source_(source) {}

Result<std::string> CredentialsStore::site_id() {
  const auto lock = lock_credentials(paths_);
  if (!lock) return std::unexpected(lock.error());
  constexpr std::size_t kIdFileBytesMax = 128;
  auto text = read_file(paths_.site_id(), kIdFileBytesMax);
  if (text) {
    while (!text->empty() && (text->back() == '\n' || text->back() == ' '))
      text->pop_back();
    if (is_uuid(*text)) return text;
    return fail(ErrorCode::kInvalid, fmt::format("{} does not hold a UUID; remove it to give the site a new identity",
                                                 paths_.site_id().string()));
  }
  if (text.error().code != ErrorCode::kNotFound) return text;
  auto id = make_uuid();
  if (!id) return id;
  if (auto written = write_file(paths_.site_id(), *id + "\n", kPublicFileMode, Durability::kSync); !written) {
    return std::unexpected(written.error());
  }
  return id;
}

Result<CertificateAuthority> CredentialsStore::authority(const std::string& name) {
  const auto lock = lock_credentials(paths_);
  if (!lock) return std::unexpected(lock.error());
  return authority_locked(name);
}

Result<CertificateAuthority> CredentialsStore::authority_locked(const std::string& name) {
  const auto given = source_.find_issuer(name);
  if (!given) return std::unexpected(given.error());
  if (*given) return checked({(*given)->pem.cert, (*given)->pem.key}, (*given)->origin);

  const std::filesystem::path directory = paths_.runtime_issuers() / name;
  const auto kept = read_bundle(directory);
  if (!kept) return std::unexpected(kept.error());
  if (*kept && !(*kept)->cert.empty()) {
    if ((*kept)->key.empty()) {
      return fail(ErrorCode::kCredentials,
                  fmt::format("{0} has tls.crt but no tls.key; put the key back, or remove {0} to make a new CA (links "
                              "made with the old one must then be generated again)",
                              directory.string()));
    }
    return checked({(*kept)->cert, (*kept)->key}, directory.string());
  }

  // Each site's CA has a name of its own, so that a message about an unknown CA tells which one it was.
  const auto id = make_uuid();
  if (!id) return std::unexpected(id.error());
  auto made = make_ca({.common_name = fmt::format("{} {}", name, id->substr(0, 8))});
  if (!made) return made;
  if (auto ready = make_directory(paths_.runtime_issuers(), kPrivateDirectoryMode); !ready) {
    return std::unexpected(ready.error());
  }
  if (auto written = write_bundle(directory, {made->cert, made->cert, made->key}); !written) {
    return std::unexpected(written.error());
  }
  log_info("made the CA {} in {}", name, directory.string());
  return made;
}

Result<PemBundle> CredentialsStore::server_bundle(const RouterAccess& access, const std::string& default_issuer,
                                                  Renewal renewal) {
  const std::string& name = access.credentials_name();
  const auto given = source_.find(name);
  if (!given) return std::unexpected(given.error());
  if (*given) return (*given)->pem;
  if (!access.may_generate_credentials()) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: there are no credentials '{}', and none may be made", label(access), name));
  }

  return made_bundle(name, access.issuer.empty() ? default_issuer : access.issuer, alternative_names(access), renewal);
}

Result<PemBundle> CredentialsStore::listener_bundle(const std::string& name, const std::string& bind_host) {
  const auto given = source_.find(name);
  if (!given) return std::unexpected(given.error());
  if (*given) return (*given)->pem;
  RouterAccess like;
  like.bind_host = bind_host;
  return made_bundle(name, std::string(kServiceCaName), alternative_names(like), Renewal::kAsNeeded);
}

Result<PemBundle> CredentialsStore::made_bundle(const std::string& name, const std::string& issuer,
                                                const std::vector<std::string>& names, Renewal renewal) {
  const auto lock = lock_credentials(paths_);
  if (!lock) return std::unexpected(lock.error());
  const auto ca = authority_locked(issuer);
  if (!ca) return std::unexpected(ca.error());

  const std::filesystem::path directory = paths_.runtime_certs() / name;
  const auto kept = read_bundle(directory);
  if (!kept) return std::unexpected(kept.error());
  if (*kept && !(*kept)->cert.empty()) {
    if (renewal == Renewal::kKeep) return **kept;
    const std::string reason = reason_to_renew(**kept, ca->cert, names);
    if (reason.empty()) return **kept;
    log_info("the server certificate {} is made anew: {}", name, reason);
  }

  auto made = make_certificate(*ca, {.common_name = names.front(), .hosts = names, .validity_days = kCertificateDays});
  if (!made) return made;
  if (auto ready = make_directory(paths_.runtime_certs(), kPrivateDirectoryMode); !ready) {
    return std::unexpected(ready.error());
  }
  if (auto written = write_bundle(directory, *made); !written) return std::unexpected(written.error());
  return made;
}

Result<PemBundle> CredentialsStore::given_bundle(const std::string& owner, const std::string& name) {
  auto given = source_.find(name);
  if (!given) return std::unexpected(given.error());
  if (!*given) return fail(ErrorCode::kNotFound, fmt::format("{}: there are no credentials '{}'", owner, name));
  return std::move((*given)->pem);
}

Result<PemBundle> CredentialsStore::link_bundle(const Link& link) {
  auto bundle = given_bundle(label(link), link.tls_credentials);
  if (bundle && link.no_client_auth) *bundle = without_certificate(*bundle);
  return bundle;
}

Result<PemBundle> CredentialsStore::connector_bundle(const Connector& connector) {
  auto bundle = given_bundle(label(connector), connector.tls_credentials);
  if (bundle && !connector.use_client_cert) *bundle = without_certificate(*bundle);
  return bundle;
}

}  // namespace fairlead
