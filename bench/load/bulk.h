// Bulk: a number of streams that send as fast as they may, for a time; then the server's counts are compared with ours.
#pragma once

#include <chrono>

#include <netinet/in.h>

#include "bench/load/result.h"

namespace fairlead::load {

// The time runs until the last count is back, so that nothing that only filled buffers counts.
LoadResult run_bulk(const sockaddr_in& server, unsigned streams, std::chrono::duration<double> duration);

}  // namespace fairlead::load
