// JSON values as YAML text. Text that YAML would read as something else (numbers, booleans, dates) is quoted, so that
// every reader gets back the types that were put in.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace fairlead {

// One document, without "---".
std::string to_yaml(const nlohmann::ordered_json& value);

}  // namespace fairlead
