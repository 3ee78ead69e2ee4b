#include "router/routing/routing.h"

#include <algorithm>
#include <utility>

namespace fairlead {

Routing::Routing(RoutingIdentity identity, RoutingOutbox& outbox)
    : identity_(std::move(identity)),
      self_(router_id_of(identity_.site_id)),
      outbox_(outbox),
      version_{identity_.incarnation, 0, 0} {
  if (identity_.edge) return;
  LinkState state = describe_self();
  state.version.digest = digest_of(state);
  version_ = state.version;
  topology_.take(std::move(state));
}

// ---- links

void Routing::link_up(std::uint32_t link, LinkPeer peer, Instant now) {
  now_ = now;
  Neighbour& neighbour = neighbours_[link] = {};
  neighbour.router = router_id_of(peer.site_id);
  neighbour.peer = std::move(peer);
  changed(now);
  if (neighbour.peer.kind == LinkKind::kInterior) send(link, encode(topology_.summary()));
  flush();
}

void Routing::link_down(std::uint32_t link, Instant now) {
  now_ = now;
  if (neighbours_.erase(link) == 0) return;
  changed(now);
  flush();
}

void Routing::link_reset(std::uint32_t link, Instant now) {
  now_ = now;
  const auto at = neighbours_.find(link);
  if (at == neighbours_.end()) return;
  Neighbour& neighbour = at->second;
  neighbour.offered.reset();
  neighbour.told.reset();
  send(link, encode(CostMessage{neighbour.peer.cost}));
  if (neighbour.peer.kind == LinkKind::kInterior) {
    send(link, encode(topology_.summary()));
    request(link, neighbour);
  }
  flush();
}

void Routing::set_link_cost(std::uint32_t link, std::uint32_t cost, Instant now) {
  now_ = now;
  const auto at = neighbours_.find(link);
  if (at == neighbours_.end() || at->second.peer.cost == cost) return;
  at->second.peer.cost = cost;
  send(link, encode(CostMessage{cost}));
  changed(now);
  flush();
}

std::uint32_t Routing::link_cost(std::uint32_t link) const noexcept {
  const auto at = neighbours_.find(link);
  return at == neighbours_.end() ? 0 : at->second.cost();
}

void Routing::set_connectors(LocalConnectors connectors, Instant now) {
  now_ = now;
  connectors_ = std::move(connectors);
  changed(now);
  flush();
}

// ---- messages

void Routing::send(std::uint32_t link, std::vector<std::uint8_t> message) {
  ++counters_.messages_sent;
  counters_.bytes_sent += message.size();
  outbox_.send(link, std::move(message));
}

Result<void> Routing::receive(std::uint32_t link, std::span<const std::uint8_t> bytes, Instant now) {
  now_ = now;
  const auto at = neighbours_.find(link);
  if (at == neighbours_.end()) return {};  // of a link that went down while the message was under way
  Neighbour& from = at->second;
  auto message = decode_message(bytes);
  if (!message) {
    ++counters_.messages_refused;
    return std::unexpected(message.error());
  }
  const LinkKind kind = from.peer.kind;
  const bool interior = kind == LinkKind::kInterior;
  if (auto* cost = std::get_if<CostMessage>(&*message)) {
    if (std::exchange(from.peer.peer_cost, cost->cost) != cost->cost) changed(now);
  } else if (auto* summary = std::get_if<SummaryMessage>(&*message); summary != nullptr && interior) {
    take(link, from, std::move(*summary));
  } else if (auto* request = std::get_if<RequestMessage>(&*message); request != nullptr && interior) {
    take(link, from, std::move(*request));
  } else if (auto* update = std::get_if<UpdateMessage>(&*message); update != nullptr && interior) {
    take(link, from, std::move(*update), now);
  } else if (auto* offer = std::get_if<OfferMessage>(&*message); offer != nullptr && kind == LinkKind::kEdge) {
    from.offer = std::move(*offer);
    changed(now);
  } else if (auto* reach = std::get_if<ReachMessage>(&*message); reach != nullptr && kind == LinkKind::kUplink) {
    from.reach = std::move(reach->keys);
    changed(now);
  } else if (!std::holds_alternative<UnknownMessage>(*message)) {
    ++counters_.messages_refused;
    return fail(ErrorCode::kProtocol, "a router message of a kind that this neighbour may not send");
  }
  flush();
  return {};
}

void Routing::take(std::uint32_t link, Neighbour& from, SummaryMessage message) {
  // Of ourselves too: an earlier life may have left something above us.
  std::erase_if(message.lines, [&](const SummaryLine& line) {
    return line.version <= topology_.version_of(line.router);
  });
  from.asked = std::move(message.lines);
  request(link, from);
}

// What it told of and has not sent yet.
void Routing::request(std::uint32_t link, const Neighbour& neighbour) {
  RequestMessage request;
  for (const SummaryLine& line : neighbour.asked) {
    if (line.version > topology_.version_of(line.router)) request.routers.push_back(line.router);
  }
  if (!request.routers.empty()) send(link, encode(request));
}

void Routing::take(std::uint32_t, Neighbour& from, RequestMessage message) {
  for (const RouterId router : message.routers) {
    if (topology_.find(router) != nullptr) from.pending.insert(router);
  }
}

void Routing::take(std::uint32_t link, Neighbour& from, UpdateMessage message, Instant now) {
  for (LinkState& state : message.states)
    take_state(link, from, std::move(state), now);
}

void Routing::take_state(std::uint32_t link, Neighbour& from, LinkState state, Instant now) {
  const RouterId router = state.router();
  if (state.site_id == identity_.site_id) return take_own_state(state, now);
  switch (topology_.take(std::move(state))) {
    case Topology::Taken::kNewer:
      outdate();
      [[fallthrough]];
    case Topology::Taken::kSame:
      from.pending.erase(router);
      flood(router, link);
      break;
    case Topology::Taken::kKnown:
      from.pending.erase(router);
      break;
    case Topology::Taken::kOlder:
      from.pending.insert(router);
      break;
    case Topology::Taken::kRefused:
      ++counters_.states_refused;
      break;
  }
}

void Routing::take_own_state(const LinkState& state, Instant now) {
  // Several neighbours tell of the same earlier life.
  if (state.version <= version_) return;
  ++counters_.own_states_heard;
  version_ = state.version;
  // The first time it is an earlier life of ours. If it goes on, another site has our id.
  originate_due_ = std::min(originate_due_, originated_at_ + originate_interval_);
  originate_interval_ = std::min(originate_interval_ * 2, kContestedIntervalMax);
  if (originate_due_ <= now) originate(now);
}

// ---- our own link state

// Something that our LinkState or the table tells of.
void Routing::changed(Instant now) {
  outdate();
  if (identity_.edge) return;
  if (now - originated_at_ >= originate_interval_) return originate(now);
  originate_due_ = std::min(originate_due_, originated_at_ + originate_interval_);
}

void Routing::outdate() noexcept {
  if (!paths_outdated_) outdated_at_ = now_;
  paths_outdated_ = table_outdated_ = true;
}

LinkState Routing::describe_self() const {
  LinkState state;
  state.site_id = identity_.site_id;
  state.site_name = identity_.site_name;
  state.version = version_;
  std::map<RouterId, std::uint32_t> costs;
  std::map<std::string, EdgeSite> edges;
  for (const auto& [link, neighbour] : neighbours_) {
    const std::uint32_t cost = neighbour.cost();
    if (neighbour.peer.kind == LinkKind::kInterior) {
      const auto [at, first] = costs.emplace(neighbour.router, cost);
      if (!first) at->second = std::min(at->second, cost);
      continue;
    }
    if (neighbour.peer.kind != LinkKind::kEdge) continue;
    EdgeSite site{neighbour.peer.site_id, neighbour.peer.site_name, cost, {}};
    if (neighbour.offer.active) site.keys = neighbour.offer.keys;
    const auto [at, first] = edges.emplace(site.site_id, site);
    if (!first && !site.keys.empty()) at->second = std::move(site);
  }
  for (const auto& [router, cost] : costs)
    state.neighbours.push_back({router, cost});
  for (auto& edge : edges)
    state.edges.push_back(std::move(edge.second));
  for (const auto& [key, connectors] : connectors_) {
    if (connectors.empty()) continue;
    state.keys[key] = static_cast<std::uint16_t>(std::min<std::size_t>(connectors.size(), UINT16_MAX));
  }
  return state;
}

void Routing::originate(Instant now) {
  originate_due_ = Instant::max();
  LinkState state = describe_self();
  const LinkState* known = topology_.find(self_);
  const bool news = known == nullptr || version_ > known->version || !known->same_content(state);
  if (!news) return;
  state.version = version_.next();
  state.version.digest = digest_of(state);
  version_ = state.version;
  topology_.take(std::move(state));
  ++counters_.originations;
  if (now - originated_at_ > kContestedIntervalMax * 4) originate_interval_ = kOriginateInterval;
  originated_at_ = now;
  outdate();
  flood(self_, 0);
}

void Routing::flood(RouterId router, std::uint32_t except) {
  for (auto& [link, neighbour] : neighbours_) {
    if (link != except && neighbour.peer.kind == LinkKind::kInterior) neighbour.pending.insert(router);
  }
}

// ---- time

void Routing::tick(Instant now) {
  now_ = now;
  if (originate_due_ <= now) originate(now);
  // Otherwise whoever asks for a table has them computed.
  if (now >= forget_due_ || now - outdated_at_ >= kForgetAfter) compute_paths();
  forget_unreachable(now);
  flush();
}

Instant Routing::due() const noexcept {
  Instant due = std::min({originate_due_, flush_due_, forget_due_, leave_due_});
  // Who has become unreachable is not known yet.
  if (!identity_.edge && paths_outdated_) due = std::min(due, outdated_at_ + kForgetAfter);
  return due;
}

void Routing::compute_paths() {
  if (identity_.edge || !std::exchange(paths_outdated_, false)) return;
  paths_ = std::make_shared<PathTree>(topology_, describe_self());
  std::map<RouterId, Instant> unreachable;
  for (std::uint32_t node = 0; node < paths_->size(); ++node) {
    if (paths_->connected(node)) continue;
    const RouterId router = paths_->router(node);
    const auto at = unreachable_since_.find(router);
    unreachable.emplace(router, at == unreachable_since_.end() ? now_ : at->second);
  }
  unreachable_since_ = std::move(unreachable);
  find_forget_due();
}

void Routing::find_forget_due() {
  forget_due_ = Instant::max();
  for (const auto& unreachable : unreachable_since_)
    forget_due_ = std::min(forget_due_, unreachable.second + kForgetAfter);
}

void Routing::forget_unreachable(Instant now) {
  if (now < forget_due_) return;
  for (auto at = unreachable_since_.begin(); at != unreachable_since_.end();) {
    if (now - at->second < kForgetAfter) {
      ++at;
      continue;
    }
    topology_.forget(at->first);
    for (auto& neighbour : neighbours_)
      neighbour.second.pending.erase(at->first);
    at = unreachable_since_.erase(at);
  }
  find_forget_due();
}

// ---- what goes out

void Routing::flush() {
  if (identity_.edge) return offer_to_uplinks();
  flush_due_ = flushed_at_ + kFlushInterval;
  if (now_ < flush_due_) return;
  flush_due_ = Instant::max();
  const std::uint64_t sent = counters_.messages_sent;
  for (auto& [link, neighbour] : neighbours_) {
    if (neighbour.peer.kind == LinkKind::kInterior) flush_interior(link, neighbour);
  }
  const bool any_edge = std::any_of(neighbours_.begin(), neighbours_.end(),
                                    [](const auto& n) { return n.second.peer.kind == LinkKind::kEdge; });
  if (any_edge) tell_edges();
  if (counters_.messages_sent != sent) flushed_at_ = now_;
}

void Routing::flush_interior(std::uint32_t link, Neighbour& neighbour) {
  if (neighbour.pending.empty()) return;
  std::vector<const LinkState*> states;
  for (const RouterId router : std::exchange(neighbour.pending, {})) {
    if (const LinkState* state = topology_.find(router)) states.push_back(state);
  }
  for (auto& message : encode_updates(states))
    send(link, std::move(message));
}

std::vector<RouterLink> Routing::links() const {
  std::vector<RouterLink> links;
  links.reserve(neighbours_.size());
  for (const auto& [link, neighbour] : neighbours_)
    links.push_back({link, neighbour.peer.kind, neighbour.router, neighbour.cost()});
  return links;
}

// The one that was used until now stays for a while: until the news of the other has travelled, connections come over
// it.
void Routing::choose_uplink(std::uint32_t link) {
  if (link != uplink_) {
    left_uplink_ = std::exchange(uplink_, link);
    leave_due_ = left_uplink_ == 0 ? Instant::max() : now_ + kLeaveUplinkAfter;
  }
  if (now_ < leave_due_) return;
  left_uplink_ = 0;
  leave_due_ = Instant::max();
}

void Routing::offer_to_uplinks() {
  const std::vector<RouterLink> all = links();
  const RouterLink* active = active_uplink(all);
  OfferMessage offer{true, {}};
  for (const auto& [key, connectors] : connectors_) {
    if (connectors.empty()) continue;
    offer.keys[key] = static_cast<std::uint16_t>(std::min<std::size_t>(connectors.size(), UINT16_MAX));
  }
  choose_uplink(active == nullptr ? 0 : active->link);
  for (auto& [link, neighbour] : neighbours_) {
    if (neighbour.peer.kind != LinkKind::kUplink) continue;
    OfferMessage mine = link == uplink_ || link == left_uplink_ ? offer : OfferMessage{};
    if (neighbour.offered && neighbour.offered->active == mine.active && neighbour.offered->keys == mine.keys) continue;
    send(link, encode(mine));
    neighbour.offered = std::move(mine);
  }
}

void Routing::tell_edges() {
  const auto current = table();
  for (auto& [link, neighbour] : neighbours_) {
    if (neighbour.peer.kind != LinkKind::kEdge) continue;
    ReachableKeys reach = reach_for(*current, neighbour.router);
    if (neighbour.told && *neighbour.told == reach) continue;
    send(link, encode(ReachMessage{reach}));
    neighbour.told = std::move(reach);
  }
}

// ---- the table

std::shared_ptr<const RouteTable> Routing::table() {
  if (std::exchange(table_outdated_, false) || table_ == nullptr) table_ = make_table();
  return table_;
}

std::shared_ptr<const RouteTable> Routing::make_table() {
  ++counters_.tables;
  RouteTable::Parts parts;
  parts.self = self_;
  parts.connectors = connectors_;
  const std::vector<RouterLink> all = links();
  add_links(parts, all);
  if (identity_.edge) {
    if (const RouterLink* uplink = active_uplink(all)) {
      add_uplink_candidates(parts, *uplink, neighbours_.find(uplink->link)->second.reach, loads_);
    }
  } else {
    compute_paths();
    parts.paths = paths_;
    add_interior_candidates(parts, topology_, *paths_, loads_);
  }
  // Nobody counts there any more.
  std::erase_if(loads_, [](const auto& load) { return load.second.unique() && load.second.open() == 0; });
  return std::make_shared<const RouteTable>(std::move(parts));
}

}  // namespace fairlead
