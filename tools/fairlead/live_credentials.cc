#include "tools/fairlead/live_credentials.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "router/site/credentials_store.h"
#include "transport/base/log.h"
#include "transport/tls/credentials.h"

namespace fairlead {
namespace {

constexpr std::int64_t kDayS = 24LL * 3600;

template <class Config>
std::shared_ptr<const Credentials>* find_in(std::vector<Config>& list, const std::string& name) {
  const auto at = std::ranges::find(list, name, &Config::name);
  return at == list.end() ? nullptr : &at->credentials;
}

std::shared_ptr<const Credentials>* find_in_use(GatewayConfig& config, const NamedCredentials& named) {
  return named.of_access ? find_in(config.accesses, named.name) : find_in(config.links, named.name);
}

}  // namespace

CredentialsRefresh LiveCredentials::refresh(const Resources& resources, GatewayConfig& config) {
  const CredentialSource source(resources, paths_.input_certs(), paths_.input_issuers());
  CredentialsStore store(paths_, source);
  CredentialsRefresh result;
  std::map<std::pair<bool, std::string>, std::string> refused_before = std::exchange(refused_, {});
  for (NamedCredentials& named : load_all_credentials(resources, store)) {
    std::shared_ptr<const Credentials>* const in_use = find_in_use(config, named);
    if (in_use == nullptr) continue;
    const std::pair key{named.of_access, named.name};
    if (!named.credentials) {
      const std::string& why = refused_[key] = named.credentials.error().message;
      result.refused.push_back(why + "; the credentials in use stay");
      if (refused_before[key] == why) continue;
      log_error("{}", result.refused.back());
      gateway_.note_refused_credentials(named.name, why);
      continue;
    }
    if (refused_before.contains(key)) gateway_.note_refused_credentials(named.name, {});
    const std::shared_ptr<const Credentials>& credentials = *named.credentials;
    if (credentials->digest() == (*in_use)->digest()) continue;
    const auto set = named.of_access ? gateway_.set_access_credentials(named.name, credentials)
                                     : gateway_.set_link_credentials(named.name, credentials);
    if (!set) {
      result.refused.push_back(set.error().message);
      log_error("{}", result.refused.back());
      continue;
    }
    *in_use = credentials;
    result.changes.push_back(fmt::format(
        "{}: new credentials are in use{}", named.name,
        credentials->has_certificate() ? fmt::format(": certificate {} until {}", credentials->certificate().subject,
                                                     format_date(credentials->certificate().not_after_unix_s))
                                       : std::string()));
    log_info("{}", result.changes.back());
  }
  return result;
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
