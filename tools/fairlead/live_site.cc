#include "tools/fairlead/live_site.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "router/site/apply_changes.h"
#include "router/site/config_changes.h"
#include "router/site/credentials_store.h"
#include "transport/base/log.h"

namespace fairlead {

namespace {

bool same(const AccessGrant& a, const AccessGrant& b) {
  return a.redemptions_allowed == b.redemptions_allowed && a.expiration_window == b.expiration_window &&
         a.code == b.code && a.issuer == b.issuer;
}

bool same(const AccessToken& a, const AccessToken& b) {
  return a.url == b.url && a.code == b.code && a.ca == b.ca && a.link_cost == b.link_cost;
}

// Of kinds that are no part of a gateway's configuration.
template <class T>
void compare(const std::vector<T>& before, const std::vector<T>& after, std::vector<std::string>& lines) {
  const auto find = [](const std::vector<T>& list, const T& wanted) {
    return std::ranges::find_if(list, [&](const T& other) { return other.metadata.name == wanted.metadata.name; });
  };
  for (const T& item : before) {
    if (find(after, item) == after.end()) lines.push_back(label(item) + ": removed");
  }
  for (const T& item : after) {
    const auto known = find(before, item);
    if (known == before.end()) {
      lines.push_back(label(item) + ": added");
    } else if (!same(*known, item)) {
      lines.push_back(label(item) + ": changed");
    }
  }
}

}  // namespace

LiveSite::LiveSite(Gateway& gateway, const NamespacePaths& paths, std::unique_ptr<LoadedSite> site,
                   GatewayConfig config, std::unique_ptr<MetricsServer> metrics)
    : gateway_(gateway),
      paths_(paths),
      site_(std::move(site)),
      config_(std::move(config)),
      metrics_(std::move(metrics)),
      credentials_(gateway, paths) {
  for (const Diagnostic& diagnostic : site_->diagnostics.items())
    warned_.insert(without_severity(diagnostic));
}

Reload LiveSite::reload() {
  Reload reload;
  change(reload);
  for (const std::string& line : reload.warnings) {
    if (!warned_.contains(line)) log_warning("{}", line);
  }
  warned_ = {reload.warnings.begin(), reload.warnings.end()};
  for (const std::string& line : reload.errors)
    log_error("{}", line);
  for (const std::string& line : reload.changes)
    log_info("{}", line);
  const CredentialsRefresh refreshed = credentials_.refresh(site_->resources, config_);
  std::ranges::copy(refreshed.changes, std::back_inserter(reload.changes));
  reload.refused_bundles = refreshed.refused;
  return reload;
}

void LiveSite::change(Reload& reload) {
  auto fresh = load_namespace(paths_);
  for (const Diagnostic& diagnostic : fresh->diagnostics.items()) {
    const bool error = diagnostic.severity == Severity::kError;
    (error ? reload.errors : reload.warnings).push_back(without_severity(diagnostic));
  }
  if (reload.refused()) return;
  const CredentialSource source(fresh->resources, paths_.input_certs(), paths_.input_issuers());
  CredentialsStore store(paths_, source);
  auto config = make_gateway_config(fresh->resources, store, &config_);
  if (!config) return reload.errors.push_back(config.error().message);
  if (config->edge != config_.edge) {
    return reload.errors.push_back(
        fmt::format("{}: spec.edge was {} when the gateway started, and changes only with the next start",
                    label(*fresh->resources.site()), config_.edge));
  }
  const ConfigChanges changes = compare(config_, *config);
  auto applied = changes.metrics ? serve_metrics(config->metrics) : Result<void>();
  if (applied) applied = apply_changes(changes, *config, gateway_);
  if (!applied) {
    reload.errors.push_back(applied.error().message);
    if (changes.metrics) static_cast<void>(serve_metrics(config_.metrics));
    return;
  }
  reload.changes = describe(changes);
  compare(site_->resources.access_grants, fresh->resources.access_grants, reload.changes);
  compare(site_->resources.access_tokens, fresh->resources.access_tokens, reload.changes);
  // What only a start changes is as it was.
  config->site_name = config_.site_name;
  config_ = std::move(*config);
  site_ = std::move(fresh);
}

// At first the old port is closed: the new one may be the same at another address.
Result<void> LiveSite::serve_metrics(const std::optional<HostPort>& address) {
  metrics_.reset();
  if (!address) return {};
  auto opened = MetricsServer::open(*address);
  if (!opened) return std::unexpected(opened.error());
  metrics_ = std::move(*opened);
  return {};
}

bool LiveSite::check_credentials(std::int64_t now_unix_s) {
  const CredentialsRefresh refreshed = credentials_.refresh(site_->resources, config_);
  credentials_.warn_of_expiry(now_unix_s, config_.certificate_warning);
  return !refreshed.changes.empty();
}

}  // namespace fairlead
