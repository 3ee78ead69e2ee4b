#include "tools/fairlead/log_sink.h"

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace fairlead {

namespace {

constexpr std::size_t kQueuedLinesMax = 1024;
constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warning", "error"};

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

void write_text(LogLevel level, std::string_view line) noexcept {
  spdlog::default_logger_raw()->log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
}

void write_json(LogLevel level, std::string_view line) noexcept {
  try {
    // Only the message needs escaping; the pattern has the rest of the object.
    const std::string message =
        nlohmann::json(std::string(line)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    spdlog::default_logger_raw()->log(level_of(level), spdlog::string_view_t(message.data(), message.size()));
  } catch (const std::exception&) {
    write_text(level, "\"a line could not be written: out of memory\"");
  }
}

}  // namespace

std::string_view name_of(LogLevel level) noexcept {
  return kLevelNames[static_cast<std::size_t>(level)];
}

std::optional<LogLevel> log_level_named(std::string_view name) noexcept {
  const auto found = std::ranges::find(kLevelNames, name);
  if (found == kLevelNames.end()) return std::nullopt;
  return static_cast<LogLevel>(found - kLevelNames.begin());
}

LogSession::LogSession(LogLevel level, LogFormat format) {
  spdlog::init_thread_pool(kQueuedLinesMax, 1);
  auto logger = spdlog::create_async_nb<spdlog::sinks::stderr_color_sink_mt>("fairlead");
  logger->set_level(spdlog::level::trace);  // what is below the level never gets here
  logger->flush_on(spdlog::level::trace);
  logger->set_pattern(format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%f%z","level":"%l","message":%v})"
                                                 : "%Y-%m-%dT%H:%M:%S.%e%z %^%-7l%$ %v");
  spdlog::set_default_logger(std::move(logger));
  set_log_level(level);
  set_log_sink(format == LogFormat::kJson ? write_json : write_text);
}

LogSession::~LogSession() {
  set_log_sink(nullptr);
  spdlog::shutdown();
}

}  // namespace fairlead
