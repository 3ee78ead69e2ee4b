// StatusWriter: keeps runtime/resources/<Kind>-<name>.yaml and runtime/status.json true. Writes only what changed.
// Owned and used by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <nlohmann/json_fwd.hpp>
#include <sys/types.h>

#include "router/network_view.h"
#include "router/site/conditions.h"
#include "router/site/paths.h"
#include "router/site/resources.h"
#include "router/site/token_states.h"
#include "transport/base/error.h"
#include "transport/config.h"

namespace fairlead {

class StatusWriter {
 public:
  // Both must outlive the writer, or its next set_resources().
  StatusWriter(const Resources& resources, const NamespacePaths& paths);
  ~StatusWriter();

  // Those in use from now on. What is gone loses its file with the next write.
  void set_resources(const Resources& resources) noexcept { resources_ = &resources; }

  // Of its grants and tokens; null: not known.
  void set_tokens(const TokenStates* tokens) noexcept { tokens_ = tokens; }

  // Why the newest input is not in use; empty: it is.
  void set_input_refused(std::string why) { input_refused_ = std::move(why); }

  // Finds what an earlier run left: the first write replaces it, or removes what is gone. (To remove thousands of files
  // before can take seconds.)
  Result<void> open();
  Result<void> write(const GatewayStatus& gateway, std::int64_t now_unix_s, const NetworkView* network = nullptr);
  // What write() would put into runtime/status.json.
  nlohmann::ordered_json snapshot(const GatewayStatus& gateway, std::int64_t now_unix_s, const NetworkView* network);
  // The gateway ends in order: says so in every document, and removes the snapshot.
  Result<void> close(std::int64_t now_unix_s);

 private:
  Result<void> write_document(const nlohmann::ordered_json& document, mode_t mode, std::set<std::string>& present);
  Result<void> write_all(const GatewayStatus* gateway, std::int64_t now_unix_s, const NetworkView* network);

  const Resources* resources_;
  const TokenStates* tokens_ = nullptr;
  std::string input_refused_;
  const NamespacePaths& paths_;
  TransitionTimes times_;
  std::map<std::string, nlohmann::ordered_json> written_;  // by file name
};

}  // namespace fairlead
