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
  status->counters = counters();
  status->alive_at = now_;
  for (const ShardReport& report : reports_) {
    status->connections += report.edges_open;
    status->alive_at = std::min(status->alive_at, report.at);
  }
  return status;
}

std::vector<NamedCount> Transport::counters() const {
  ShardCounters sum;
  Ring::Counters ring = ring_->counters();
  for (const ShardReport& report : reports_) {
    const ShardCounters& c = report.counters;
    sum.edge_bytes_in += c.edge_bytes_in;
    sum.edge_bytes_out += c.edge_bytes_out;
    sum.edges_reset += c.edges_reset;
    sum.edges_relieved += c.edges_relieved;
    sum.edges_exhausted += c.edges_exhausted;
    sum.streams_exhausted += c.streams_exhausted;
    sum.receive_starved += c.receive_starved;
    sum.session_starved += c.session_starved;
    sum.slice_nodes_exhausted += c.slice_nodes_exhausted;
    sum.control_overflows += c.control_overflows;
    sum.protocol_errors += c.protocol_errors;
    sum.descriptors_exhausted += c.descriptors_exhausted;
    sum.no_route += c.no_route;
    sum.edge_handshakes_evicted += c.edge_handshakes_evicted;
    sum.reopened += c.reopened;
    sum.edges_sacrificed += c.edges_sacrificed;
    sum.edges_idle += c.edges_idle;
    sum.streams_relieved += c.streams_relieved;
    sum.streams_sacrificed += c.streams_sacrificed;
    sum.handed_over += c.handed_over;
    sum.gather_exhausted += c.gather_exhausted;
    sum.keys_updated += c.keys_updated;
    sum.connections_replaced += c.connections_replaced;
    ring.turns += report.ring.turns;
    ring.enters += report.ring.enters;
    ring.completions += report.ring.completions;
    ring.bounded_turns += report.ring.bounded_turns;
    ring.submissions_deferred += report.ring.submissions_deferred;
    ring.completion_overflows += report.ring.completion_overflows;
  }
  return {{"edge_bytes_in", sum.edge_bytes_in},
          {"edge_bytes_out", sum.edge_bytes_out},
          {"edges_reset", sum.edges_reset},
          {"edges_idle", sum.edges_idle},
          {"edges_relieved", sum.edges_relieved},
          {"edges_sacrificed", sum.edges_sacrificed},
          {"streams_relieved", sum.streams_relieved},
          {"streams_sacrificed", sum.streams_sacrificed},
          {"edges_exhausted", sum.edges_exhausted},
          {"streams_exhausted", sum.streams_exhausted},
          {"receive_starved", sum.receive_starved},
          {"session_starved", sum.session_starved},
          {"slice_nodes_exhausted", sum.slice_nodes_exhausted},
          {"control_overflows", sum.control_overflows},
          {"protocol_errors", sum.protocol_errors},
          {"descriptors_exhausted", sum.descriptors_exhausted + descriptors_exhausted_},
          {"edge_handshakes_evicted", sum.edge_handshakes_evicted},
          {"no_route", sum.no_route},
          {"reopened", sum.reopened},
          {"handed_over", sum.handed_over},
          {"gather_exhausted", sum.gather_exhausted},
          {"keys_updated", sum.keys_updated},
          {"connections_replaced", sum.connections_replaced},
          {"handshakes_evicted", handshakes_evicted_},
          {"ring_turns", ring.turns},
          {"ring_enters", ring.enters},
          {"ring_completions", ring.completions},
          {"ring_bounded_turns", ring.bounded_turns},
          {"ring_submissions_deferred", ring.submissions_deferred},
          {"ring_completion_overflows", ring.completion_overflows}};
}

}  // namespace fairlead
