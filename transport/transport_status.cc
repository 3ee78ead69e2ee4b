// Transport's status: what it and the shards report, put together as one snapshot.

#include <algorithm>
#include <mutex>
#include <utility>

#include "transport/link_record.h"
#include "transport/transport.h"

namespace fairlead {
namespace {

// With TLS; else nothing.
CredentialsStatus describe(const EdgeOptions& options, const std::string& refused) {
  CredentialsStatus status;
  if (options.credentials != nullptr) status = describe(*options.credentials);
  status.refused = refused;
  return status;
}

std::vector<NamedCount> describe(const ShardCounters& c, const Ring::Counters& ring) {
  return {{"edge_bytes_in", c.edge_bytes_in},
          {"edge_bytes_out", c.edge_bytes_out},
          {"edges_reset", c.edges_reset},
          {"edges_idle", c.edges_idle},
          {"edges_relieved", c.edges_relieved},
          {"edges_sacrificed", c.edges_sacrificed},
          {"streams_relieved", c.streams_relieved},
          {"streams_sacrificed", c.streams_sacrificed},
          {"edges_exhausted", c.edges_exhausted},
          {"streams_exhausted", c.streams_exhausted},
          {"receive_starved", c.receive_starved},
          {"session_starved", c.session_starved},
          {"slice_nodes_exhausted", c.slice_nodes_exhausted},
          {"control_overflows", c.control_overflows},
          {"protocol_errors", c.protocol_errors},
          {"descriptors_exhausted", c.descriptors_exhausted},
          {"edge_handshakes_evicted", c.edge_handshakes_evicted},
          {"no_route", c.no_route},
          {"reopened", c.reopened},
          {"handed_over", c.handed_over},
          {"gather_exhausted", c.gather_exhausted},
          {"keys_updated", c.keys_updated},
          {"connections_replaced", c.connections_replaced},
          {"ring_turns", ring.turns},
          {"ring_enters", ring.enters},
          {"ring_completions", ring.completions},
          {"ring_bounded_turns", ring.bounded_turns},
          {"ring_submissions_deferred", ring.submissions_deferred},
          {"ring_completion_overflows", ring.completion_overflows}};
}

void add(std::vector<NamedCount>& sum, const std::string& name, std::uint64_t value) {
  const auto known = std::ranges::find(sum, name, &NamedCount::name);
  if (known == sum.end()) {
    sum.push_back({name, value});
  } else {
    known->value += value;
  }
}

}  // namespace

void Transport::on_status(Instant now) noexcept {
  refresh_connectors();
  close_overdue();
  follow_reachability();  // a port that could not be had may be free now
  if (!stopping_) timers_.arm(status_timer_, now + kStatusInterval);
  status_changed_ = true;
}

std::shared_ptr<const GatewayStatus> Transport::status() const {
  const std::lock_guard lock(status_mutex_);
  return status_;
}

void Transport::publish_status() {
  refresh_status();
  kernel_.signal_event(status_event_.fd());
}

void Transport::refresh_status() {
  if (!std::exchange(status_changed_, false)) return;
  auto status = make_status();
  const std::lock_guard lock(status_mutex_);
  status_ = std::move(status);
}

std::shared_ptr<const GatewayStatus> Transport::make_status() {
  auto status = std::make_shared<GatewayStatus>();
  status->site_id = options_.site_id;
  status->site_name = options_.site_name;
  status->shards = options_.shards;
  status->kernel_release = features_.release;
  status->kernel_lacking = features_.lacking;
  if (!kernel_tls_.lacking.empty()) status->kernel_lacking.push_back("kernel TLS: " + kernel_tls_.lacking);
  status->draining = draining_;
  // Who looks for a link by its name finds the one that carries it now first.
  for (const bool replaced : {false, true}) {
    for (const auto& link : links_) {
      if ((link->superseded() || link->leaving()) == replaced) status->links.push_back(link->status(now_));
    }
  }
  for (const auto& link : incoming_)
    status->links.push_back(link->record.snapshot());
  for (const auto& access : accesses_) {
    if (!access->removed()) status->accesses.push_back(access->status());
  }
  for (const ListenerEntry& entry : listeners_) {
    ListenerStatus line{};
    line.name = entry.config.name;
    line.listening = entry.open;
    line.last_error = entry.last_error;
    for (const RoutingKeys::Key& key : entry.config.routing_keys.keys) {
      if (forwarder_ && forwarder_->reachable(key.name)) line.reachable_keys.push_back(key.name);
    }
    for (const EdgeFigures& figures : entry.figures) {
      line.connections += figures.open;
      line.connections_total += figures.total;
      line.refused += figures.refused;
    }
    line.last_refused = entry.last_refused;
    line.credentials = describe(entry.config.options, entry.refused_credentials);
    status->listeners.push_back(std::move(line));
  }
  for (const ConnectorEntry& entry : connectors_) {
    if (entry.superseded) continue;
    ConnectorStatus line{};
    line.name = entry.config.name;
    line.routing_key = entry.config.routing_key;
    line.last_error = entry.last_error;
    line.available = entry.probe == nullptr || entry.probe->up();
    for (const EdgeFigures& figures : entry.figures) {
      line.connections += figures.open;
      line.connections_total += figures.total;
      line.failed += figures.failed;
    }
    line.credentials = describe(entry.config.options, entry.refused_credentials);
    status->connectors.push_back(std::move(line));
  }
  status->keys = key_statuses();
  // Of the control thread; those of the shards are added.
  status->counters = describe({}, ring_->counters());
  add(status->counters, "descriptors_exhausted", descriptors_exhausted_);
  add(status->counters, "handshakes_evicted", handshakes_evicted_);
  status->alive_at = now_;
  for (const ShardReport& report : reports_) {
    ShardStatus& shard = status->shard_statuses.emplace_back();
    shard.at = report.at;
    shard.usage = report.usage;
    shard.turns = report.turns;
    shard.loop = report.loop;
    shard.counters = describe(report.counters, report.ring);
    for (const NamedCount& counter : shard.counters)
      add(status->counters, counter.name, counter.value);
    status->connections += report.edges_open;
    status->alive_at = std::min(status->alive_at, report.at);
  }
  return status;
}

void Transport::keys_reported(unsigned shard, const std::vector<KeyStatus>& keys) {
  for (const KeyStatus& key : keys) {
    std::vector<KeyFigures>& by_shard = key_figures_[{key.side, key.routing_key}];
    by_shard.resize(shards_.size());
    by_shard[shard] = key.figures;
    key_statuses_ = nullptr;
  }
}

// Put together anew only when something is new: there may be thousands.
std::shared_ptr<const std::vector<KeyStatus>> Transport::key_statuses() {
  if (key_statuses_ != nullptr) return key_statuses_;
  auto statuses = std::make_shared<std::vector<KeyStatus>>();
  statuses->reserve(key_figures_.size());
  for (const auto& [key, by_shard] : key_figures_) {
    KeyStatus& status = statuses->emplace_back(KeyStatus{key.second, key.first, {}});
    for (const KeyFigures& figures : by_shard)
      status.figures += figures;
  }
  key_statuses_ = std::move(statuses);
  return key_statuses_;
}

}  // namespace fairlead
