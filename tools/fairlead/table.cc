#include "tools/fairlead/table.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

namespace fairlead {

namespace {

// Terminal columns, close enough: bytes that begin a UTF-8 sequence.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string cell_text(const std::string& cell) {
  if (cell.empty()) return "-";
  std::string text = cell;
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f; }, '?');
  return text;
}

}  // namespace

std::string format_table(const std::vector<TableRow>& rows) {
  std::vector<std::size_t> widths;
  for (const TableRow& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); i++)
      widths[i] = std::max(widths[i], width_of(cell_text(row[i])));
  }
  std::string table;
  for (const TableRow& row : rows) {
    for (std::size_t i = 0; i < row.size(); i++) {
      const std::string text = cell_text(row[i]);
      table += text;
      if (i + 1 < row.size()) table.append(widths[i] - width_of(text) + 2, ' ');
    }
    table += '\n';
  }
  return table;
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  constexpr double kStep = 1024;
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / kStep;
  std::size_t unit = 0;
  // What rounds to 1024.0 belongs to the next unit.
  while (value >= kStep - 0.05 && unit + 1 < kUnits.size()) {
    value /= kStep;
    unit++;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_rate(double bits_per_second) {
  constexpr double kStep = 1000;
  constexpr const char* kUnits[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
  std::size_t unit = 0;
  for (; bits_per_second >= kStep - 0.5 && unit + 1 < std::size(kUnits); ++unit)
    bits_per_second /= kStep;
  return fmt::format("{:.3g} {}", bits_per_second, kUnits[unit]);
}

std::string format_microseconds(double microseconds) {
  constexpr double kStep = 1000;
  constexpr const char* kUnits[] = {"µs", "ms", "s"};
  std::size_t unit = 0;
  for (; microseconds >= kStep - 0.5 && unit + 1 < std::size(kUnits); ++unit)
    microseconds /= kStep;
  return fmt::format("{:.3g} {}", microseconds, kUnits[unit]);
}

std::string format_milliseconds(double microseconds) {
  return fmt::format("{:.3f} ms", microseconds / 1000);
}

std::string format_age(std::int64_t seconds) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  // A clock that was set back.
  if (seconds < 0) seconds = 0;
  if (seconds < kMinute) return fmt::format("{}s", seconds);
  if (seconds < kHour) return fmt::format("{}m{}s", seconds / kMinute, seconds % kMinute);
  if (seconds < kDay) return fmt::format("{}h{}m", seconds / kHour, seconds % kHour / kMinute);
  return fmt::format("{}d{}h", seconds / kDay, seconds % kDay / kHour);
}

}  // namespace fairlead
