// A command's end of the admin API (admin_api.h).
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "transport/base/error.h"

namespace fairlead {

struct AdminRequest {
  std::string method;
  std::string path;
  nlohmann::ordered_json body{};  // null: none
};

// Asks the running gateway for one answer. Fails if there is no gateway, it says nothing for `timeout_ms`, or its
// answer is an error, whose text is then the error's.
Result<nlohmann::ordered_json> ask_gateway(const std::filesystem::path& path, const AdminRequest& request,
                                           int timeout_ms);

// The same where the answer comes in lines: hands over each as it comes. A line {"error"} is the error, and what comes
// without {"done"} at its end is not whole.
Result<void> ask_gateway(const std::filesystem::path& path, const AdminRequest& request, int timeout_ms,
                         const std::function<void(const nlohmann::ordered_json&)>& on_line);

}  // namespace fairlead
