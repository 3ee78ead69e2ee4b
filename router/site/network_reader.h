// Reads a network as network_document.h writes it, or as somebody wrote it by hand with less in it: YAML or JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "router/network_plan.h"
#include "router/site/diagnostics.h"

namespace fairlead {

inline constexpr std::size_t kNetworkBytesMax = 64UL * 1024 * 1024;

// Strict: unknown fields, sites that do not exist and links that cannot be are errors. What follows from the rest
// (costs of paths, candidates) is not believed but worked out. A link counts if either end tells of it, at the larger
// of the costs told, unless an end says `up: false`. Nothing after an error.
std::optional<NetworkModel> read_network(std::string_view text, const std::string& file, Diagnostics& diagnostics);

}  // namespace fairlead
