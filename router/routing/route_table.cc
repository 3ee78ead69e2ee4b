#include "router/routing/route_table.h"

namespace fairlead {

RouteTable::RouteTable(const LocalConnectors& connectors, const Neighbours& neighbours) {
  for (const auto& [key, ids] : connectors)
    entries_[key].connectors = ids;
  std::unordered_map<std::string_view, std::uint32_t> best_cost;
  for (const auto& [link, neighbour] : neighbours) {
    for (const auto& served : neighbour.keys) {
      const auto [best, first] = best_cost.emplace(served.first, neighbour.cost);
      if (!first && neighbour.cost >= best->second) continue;
      best->second = neighbour.cost;
      Entry& entry = entries_[served.first];
      entry.link = link;
      entry.has_link = true;
    }
  }
}

Route RouteTable::route(std::string_view routing_key, std::uint32_t arrived_on) const noexcept {
  const auto at = entries_.find(routing_key);
  if (at == entries_.end()) return {};
  const Entry& entry = at->second;
  if (!entry.connectors.empty()) {
    // Several connectors of one key take turns; which one is next is each thread's own business.
    static thread_local std::size_t turn = 0;
    return {Route::Kind::kConnector, entry.connectors[turn++ % entry.connectors.size()]};
  }
  // What came in over a link never leaves over one here: sites advertise only what they serve themselves.
  if (entry.has_link && arrived_on == kFromListener) return {Route::Kind::kLink, entry.link};
  return {};
}

}  // namespace fairlead
