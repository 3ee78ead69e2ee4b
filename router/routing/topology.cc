#include "router/routing/topology.h"

#include <utility>

namespace fairlead {

Topology::Taken Topology::take(LinkState state) {
  const RouterId router = state.router();
  const auto at = states_.find(router);
  if (at == states_.end()) {
    if (states_.size() >= kRoutersMax) return Taken::kRefused;
    states_.emplace(router, std::move(state));
    return Taken::kNewer;
  }
  if (at->second.site_id != state.site_id) return Taken::kRefused;
  if (state.version == at->second.version) return Taken::kKnown;
  if (state.version < at->second.version) return Taken::kOlder;
  const bool same = at->second.same_content(state);
  at->second = std::move(state);
  return same ? Taken::kSame : Taken::kNewer;
}

const LinkState* Topology::find(RouterId router) const {
  const auto at = states_.find(router);
  return at == states_.end() ? nullptr : &at->second;
}

LinkStateVersion Topology::version_of(RouterId router) const {
  const LinkState* state = find(router);
  return state == nullptr ? LinkStateVersion{} : state->version;
}

SummaryMessage Topology::summary() const {
  SummaryMessage summary;
  summary.lines.reserve(states_.size());
  for (const auto& [router, state] : states_)
    summary.lines.push_back({router, state.version});
  return summary;
}

}  // namespace fairlead
