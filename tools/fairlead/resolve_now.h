// Endpoints as users write them, and host names to addresses, waiting for them; for commands.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "transport/base/error.h"
#include "transport/config.h"
#include "transport/uring/kernel.h"

namespace fairlead {

// Of "10.0.0.1:80", "[::1]:80", "db.example:80", "unix:/path".
std::optional<HostPort> parse_host_port(std::string_view text);

// At least one; literals (with "unix:/path" among them) are looked up nowhere.
Result<std::vector<Address>> resolve_now(const HostPort& endpoint);

}  // namespace fairlead
