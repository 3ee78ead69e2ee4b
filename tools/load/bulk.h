// Streams that carry as much as they may, up, down or both ways.
#pragma once

#include "tools/load/plan.h"

namespace fairlead::load {

LoadResult run_bulk(const LoadPlan& plan);

}  // namespace fairlead::load
