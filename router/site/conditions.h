// Conditions of a resource's status, as Kubernetes shapes them, and the rule that sums them up. Pure: time is handed
// in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead {

struct Condition {
  std::string type;
  bool is_true = false;
  std::string reason;   // "Ready", "Pending" or "Error"
  std::string message;  // "OK" when true
  std::int64_t last_transition_unix_s = 0;
};

Condition condition_met(std::string type);
Condition condition_pending(std::string type, std::string message);
Condition condition_failed(std::string type, std::string message);

struct StatusSummary {
  std::string status;  // "Ready", "Pending" or "Error"
  std::string message;
};

// The first of the conditions, in their order, that is not true gives reason and message; all true is Ready, OK.
StatusSummary summarize(const std::vector<Condition>& conditions);

// The conditions with a last one, Ready, that mirrors the summary.
std::vector<Condition> with_ready(std::vector<Condition> conditions);

// Remembers since when each condition of each resource has its value: lastTransitionTime changes only when that flips.
class TransitionTimes {
 public:
  // Fills in last_transition_unix_s. `resource` is any text that tells resources apart.
  void stamp(std::string_view resource, std::vector<Condition>& conditions, std::int64_t now_unix_s);

 private:
  struct Seen {
    bool is_true;
    std::int64_t since_unix_s;
  };

  std::map<std::string, Seen, std::less<>> seen_;  // by "resource/type"
};

// RFC 3339 in UTC: "2026-01-05T10:00:00Z".
std::string format_time(std::int64_t unix_s);

}  // namespace fairlead
