// The network as a document: what `fairlead network status -o json` and `-o yaml` print, and planning reads
// (network_reader.h).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "router/network_view.h"
#include "transport/base/time.h"
#include "transport/config.h"

namespace fairlead {

// `gateway`: knows the RTT of this site's own links; null if it does not run.
nlohmann::ordered_json network_json(const NetworkView& network, const GatewayStatus* gateway);

// Milliseconds with what precision the figure has: "0.412ms".
std::string format_rtt(Duration rtt);

// What `load_known` says is not, is null.
nlohmann::ordered_json candidates_json(const std::vector<NetworkView::Candidate>& candidates, bool load_known);

}  // namespace fairlead
