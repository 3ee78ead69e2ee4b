// What commands read of a running gateway: runtime/status.json, and figures and texts out of it.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "router/site/paths.h"
#include "transport/base/error.h"

namespace fairlead {

// The whole of it. Fails while the gateway is starting.
Result<nlohmann::ordered_json> read_status_snapshot(const NamespacePaths& paths);

// A value as text; empty if it is not there.
std::string text_at(const nlohmann::ordered_json& object, const char* pointer);
// 0 if it is not there, or no such number.
std::uint64_t number_at(const nlohmann::ordered_json& object, const char* pointer);
// For people to read, with a line end.
std::string dump_json(const nlohmann::ordered_json& value);

}  // namespace fairlead
