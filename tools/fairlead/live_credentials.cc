#include "tools/fairlead/live_credentials.h"

#include <utility>

#include <fmt/format.h>

#include "router/site/credentials_store.h"
#include "transport/base/log.h"
#include "transport/tls/credentials.h"

namespace fairlead {
namespace {

constexpr std::int64_t kDayS = 24LL * 3600;

}  // namespace

LiveCredentials::LiveCredentials(Gateway& gateway, const NamespacePaths& paths, const GatewayConfig& config)
    : gateway_(gateway), paths_(paths) {
  for (const AccessConfig& access : config.accesses)
    in_use_[{true, access.name}] = {access.credentials->digest(), {}};
  for (const LinkConfig& link : config.links)
    in_use_[{false, link.name}] = {link.credentials->digest(), {}};
}

unsigned LiveCredentials::refresh(const Resources& resources) {
  const CredentialSource source(resources, paths_.input_certs(), paths_.input_issuers());
  CredentialsStore store(paths_, source);
  unsigned changed = 0;
  for (NamedCredentials& named : load_all_credentials(resources, store)) {
    const auto at = in_use_.find({named.of_access, named.name});
    if (at == in_use_.end()) continue;
    InUse& in_use = at->second;
    if (!named.credentials) {
      const std::string& why = named.credentials.error().message;
      if (std::exchange(in_use.refused, why) == why) continue;
      log_error("{}; the credentials in use stay", why);
      gateway_.note_refused_credentials(named.name, why);
      continue;
    }
    if (!std::exchange(in_use.refused, {}).empty()) gateway_.note_refused_credentials(named.name, {});
    const std::shared_ptr<const Credentials>& credentials = *named.credentials;
    if (credentials->digest() == in_use.digest) continue;
    const auto set = named.of_access ? gateway_.set_access_credentials(named.name, credentials)
                                     : gateway_.set_link_credentials(named.name, credentials);
    if (!set) {
      log_error("{}", set.error().message);
      continue;
    }
    in_use.digest = credentials->digest();
    ++changed;
    log_info("{}: new credentials are in use{}", named.name,
             credentials->has_certificate()
                 ? fmt::format(": certificate {} until {}", credentials->certificate().subject,
                               format_date(credentials->certificate().not_after_unix_s))
                 : std::string());
  }
  return changed;
}

void LiveCredentials::warn_of_expiry(std::int64_t now_unix_s, Duration within) {
  const auto status = gateway_.status();
  const auto check = [&](const std::string& owner, const CredentialsStatus& credentials) {
    warn(fmt::format("{}: its certificate {}", owner, credentials.subject), credentials.expires_unix_s, now_unix_s,
         within);
    warn(fmt::format("{}: the CA that it trusts", owner), credentials.ca_expires_unix_s, now_unix_s, within);
  };
  for (const LinkStatus& link : status->links) {
    if (!link.incoming) check("link " + link.name, link.credentials);
  }
  for (const AccessStatus& access : status->accesses)
    check("router access " + access.name, access.credentials);
}

void LiveCredentials::warn(const std::string& what, std::int64_t expires_unix_s, std::int64_t now_unix_s,
                           Duration within) {
  if (expires_unix_s == 0 || expires_unix_s - now_unix_s > within.milliseconds() / 1000) return;
  std::int64_t& warned = warned_unix_s_[what];
  if (warned != 0 && now_unix_s - warned < kDayS) return;
  warned = now_unix_s;
  if (expires_unix_s <= now_unix_s) {
    log_warning("{} expired on {}; links that are up go on, and no new connection will be made", what,
                format_date(expires_unix_s));
  } else {
    log_warning("{} expires in {} days, on {}", what, (expires_unix_s - now_unix_s) / kDayS,
                format_date(expires_unix_s));
  }
}

}  // namespace fairlead
