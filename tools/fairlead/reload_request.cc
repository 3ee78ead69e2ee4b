#include "tools/fairlead/reload_request.h"

#include "tools/fairlead/admin_client.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

// A thousand listeners, or a port that changes hands, take a while.
constexpr int kTimeoutMs = 60'000;

}  // namespace

Result<Json> request_reload(const NamespacePaths& paths) {
  return ask_gateway(paths.admin_socket(), {"POST", "/v1/reload"}, kTimeoutMs);
}

}  // namespace fairlead
