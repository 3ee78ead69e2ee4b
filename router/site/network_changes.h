// What-if on a network, as it is written on a command line: sites by name or id, a link as the sites at its ends,
// `west/east`. Errors say what there is instead.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "router/network_plan.h"
#include "transport/base/error.h"

namespace fairlead {

Result<std::size_t> find_site(const NetworkModel& model, std::string_view name);

// `costs`: LINK=N. `without`: LINK or SITE. In this order.
Result<std::vector<NetworkChange>> parse_changes(const NetworkModel& model, const std::vector<std::string>& costs,
                                                 const std::vector<std::string>& without);

}  // namespace fairlead
