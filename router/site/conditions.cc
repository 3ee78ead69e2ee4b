#include "router/site/conditions.h"

#include <array>
#include <ctime>
#include <utility>

#include <fmt/format.h>

namespace fairlead {

Condition condition_met(std::string type) {
  return {std::move(type), true, "Ready", "OK", 0};
}

Condition condition_pending(std::string type, std::string message) {
  return {std::move(type), false, "Pending", std::move(message), 0};
}

Condition condition_failed(std::string type, std::string message) {
  return {std::move(type), false, "Error", std::move(message), 0};
}

StatusSummary summarize(const std::vector<Condition>& conditions) {
  for (const Condition& condition : conditions) {
    if (!condition.is_true) return {condition.reason, condition.message};
  }
  return {"Ready", "OK"};
}

std::vector<Condition> with_ready(std::vector<Condition> conditions) {
  const StatusSummary summary = summarize(conditions);
  conditions.push_back({"Ready", summary.status == "Ready", summary.status, summary.message, 0});
  return conditions;
}

void TransitionTimes::stamp(std::string_view resource, std::vector<Condition>& conditions, std::int64_t now_unix_s) {
  for (Condition& condition : conditions) {
    const auto [entry, inserted] =
        seen_.try_emplace(fmt::format("{}/{}", resource, condition.type), Seen{condition.is_true, now_unix_s});
    if (entry->second.is_true != condition.is_true) entry->second = {condition.is_true, now_unix_s};
    condition.last_transition_unix_s = entry->second.since_unix_s;
  }
}

std::string format_time(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm utc{};
  std::array<char, 32> text{};
  if (gmtime_r(&time, &utc) == nullptr) return {};
  if (std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) return {};
  return text.data();
}

}  // namespace fairlead
