// Requests on connections that stay: 64 bytes there and back. Closed loop (rate 0): each connection sends the next one
// when it has its answer. Open loop: requests are due at a fixed rate whatever the answers do, and a latency counts
// from when its request was due, so that a stall shows in all requests that it delayed.
#pragma once

#include <chrono>

#include <netinet/in.h>

#include "bench/load/result.h"

namespace fairlead::load {

LoadResult run_requests(const sockaddr_in& server, unsigned connections, double rate_per_s,
                        std::chrono::duration<double> duration);

}  // namespace fairlead::load
