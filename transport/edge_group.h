// EdgeGroup: the connections of one listener or connector on one shard: how they are treated, and what came of them.
//
// Owner: the shard. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "transport/base/error.h"
#include "transport/base/load.h"
#include "transport/edge_options.h"

namespace fairlead {

// Plain values.
struct EdgeFigures {
  std::uint64_t open = 0;
  std::uint64_t total = 0;
  std::uint64_t failed = 0;   // connects, and handshakes with servers, that failed
  std::uint64_t refused = 0;  // clients that did not come in: TLS, no PROXY header, too many
};

struct EdgeGroup {
  EdgeFigures figures;
  std::shared_ptr<const EdgeOptions> options = std::make_shared<const EdgeOptions>();
  std::string host;  // of a connector's server, as configured: for TLS
  LoadRef open_anywhere;  // of all shards
  Error news{};           // why the last one was refused, if that is not reported yet; else without a message

  bool full() const noexcept {
    const std::uint32_t most = options->limits.connections_max;
    return most > 0 && open_anywhere.open() > most;
  }
};

}  // namespace fairlead
