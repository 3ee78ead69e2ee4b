// Asking the running gateway to read its input now.
#pragma once

#include <nlohmann/json.hpp>

#include "router/site/paths.h"
#include "transport/base/error.h"

namespace fairlead {

// What came of it: an object with "changes", "warnings", "errors" and so on, see admin_api.h. Fails if the gateway
// does not answer.
Result<nlohmann::ordered_json> request_reload(const NamespacePaths& paths);

}  // namespace fairlead
