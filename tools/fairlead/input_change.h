// How commands change a site: files of input/resources are written or removed, as a whole and only if the input is
// valid afterwards, and a gateway that runs puts them to use before the command goes on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "router/site/paths.h"
#include "router/site/site_loader.h"

namespace fairlead {

// input/resources/<Kind>-<name>.yaml: where commands put a resource.
std::filesystem::path resource_file(const NamespacePaths& paths, std::string_view kind, std::string_view name);

// 0, or the exit code after what is wrong was said on stderr; then nothing is changed. New files can be read by their
// owner only: some hold secrets.
int change_input(const NamespacePaths& paths, const std::vector<InputChange>& changes);

// Waits until the running gateway says of a resource what `done` wants to hear, at most `timeout_s`. The last that it
// said, an object with "status"; null if it knows none.
nlohmann::ordered_json wait_for_resource(const NamespacePaths& paths, std::string_view kind, std::string_view name,
                                         unsigned timeout_s,
                                         const std::function<bool(const nlohmann::ordered_json&)>& done);

}  // namespace fairlead
