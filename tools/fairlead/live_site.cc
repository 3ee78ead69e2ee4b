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
    return reload.errors.push_back(fmt::format(
        "{}: spec.edge was {} when the gateway started, and changes only with the next start",
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
