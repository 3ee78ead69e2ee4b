// Where log lines go: stderr, as text for people or as one JSON object per line. Lines are queued and written by a
// thread of the library's, so that no shard waits for a slow terminal; when the queue is full the oldest are dropped.
#pragma once

#include <optional>
#include <string_view>

#include "tools/fairlead/arguments.h"
#include "transport/base/log.h"

namespace fairlead {

// "debug", "info", "warning", "error".
std::string_view name_of(LogLevel level) noexcept;
std::optional<LogLevel> log_level_named(std::string_view name) noexcept;

// Installs the sink, and flushes at its end. One per process.
class LogSession {
 public:
  LogSession(LogLevel level, LogFormat format);
  ~LogSession();
  LogSession(const LogSession&) = delete;
  LogSession& operator=(const LogSession&) = delete;
};

}  // namespace fairlead
