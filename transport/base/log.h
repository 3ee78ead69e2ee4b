// Log lines for people. The byte path never logs. A line is formatted by fmt and given to the sink that main installs
// (journald, stderr); without one it goes to stderr. Any thread may log; the sink must be thread-safe.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace fairlead {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

using LogSink = void (*)(LogLevel level, std::string_view line) noexcept;

// Set while no other threads exist; null goes back to stderr.
void set_log_sink(LogSink sink) noexcept;
void set_log_level(LogLevel level) noexcept;
LogLevel log_level() noexcept;
bool log_enabled(LogLevel level) noexcept;
void write_log(LogLevel level, std::string_view line) noexcept;

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (!log_enabled(level)) return;
  fmt::memory_buffer line;
  fmt::format_to(fmt::appender(line), format, std::forward<Args>(args)...);
  write_log(level, {line.data(), line.size()});
}

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::kDebug, format, std::forward<Args>(args)...);
}

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::kInfo, format, std::forward<Args>(args)...);
}

template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::kWarning, format, std::forward<Args>(args)...);
}

template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::kError, format, std::forward<Args>(args)...);
}

}  // namespace fairlead
