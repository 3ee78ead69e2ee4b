// Where commands that look at the network have it from: the running gateway, or a file.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include "router/network_plan.h"
#include "tools/fairlead/arguments.h"

namespace fairlead {

// What the gateway sees of the network; none if an error was printed.
std::optional<nlohmann::ordered_json> read_live_network(const CommonArguments& common);

// The same as a model to plan with. What is wrong is printed, and its exit code returned.
std::variant<NetworkModel, int> model_of(const nlohmann::ordered_json& network);

// From a file, or the standard input for "-".
std::variant<NetworkModel, int> read_network_file(const std::string& file);

}  // namespace fairlead
