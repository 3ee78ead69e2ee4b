#include "router/site/diagnostics.h"

#include <utility>

#include <fmt/format.h>

namespace fairlead {

namespace {

constexpr std::size_t kQuotedBytesMax = 60;

// Keys, library messages and file names come from outside as well.
std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string to_string(const Position& position) {
  if (position.line == 0) return position.file;
  if (position.column == 0) return fmt::format("{}:{}", position.file, position.line);
  return fmt::format("{}:{}:{}", position.file, position.line, position.column);
}

std::string without_severity(const Diagnostic& diagnostic) {
  const std::string position = to_string(diagnostic.position);
  return position.empty() ? diagnostic.message : position + ": " + diagnostic.message;
}

std::string to_string(const Diagnostic& diagnostic) {
  const char* severity = diagnostic.severity == Severity::kError ? "error" : "warning";
  const std::string position = to_string(diagnostic.position);
  if (position.empty()) return fmt::format("{}: {}", severity, diagnostic.message);
  return fmt::format("{}: {}: {}", position, severity, diagnostic.message);
}

void Diagnostics::error(Position position, std::string_view message) {
  items_.push_back({Severity::kError, std::move(position), printable(message)});
  error_count_++;
}

void Diagnostics::warning(Position position, std::string_view message) {
  items_.push_back({Severity::kWarning, std::move(position), printable(message)});
}

std::string in_quotes(std::string_view text) {
  std::string result = "'";
  result += printable(text.substr(0, kQuotedBytesMax));
  // A cut in the middle of a UTF-8 sequence would garble the terminal: the incomplete tail goes too.
  if (text.size() > kQuotedBytesMax) {
    while ((static_cast<unsigned char>(result.back()) & 0xc0) == 0x80)
      result.pop_back();
    if ((static_cast<unsigned char>(result.back()) & 0x80) != 0) result.pop_back();
    result += "…";
  }
  result += "'";
  return result;
}

}  // namespace fairlead
