#include "tools/fairlead/snapshot.h"

#include <fmt/format.h>

#include "router/site/files.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kSnapshotBytesMax = 256UL * 1024 * 1024;

}  // namespace

Result<Json> read_status_snapshot(const NamespacePaths& paths) {
  const auto text = read_file(paths.status(), kSnapshotBytesMax);
  if (!text && text.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kNotFound, "the gateway is starting and has no status yet; ask again in a moment");
  }
  if (!text) return std::unexpected(text.error());
  try {
    return Json::parse(*text);
  } catch (const Json::exception& exception) {
    return fail(ErrorCode::kInvalid, fmt::format("{} is not a status: {}", paths.status().string(), exception.what()));
  }
}

std::string text_at(const Json& object, const char* pointer) {
  const Json::json_pointer path(pointer);
  if (!object.contains(path)) return {};
  const Json& value = object.at(path);
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::uint64_t number_at(const Json& object, const char* pointer) {
  const Json::json_pointer path(pointer);
  if (!object.contains(path) || !object.at(path).is_number_unsigned()) return 0;
  return object.at(path).get<std::uint64_t>();
}

std::string dump_json(const Json& value) {
  return value.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace fairlead
