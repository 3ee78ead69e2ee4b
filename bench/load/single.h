// A connection for each request: connect, 64 bytes there and back, until the server closes. A fixed number at a time.
#pragma once

#include <chrono>

#include <netinet/in.h>

#include "bench/load/result.h"

namespace fairlead::load {

// The latency is from before the connect to the end of the answer.
LoadResult run_single(const sockaddr_in& server, unsigned at_a_time, std::chrono::duration<double> duration);

}  // namespace fairlead::load
