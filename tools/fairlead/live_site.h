// LiveSite: the configuration that a running gateway has, and what becomes of it when the input changes: a valid change
// is put into effect as a whole, and touches only what differs; any other changes nothing, and is reported. Bundles of
// certificates are looked after each on its own (LiveCredentials).
//
// Main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "router/gateway.h"
#include "router/site/gateway_config.h"
#include "router/site/paths.h"
#include "router/site/site_loader.h"
#include "tools/fairlead/live_credentials.h"
#include "tools/fairlead/metrics_server.h"

namespace fairlead {

// What came of reading the input anew. All lines are for a user.
struct Reload {
  std::vector<std::string> changes;  // in effect
  std::vector<std::string> warnings;
  std::vector<std::string> errors;           // then of the resources nothing has changed
  std::vector<std::string> refused_bundles;  // of certificates: why
  // If nothing was left to change, because the files are watched: what did last, and how long ago.
  std::vector<std::string> earlier_changes;
  std::int64_t earlier_age_s = 0;

  bool refused() const noexcept { return !errors.empty(); }
};

class LiveSite {
 public:
  // Of a gateway that runs with `config`, which follows from `site`, whose warnings are logged. `metrics` is null where
  // none are served.
  LiveSite(Gateway& gateway, const NamespacePaths& paths, std::unique_ptr<LoadedSite> site, GatewayConfig config,
           std::unique_ptr<MetricsServer> metrics);

  // As the gateway has it.
  const Resources& resources() const noexcept { return site_->resources; }

  const GatewayConfig& config() const noexcept { return config_; }

  // May be null.
  MetricsServer* metrics() const noexcept { return metrics_.get(); }

  Reload reload();

  // Puts new certificates to use, renews those of the gateway's own, and says which expire soon. Whether any changed.
  bool check_credentials(std::int64_t now_unix_s);

 private:
  void change(Reload& reload);
  Result<void> serve_metrics(const std::optional<HostPort>& address);

  Gateway& gateway_;
  const NamespacePaths& paths_;
  std::unique_ptr<LoadedSite> site_;
  GatewayConfig config_;
  std::unique_ptr<MetricsServer> metrics_;
  LiveCredentials credentials_;
  std::set<std::string> warned_;  // of the input that was read last: logged
};

}  // namespace fairlead
