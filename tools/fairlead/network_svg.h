// A network as an SVG picture, for a browser or a document, on light and dark ground.
#pragma once

#include <string>

#include "tools/fairlead/network_graph.h"

namespace fairlead {

std::string network_svg(const NetworkGraph& graph);

}  // namespace fairlead
