// Where commands that look at the network have it from: the running gateway, or a file.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include "router/network_plan.h"
#include "tools/fairlead/arguments.h"

namespace fairlead {

// What the gateway sees of the network, as a document.
struct LiveNetwork {
  nlohmann::ordered_json document;
  // What other sites have open, by their id; of those that were asked and have answered.
  std::map<std::string, NetworkModel::Open> open;
};

// None if an error was printed. With `survey` all interior sites are asked for what they measure: the round trips of
// their links come into the document.
std::optional<LiveNetwork> read_live_network(const CommonArguments& common, bool survey);

// The same as a model to plan with. What is wrong is printed, and its exit code returned.
std::variant<NetworkModel, int> model_of(const nlohmann::ordered_json& network);

// From a file, or the standard input for "-".
std::variant<NetworkModel, int> read_network_file(const std::string& file);

}  // namespace fairlead
