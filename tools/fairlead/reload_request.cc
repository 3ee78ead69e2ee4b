#include "tools/fairlead/reload_request.h"

#include <string>

#include "tools/fairlead/control_socket.h"
#include "tools/fairlead/snapshot.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

// A thousand listeners, or a port that changes hands, take a while.
constexpr int kTimeoutMs = 60'000;

}  // namespace

Result<Json> request_reload(const NamespacePaths& paths) {
  Json reload;
  std::string error = "the gateway ended before it had read its input";
  const auto asked = ask_gateway(paths.control_socket(), {{"command", "reload"}}, kTimeoutMs, [&](const Json& answer) {
    if (answer.contains("reload")) reload = answer["reload"];
    if (answer.contains("done")) error.clear();
    if (answer.contains("error")) error = text_at(answer, "/error");
  });
  if (!asked) return std::unexpected(asked.error());
  if (!error.empty()) return fail(ErrorCode::kSystem, error);
  return reload;
}

}  // namespace fairlead
