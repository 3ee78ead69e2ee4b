#include "router/site/attempt_limits.h"

#include <algorithm>

namespace fairlead {

Duration AttemptLimits::wait(const std::string& who, Instant now) const {
  const auto found = paid_until_.find(who);
  if (found == paid_until_.end()) return {};
  return std::max(Duration{}, found->second + share_ - now - window_);
}

void AttemptLimits::note_failure(const std::string& who, Instant now) {
  std::erase_if(paid_until_, [&](const auto& known) { return known.second <= now; });
  if (paid_until_.size() == known_max_ && !paid_until_.contains(who)) {
    paid_until_.erase(std::ranges::min_element(paid_until_, {}, [](const auto& known) { return known.second; }));
  }
  Instant& paid = paid_until_.try_emplace(who, now).first->second;
  paid = std::max(paid, now) + share_;
}

}  // namespace fairlead
