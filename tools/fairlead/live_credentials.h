// LiveCredentials: keeps a running gateway's certificates up to date: new files and Secrets are put to use as they
// come, those that the gateway makes itself are renewed in time, ones that are of no use are refused with a reason
// while the old ones stay, and what expires soon is said.
//
// Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "router/gateway.h"
#include "router/site/gateway_config.h"
#include "router/site/paths.h"
#include "router/site/resources.h"
#include "transport/base/time.h"

namespace fairlead {

// What came of reading all bundles anew. Lines for a user.
struct CredentialsRefresh {
  std::vector<std::string> changes;
  std::vector<std::string> refused;  // those in use stay
};

class LiveCredentials {
 public:
  LiveCredentials(Gateway& gateway, const NamespacePaths& paths) : gateway_(gateway), paths_(paths) {}

  // Reads all bundles that `resources` name, and applies those that differ from what the gateway has by `config`, and
  // notes them there. Logs what changes, and what is refused for a new reason.
  CredentialsRefresh refresh(const Resources& resources, GatewayConfig& config);

  // Says, once a day for each, which certificates expire within `within`.
  void warn_of_expiry(std::int64_t now_unix_s, Duration within);

 private:
  void warn(const std::string& what, std::int64_t expires_unix_s, std::int64_t now_unix_s, Duration within);

  Gateway& gateway_;
  const NamespacePaths& paths_;
  std::map<std::pair<CredentialsUser, std::string>, std::string> refused_;  // why
  std::map<std::string, std::int64_t> warned_unix_s_;
};

}  // namespace fairlead
