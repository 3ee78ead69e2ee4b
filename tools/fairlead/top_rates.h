// What happened between two looks at a gateway's figures (router/site/figures_document.h), as rates, and as the tables
// that people see. Pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/fairlead/table.h"

namespace fairlead {

// Of the time between `earlier` and `after`, which came later. What was not there before is taken from its beginning;
// of a gateway that was started again there is nothing to tell yet.
//
//   {"siteName", "seconds", "connections", "draining",
//    "shards": [{"cpu": of one processor, 0 to 1, "userSpace": share of the time in turns, "turnsPerSecond",
//                "wakeUpsPerSecond", "preemptionsPerSecond", "completionsPerTurn", "turnMicroseconds",
//                "linkIn": {"bitsPerSecond", "bytesPerCall"}, "linkOut", "applicationIn", "applicationOut",
//                "connections", "streams"}],
//    "links": [{"name", "direction", "siteName", "state", "rttMicroseconds", "inBitsPerSecond", "outBitsPerSecond",
//               "streams", "openedPerSecond", "resetsPerSecond", "queueingMicroseconds": {"p50", "p99"}}],
//    "keys": [{"routingKey", "side", "connections", "openedPerSecond", "failedPerSecond", "inBitsPerSecond",
//              "outBitsPerSecond", "latencyMicroseconds": {"p50", "p99"}}]}
//
// Percentiles are bounds: half of them took at most p50. They are null where nothing was measured, and where it took
// longer than the last bound. Links and keys that carry the most come first.
nlohmann::ordered_json make_rates(const nlohmann::ordered_json& earlier, const nlohmann::ordered_json& after);

struct TitledTable {
  std::string title;
  std::vector<TableRow> rows;  // the first names the columns
};

std::string top_summary(const nlohmann::ordered_json& rates);
std::vector<TitledTable> top_tables(const nlohmann::ordered_json& rates);

}  // namespace fairlead
