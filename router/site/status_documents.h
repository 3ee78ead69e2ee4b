// Status as documents: each resource with what the gateway says about it, in the shape that `status` commands print and
// runtime/resources/ holds. Built from one snapshot; Secrets and the codes
// of tokens never appear, those of grants in their own documents only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "router/network_view.h"
#include "router/site/conditions.h"
#include "router/site/resources.h"
#include "router/site/token_states.h"
#include "transport/config.h"

namespace fairlead {

struct StatusInput {
  const Resources& resources;
  std::string namespace_name;
  const GatewayStatus* gateway = nullptr;  // null: the gateway does not run
  std::int64_t now_unix_s = 0;
  const NetworkView* network = nullptr;
  const TokenStates* tokens = nullptr;
  std::string input_refused{};  // why the newest input is not in use; empty: it is
};

struct StatusDocuments {
  StatusDocuments();
  StatusDocuments(StatusDocuments&&) noexcept;
  StatusDocuments& operator=(StatusDocuments&&) noexcept;
  ~StatusDocuments();

  std::vector<nlohmann::ordered_json> resources;  // objects of the kinds that the user wrote (or that are implied)
  std::vector<nlohmann::ordered_json> grants;     // objects of kind AccessGrant, which hold codes: not for everybody
  std::vector<nlohmann::ordered_json> incoming_links;  // objects of kind IncomingLink, which no file describes
};

// "up".
std::string_view name_of(LinkPhase state);

StatusDocuments make_status_documents(const StatusInput& input, TransitionTimes& times);

// All of it in one object, without codes: what runtime/status.json holds.
nlohmann::ordered_json make_status_snapshot(const StatusInput& input, const StatusDocuments& documents);

}  // namespace fairlead
