// The figures that a gateway has counted since it began, as JSON: what `fairlead top` and scripts take rates from, by
// asking twice. Names are stable; there may be more of them in later versions.
#pragma once

#include <nlohmann/json.hpp>

#include "transport/config.h"

namespace fairlead {

//   {"siteName", "siteId", "draining", "connections",
//    "atSeconds": of links and keys, whose figures are those that shards told last, on a clock of its own,
//    "histogramBoundsSeconds": [upper bounds; one more count lies beyond the last],
//    "shards": [{"atSeconds", "turns", "turnSeconds", "completions", "userSeconds", "systemSeconds", "wakeUps",
//                "preemptions", "linkSends": {"count", "bytes"}, "linkReceives", "applicationSends",
//                "applicationReceives", "connections", "streams", "sessions"}],
//    "links": [{"name", "direction", "siteName", "siteId", "number": among those that are alike so far, "state",
//               "rttMicroseconds", "streams", "streamsOpened", "bytesIn", "bytesOut", "resets",
//               "queueing": [counts]}],
//    "keys": [{"routingKey", "side", "connections", "opened", "failed", "bytesIn", "bytesOut", "latency": [counts]}]}
nlohmann::ordered_json make_figures_document(const GatewayStatus& gateway);

}  // namespace fairlead
