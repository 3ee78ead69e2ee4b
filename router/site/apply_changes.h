// Puts the changes of a configuration into effect in a running gateway, as a whole.
#pragma once

#include "router/gateway.h"
#include "router/site/config_changes.h"
#include "transport/base/error.h"

namespace fairlead {

// What can fail (a port that another program has) comes first, and is taken back if something fails: an error means
// that all is as it was. `after` is what the gateway is to have. May wait a moment for ports that change hands.
Result<void> apply_changes(const ConfigChanges& changes, const GatewayConfig& after, Gateway& gateway);

}  // namespace fairlead
