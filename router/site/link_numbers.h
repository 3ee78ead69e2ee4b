// What tells links apart that are otherwise alike: several incoming ones may come from one site by one port.
#pragma once

#include <vector>

#include "transport/config.h"

namespace fairlead {

// For each link, how many before it have its direction, name and remote site.
std::vector<unsigned> number_links(const std::vector<LinkStatus>& links);

}  // namespace fairlead
