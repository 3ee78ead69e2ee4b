// StatusWriter: keeps runtime/resources/<Kind>-<name>.yaml and runtime/status.json true. Writes only what changed.
// Owned and used by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "router/network_view.h"
#include "router/site/conditions.h"
#include "router/site/paths.h"
#include "router/site/resources.h"
#include "transport/base/error.h"
#include "transport/config.h"

namespace fairlead {

class StatusWriter {
 public:
  // Both must outlive the writer.
  StatusWriter(const Resources& resources, const NamespacePaths& paths);

  // Removes what an earlier run left.
  Result<void> open();
  Result<void> write(const GatewayStatus& gateway, std::int64_t now_unix_s, const NetworkView* network = nullptr);
  // The gateway ends in order: says so in every document, and removes the snapshot.
  Result<void> close(std::int64_t now_unix_s);

 private:
  Result<void> write_all(const GatewayStatus* gateway, std::int64_t now_unix_s, const NetworkView* network);

  const Resources& resources_;
  const NamespacePaths& paths_;
  TransitionTimes times_;
  std::map<std::string, std::string> written_;  // file name to contents
};

}  // namespace fairlead
