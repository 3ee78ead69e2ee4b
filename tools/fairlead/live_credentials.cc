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

// `config` has them already.
Result<void> set_credentials(Gateway& gateway, const GatewayConfig& config, const NamedCredentials& named) {
  switch (named.user) {
    case CredentialsUser::kAccess:
      return gateway.set_access_credentials(named.name, *named.credentials);
    case CredentialsUser::kLink:
      return gateway.set_link_credentials(named.name, *named.credentials);
    case CredentialsUser::kListener:
      return gateway.set_listener(*std::ranges::find(config.listeners, named.name, &ListenerConfig::name));
    case CredentialsUser::kConnector:
      return gateway.set_connector(*std::ranges::find(config.connectors, named.name, &ConnectorConfig::name));
  }
  return {};
}

}  // namespace

CredentialsRefresh LiveCredentials::refresh(const Resources& resources, GatewayConfig& config) {
  const CredentialSource source(resources, paths_.input_certs(), paths_.input_issuers());
  CredentialsStore store(paths_, source);
  CredentialsRefresh result;
  std::map<std::pair<CredentialsUser, std::string>, std::string> refused_before = std::exchange(refused_, {});
  for (NamedCredentials& named : load_all_credentials(resources, store)) {
    std::shared_ptr<const Credentials>* const in_use = find_credentials(config, named.user, named.name);
    if (in_use == nullptr) continue;
    const std::pair key{named.user, named.name};
    if (!named.credentials) {
      const std::string& why = refused_[key] = named.credentials.error().message;
      result.refused.push_back(why + "; the credentials in use stay");
      if (refused_before[key] == why) continue;
      log_error("{}", result.refused.back());
      gateway_.note_refused_credentials(named.user, named.name, why);
      continue;
    }
    if (refused_before.contains(key)) gateway_.note_refused_credentials(named.user, named.name, {});
    const std::shared_ptr<const Credentials>& credentials = *named.credentials;
    if (credentials->digest() == (*in_use)->digest()) continue;
    const auto before = std::exchange(*in_use, credentials);
    if (const auto set = set_credentials(gateway_, config, named); !set) {
      *in_use = before;
      result.refused.push_back(set.error().message);
      log_error("{}", result.refused.back());
      continue;
    }
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
  for (const ListenerStatus& listener : status->listeners)
    check("listener " + listener.name, listener.credentials);
  for (const ConnectorStatus& connector : status->connectors)
    check("connector " + connector.name, connector.credentials);
}

void LiveCredentials::warn(const std::string& what, std::int64_t expires_unix_s, std::int64_t now_unix_s,
                           Duration within) {
  if (expires_unix_s == 0 || expires_unix_s - now_unix_s > within.milliseconds() / 1000) return;
  std::int64_t& warned = warned_unix_s_[what];
  if (warned != 0 && now_unix_s - warned < kDayS) return;
  warned = now_unix_s;
  if (expires_unix_s <= now_unix_s) {
    log_warning("{} expired on {}; what is connected goes on, and no new connection will be made", what,
                format_date(expires_unix_s));
  } else {
    log_warning("{} expires in {} days, on {}", what, (expires_unix_s - now_unix_s) / kDayS,
                format_date(expires_unix_s));
  }
}

}  // namespace fairlead
