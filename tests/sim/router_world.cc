#include "tests/sim/router_world.h"

#include <algorithm>
#include <cmath>

namespace fairlead::sim {

RouterWorld::RouterWorld(const RouterWorldOptions& options) : options_(options), prng_(options.seed) {}

// ---- what there is

std::size_t RouterWorld::add_site(bool edge) {
  Site& site = sites_.emplace_back(*this);
  site.number = sites_.size() - 1;
  site.id = (edge ? "e" : "r") + std::to_string(site.number);
  site.router = router_id_of(site.id);
  site.edge = edge;
  start(site);
  return site.number;
}

void RouterWorld::start(Site& site) {
  // The wall clock, in nanoseconds since somewhere in the past.
  if (site.incarnation == 0) site.incarnation = 1'000'000'000 + static_cast<std::uint64_t>(now_.ns);
  ++site.life;
  site.alive = true;
  site.versions.clear();
  site.by_local_id.clear();
  site.tick_at = Instant::max();
  site.routing = std::make_unique<Routing>(RoutingIdentity{site.id, site.id, site.incarnation, site.edge}, site);
  if (!site.served.empty()) serve(site.number, site.served);
}

std::size_t RouterWorld::add_link(std::size_t a, std::size_t b, std::uint32_t cost_a, std::uint32_t cost_b) {
  const std::size_t number = links_.size();
  Link& link = links_.emplace_back();
  link.ends[0].site = a;
  link.ends[0].cost = cost_a;
  link.ends[1].site = b;
  link.ends[1].cost = cost_b;
  link.delay_mean_ns = 1 + random_below(options_.delay_mean_max).ns;
  sites_[a].links.push_back(number);
  sites_[b].links.push_back(number);
  update_links({number});
  return number;
}

// ---- what happens to it

void RouterWorld::update_links(const std::vector<std::size_t>& links) {
  for (const std::size_t number : links) {
    const Link& link = links_[number];
    const Site& a = sites_[link.ends[0].site];
    const Site& b = sites_[link.ends[1].site];
    const bool wanted = !link.failed && a.alive && b.alive && a.side == b.side;
    if (wanted && !link.up) take_up(number);
    if (!wanted && link.up) take_down(number);
  }
}

void RouterWorld::take_up(std::size_t number) {
  Link& link = links_[number];
  link.up = true;
  ++link.epoch;
  for (std::size_t i = 0; i < 2; ++i) {
    End& end = link.ends[i];
    end.hello_cost = end.cost;
    end.up_seen_at = std::max(now_ + random_below(options_.dial_max), end.next_seen_at);
    end.next_seen_at = end.up_seen_at + Duration::nanoseconds(1);
    link.directions[i].losing = false;
    schedule(end.up_seen_at, Kind::kSeenUp, number, i);
  }
}

void RouterWorld::take_down(std::size_t number) {
  Link& link = links_[number];
  link.up = false;
  for (std::size_t i = 0; i < 2; ++i) {
    std::deque<Message>& under_way = link.directions[i].under_way;
    for (std::size_t lost = prng_.below(under_way.size() + 1); lost < under_way.size(); ++lost)
      under_way[lost].lost = true;
    End& end = link.ends[i];
    const bool silent = prng_.chance(options_.silence_percent);
    const Instant seen = now_ + random_below(silent ? options_.silence_max : options_.close_max);
    const Instant at = std::max(seen, end.next_seen_at);
    end.next_seen_at = at + Duration::nanoseconds(1);
    schedule(at, Kind::kSeenDown, number, i);
  }
}

void RouterWorld::fail_link(std::size_t link) {
  log("link " + std::to_string(link) + " fails");
  links_[link].failed = true;
  update_links({link});
}

void RouterWorld::repair_link(std::size_t link) {
  log("link " + std::to_string(link) + " is repaired");
  links_[link].failed = false;
  update_links({link});
}

void RouterWorld::crash(std::size_t number) {
  Site& site = sites_[number];
  if (!site.alive) return;
  log(site.id + " crashes");
  site.alive = false;
  originations_ended_ += site.routing->counters().originations;
  update_links(site.links);
  site.routing.reset();
  for (const std::size_t link : site.links) {
    for (End& end : links_[link].ends) {
      if (end.site != number) continue;
      end.seen_up = false;
      end.next_seen_at = now_;
    }
  }
}

void RouterWorld::restart(std::size_t number, bool clock_went_back) {
  Site& site = sites_[number];
  if (site.alive) return;
  site.incarnation = clock_went_back ? 1 + prng_.below(site.incarnation)
                                     : site.incarnation + 1 + prng_.below(1'000'000'000'000);
  log(site.id + " restarts" + (clock_went_back ? " with its clock gone back" : ""));
  start(site);
  update_links(site.links);
}

void RouterWorld::set_cost(std::size_t number, std::size_t i, std::uint32_t cost) {
  log("link " + std::to_string(number) + " costs " + std::to_string(cost) + " at end " + std::to_string(i));
  End& end = links_[number].ends[i];
  end.cost = cost;
  Site& site = sites_[end.site];
  if (!site.alive || !end.seen_up) return;
  site.routing->set_link_cost(end.local_id, cost, now_);
  after_event(site);
}

void RouterWorld::serve(std::size_t number, Served served) {
  Site& site = sites_[number];
  site.served = std::move(served);
  if (!site.alive) return;
  LocalConnectors connectors;
  std::uint32_t id = 1;
  std::string text;
  for (const auto& [key, count] : site.served) {
    text += " " + key + "×" + std::to_string(count);
    for (unsigned i = 0; i < count; ++i)
      connectors[key].push_back({id++, LoadRef::make()});
  }
  log(site.id + " serves" + text);
  site.routing->set_connectors(std::move(connectors), now_);
  after_event(site);
}

void RouterWorld::lose_messages(std::size_t number, std::size_t i) {
  Link& link = links_[number];
  Direction& direction = link.directions[i];
  if (!link.up || direction.losing) return;
  log("link " + std::to_string(number) + " loses what end " + std::to_string(i) + " sends");
  for (std::size_t lost = prng_.below(direction.under_way.size() + 1); lost < direction.under_way.size(); ++lost)
    direction.under_way[lost].lost = true;
  direction.losing = true;
  const Duration notice = random_below(prng_.chance(options_.silence_percent) ? options_.silence_max
                                                                              : options_.close_max);
  schedule(std::max(now_ + notice, link.ends[i].up_seen_at + Duration::nanoseconds(1)), Kind::kReset, number, i);
}

void RouterWorld::partition(const std::vector<unsigned>& sides) {
  std::string text = "partition:";
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    sites_[i].side = sides[i];
    text += " " + std::to_string(sides[i]);
  }
  for (std::size_t i = 0; i < links_.size(); ++i)
    all.push_back(i);
  log(text);
  update_links(all);
}

// ---- time

void RouterWorld::run(Duration time) {
  const Instant until = now_ + time;
  while (!events_.empty() && events_.top().at <= until) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    handle(event);
  }
  now_ = until;
}

void RouterWorld::schedule(Instant at, Kind kind, std::size_t where, std::size_t end) {
  Event event{at, next_sequence_++, kind, static_cast<std::uint8_t>(end), static_cast<std::uint32_t>(where), 0, 0};
  if (kind == Kind::kTick) {
    event.life = sites_[where].life;
  } else {
    event.epoch = links_[where].epoch;
    event.life = sites_[links_[where].ends[end].site].life;
  }
  events_.push(event);
}

void RouterWorld::handle(const Event& event) {
  ++events_done_;
  for (const std::uint64_t word : {static_cast<std::uint64_t>(event.at.ns), std::uint64_t{event.where},
                                   static_cast<std::uint64_t>(event.kind) << 8 | event.end}) {
    trace_hash_ = (trace_hash_ ^ word) * 0x100000001b3;
    trace_hash_ ^= trace_hash_ >> 32;
  }
  switch (event.kind) {
    case Kind::kDeliver:
      return deliver(event);
    case Kind::kSeenUp:
      return see_up(event);
    case Kind::kSeenDown:
      return see_down(event);
    case Kind::kReset:
      return reset(event);
    case Kind::kTick: {
      Site& site = sites_[event.where];
      if (!site.alive || site.life != event.life || site.tick_at != event.at) return;
      site.tick_at = Instant::max();
      site.routing->tick(now_);
      return after_event(site);
    }
  }
}

void RouterWorld::see_up(const Event& event) {
  Link& link = links_[event.where];
  End& end = link.ends[event.end];
  Site& site = sites_[end.site];
  if (!site.alive || site.life != event.life) return;
  // Who dials has a number for the link, who accepts finds a new one for each that comes.
  if (end.local_id != 0) site.by_local_id.erase(end.local_id);
  end.local_id = event.end == 0 ? event.where + 1 : site.next_local_id++;
  site.by_local_id[end.local_id] = {event.where, event.end};
  end.seen_up = true;
  end.seen_epoch = event.epoch;
  const End& other = link.ends[1 - event.end];
  const Site& peer = sites_[other.site];
  const LinkKind kind = site.edge ? LinkKind::kUplink : peer.edge ? LinkKind::kEdge : LinkKind::kInterior;
  log(site.id + " sees link " + std::to_string(event.where) + " up");
  site.routing->link_up(end.local_id, {peer.id, peer.id, kind, end.hello_cost, other.hello_cost}, now_);
  // Configured anew since it was told to the peer.
  if (end.cost != end.hello_cost) site.routing->set_link_cost(end.local_id, end.cost, now_);
  after_event(site);
}

void RouterWorld::see_down(const Event& event) {
  End& end = links_[event.where].ends[event.end];
  Site& site = sites_[end.site];
  if (!site.alive || site.life != event.life || !end.seen_up) return;
  end.seen_up = false;
  log(site.id + " sees link " + std::to_string(event.where) + " down");
  site.routing->link_down(end.local_id, now_);
  after_event(site);
}

void RouterWorld::reset(const Event& event) {
  Link& link = links_[event.where];
  if (!link.up || link.epoch != event.epoch) return;
  End& end = link.ends[event.end];
  Site& site = sites_[end.site];
  link.directions[event.end].losing = false;
  if (!site.alive || site.life != event.life || !end.seen_up) return;
  log(site.id + " is told of a reset of link " + std::to_string(event.where));
  site.routing->link_reset(end.local_id, now_);
  after_event(site);
}

void RouterWorld::after_event(Site& site) {
  if (options_.eager_tables) site.routing->table();
  const Instant due = site.routing->due();
  if (due < site.tick_at) {
    site.tick_at = std::max(due, now_);
    schedule(site.tick_at, Kind::kTick, site.number);
  }
  if (options_.check_versions) check_versions(site);
}

// What a machine knows of a router only ever becomes newer, unless it has forgotten it.
void RouterWorld::check_versions(Site& site) {
  const auto& states = site.routing->topology().states();
  for (auto at = site.versions.begin(); at != site.versions.end();)
    at = states.contains(at->first) ? std::next(at) : site.versions.erase(at);
  for (const auto& [router, state] : states) {
    const auto [at, first] = site.versions.emplace(router, state.version);
    if (first) continue;
    if (state.version < at->second) violation(site.id + " went back to an older link state of " + state.site_id);
    at->second = state.version;
  }
}

// ---- messages

void RouterWorld::sent(Site& site, std::uint32_t local_id, std::vector<std::uint8_t> message) {
  ++messages_sent_;
  bytes_sent_ += message.size();
  const auto at = site.by_local_id.find(local_id);
  if (at == site.by_local_id.end()) return violation(site.id + " sends over a link that it never had");
  const auto [number, i] = at->second;
  Link& link = links_[number];
  if (!link.ends[i].seen_up) return violation(site.id + " sends over a link that is down");
  Direction& direction = link.directions[i];
  if (!link.up || link.ends[i].seen_epoch != link.epoch || direction.losing) return;
  // Not before the other end has seen the link.
  const Instant arrival = std::max({now_ + random_delay(link.delay_mean_ns), direction.last_arrival,
                                    link.ends[1 - i].up_seen_at + Duration::nanoseconds(1)});
  direction.last_arrival = arrival;
  direction.under_way.push_back({std::move(message), link.epoch, false});
  schedule(arrival, Kind::kDeliver, number, i);
}

void RouterWorld::deliver(const Event& event) {
  Link& link = links_[event.where];
  std::deque<Message>& under_way = link.directions[event.end].under_way;
  const Message message = std::move(under_way.front());
  under_way.pop_front();
  const End& end = link.ends[1 - event.end];
  Site& site = sites_[end.site];
  if (message.lost || !site.alive || !end.seen_up || end.seen_epoch != message.epoch) return;
  if (options_.log != nullptr) {
    log(site.id + " receives message of kind " + std::to_string(message.bytes.at(1)) + ", " +
        std::to_string(message.bytes.size()) + " bytes, on link " + std::to_string(event.where));
  }
  const auto taken = site.routing->receive(end.local_id, message.bytes, now_);
  if (!taken) violation(site.id + " refuses a message: " + taken.error().message);
  after_event(site);
}

// ---- odds and ends

std::uint64_t RouterWorld::originations() const {
  std::uint64_t sum = originations_ended_;
  for (const Site& site : sites_)
    sum += site.alive ? site.routing->counters().originations : 0;
  return sum;
}

void RouterWorld::violation(std::string what) {
  log("VIOLATION: " + what);
  violations_.push_back(std::move(what));
}

void RouterWorld::log(const std::string& what) const {
  if (options_.log == nullptr) return;
  std::fprintf(options_.log, "%12.6f %s\n", static_cast<double>(now_.ns) / 1e9, what.c_str());
}

Duration RouterWorld::random_below(Duration max) {
  if (max.ns <= 0) return {};
  return Duration::nanoseconds(static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(max.ns))));
}

// Exponential, so that now and then one takes many times as long as the others.
Duration RouterWorld::random_delay(std::int64_t mean_ns) {
  const double uniform = static_cast<double>(prng_.next() >> 11) * 0x1p-53;
  return Duration::nanoseconds(static_cast<std::int64_t>(-std::log1p(-uniform) * static_cast<double>(mean_ns)));
}

}  // namespace fairlead::sim
