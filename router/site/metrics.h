// What a gateway tells Prometheus: its status as text (exposition format 0.0.4). Pure; any thread.
//
// Names and units follow Prometheus' conventions: counters end in _total, everything is in seconds and bytes, what is
// said in words is a label of a metric that is 1. router/site/README.md has them all.
#pragma once

#include <string>
#include <string_view>

#include "transport/config.h"

namespace fairlead {

inline constexpr char kMetricsContentType[] = "text/plain; version=0.0.4; charset=utf-8";

std::string format_metrics(const GatewayStatus& gateway, std::string_view version);

}  // namespace fairlead
