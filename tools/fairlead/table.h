// Plain-text tables and the figures in them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fairlead {

using TableRow = std::vector<std::string>;

// Columns as wide as their widest cell, two spaces between, nothing behind the last. Control characters in cells, which
// may come from a peer, are made harmless. Empty cells show as "-".
std::string format_table(const std::vector<TableRow>& rows);

// "812 B", "1.5 MiB".
std::string format_bytes(std::uint64_t bytes);
// "2.41 Gbit/s".
std::string format_rate(double bits_per_second);
// "64 µs", "1.02 ms", "33.6 s".
std::string format_microseconds(double microseconds);
// "1.020 ms", however long or short: figures of one table.
std::string format_milliseconds(double microseconds);
// "42s", "3m10s", "5h2m", "12d3h".
std::string format_age(std::int64_t seconds);

}  // namespace fairlead
