// The names under which other machines may know this one, for the certificates that it makes.
#pragma once

#include <string>
#include <vector>

#include "router/site/resources.h"

namespace fairlead {

// What the server certificate of a RouterAccess names: subjectAlternativeNames as they are given; else bindHost, if it
// is one address, and the host name; else every address of this machine, the host name, and its loopback names, so that
// two sites can be tried on one machine. The most useful name for a peer comes first.
std::vector<std::string> alternative_names(const RouterAccess& access);

}  // namespace fairlead
