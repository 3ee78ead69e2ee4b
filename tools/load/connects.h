// A connection for each request: connect, ask, be answered, and see the server close.
#pragma once

#include "tools/load/plan.h"

namespace fairlead::load {

LoadResult run_connects(const LoadPlan& plan);

}  // namespace fairlead::load
