// Requests on connections that stay: each answered with the same bytes. As fast as answers come, or at a fixed rate:
// then a latency counts from when the request was due, and not from when a slow answer before it let it go out.
#pragma once

#include "tools/load/plan.h"

namespace fairlead::load {

LoadResult run_requests(const LoadPlan& plan);

}  // namespace fairlead::load
