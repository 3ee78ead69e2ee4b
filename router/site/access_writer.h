// A RouterAccess as a user would write it: one that a Site implies can be changed only by being written down.
#pragma once

#include <string>

#include "router/site/resources.h"

namespace fairlead {

// YAML, without a newline at its end.
std::string written_out(const RouterAccess& access);
// The same as JSON, which is YAML as well, for messages of one line.
std::string written_on_one_line(const RouterAccess& access);

}  // namespace fairlead
