#include "transport/base/log.h"

#include <atomic>
#include <cstdio>

namespace fairlead {
namespace {

void write_stderr(LogLevel level, std::string_view line) noexcept {
  static constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  std::fprintf(stderr, "%s: %.*s\n", kNames[static_cast<unsigned>(level)], static_cast<int>(line.size()), line.data());
}

std::atomic<LogSink> g_sink{&write_stderr};
std::atomic<LogLevel> g_level{LogLevel::kInfo};

}  // namespace

void set_log_sink(LogSink sink) noexcept {
  g_sink.store(sink == nullptr ? &write_stderr : sink, std::memory_order_release);
}

void set_log_level(LogLevel level) noexcept {
  g_level.store(level, std::memory_order_relaxed);
}

LogLevel log_level() noexcept {
  return g_level.load(std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) noexcept {
  return level >= g_level.load(std::memory_order_relaxed);
}

void write_log(LogLevel level, std::string_view line) noexcept {
  g_sink.load(std::memory_order_acquire)(level, line);
}

}  // namespace fairlead
