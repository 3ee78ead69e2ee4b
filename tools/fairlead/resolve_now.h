// Host names to addresses, waiting for them; for commands.
#pragma once

#include <vector>

#include "transport/base/error.h"
#include "transport/config.h"
#include "transport/uring/kernel.h"

namespace fairlead {

// At least one; literals (with "unix:/path" among them) are looked up nowhere.
Result<std::vector<Address>> resolve_now(const HostPort& endpoint);

}  // namespace fairlead
