#include "router/site/metrics.h"

#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "router/site/link_numbers.h"

namespace fairlead {

namespace {

struct Label {
  std::string_view name;
  std::string_view value;
};

using Labels = std::vector<Label>;

enum class Kind { kCounter, kGauge, kHistogram };

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return "counter";
    case Kind::kGauge:
      return "gauge";
    case Kind::kHistogram:
      break;
  }
  return "histogram";
}

constexpr double kNsPerSecond = 1e9;

double seconds(Duration duration) {
  return static_cast<double>(duration.ns) / kNsPerSecond;
}

// Families stand one after the other, each with its help, its type and all its samples.
class Exposition {
 public:
  // `name` is without the prefix that all have.
  void family(Kind kind, std::string_view name, std::string_view help) {
    name_ = name;
    fmt::format_to(out(), "# HELP fairlead_{} {}\n# TYPE fairlead_{} {}\n", name, help, name,
                   name_of(kind));
  }

  // Of a family of histograms.
  void histogram(Labels labels, const DurationHistogram& histogram) {
    const std::string family = std::exchange(name_, name_ + "_bucket");
    labels.push_back({"le", {}});
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < DurationHistogram::kBounds; ++i) {
      const std::string bound = fmt::format("{}", seconds(DurationHistogram::bound(i)));
      labels.back().value = bound;
      sample(labels, count += histogram.counts()[i]);
    }
    labels.back().value = "+Inf";
    sample(labels, count += histogram.counts().back());
    labels.pop_back();
    name_ = family + "_sum";
    sample(labels, static_cast<double>(histogram.sum_ns()) / kNsPerSecond);
    name_ = family + "_count";
    sample(labels, count);
    name_ = family;
  }

  template <class Value>
  void sample(const Labels& labels, Value value) {
    text_ += "fairlead_";
    text_ += name_;
    char separator = '{';
    for (const Label& label : labels) {
      text_ += std::exchange(separator, ',');
      text_ += label.name;
      text_ += "=\"";
      append_escaped(label.value);
      text_ += '"';
    }
    fmt::format_to(out(), "{} {}\n", labels.empty() ? "" : "}", value);
  }

  std::string take() { return std::move(text_); }

 private:
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }

  void append_escaped(std::string_view value) {
    for (const char c : value) {
      if (c == '\n') {
        text_ += "\\n";
        continue;
      }
      if (c == '\\' || c == '"') text_ += '\\';
      text_ += c;
    }
  }

  std::string text_;
  std::string name_;
};

// Counters of the status that are metrics of their own.
constexpr std::string_view kEdgeReceived = "edge_bytes_in";
constexpr std::string_view kEdgeSent = "edge_bytes_out";

bool is_up(const LinkStatus& link) {
  return link.state == LinkPhase::kUp;
}

class Metrics {
 public:
  explicit Metrics(const GatewayStatus& gateway) : gateway_(gateway) { number_links(); }

  std::string format(std::string_view version) {
    add_gateway(version);
    add_links();
    add_protection();
    add_certificates();
    add_accesses();
    add_listeners();
    add_connectors();
    add_keys();
    add_shards();
    return text_.take();
  }

 private:
  struct NumberedLink {
    const LinkStatus& link;
    std::string number;
  };

  void number_links() {
    const std::vector<unsigned> numbers = fairlead::number_links(gateway_.links);
    for (std::size_t i = 0; i < gateway_.links.size(); ++i)
      links_.push_back({gateway_.links[i], std::to_string(numbers[i])});
  }

  static Labels labels_of(const NumberedLink& of, Labels more = {}) {
    Labels labels = {{"link", of.link.name},
                     {"direction", of.link.incoming ? "incoming" : "outgoing"},
                     {"remote_site_id", of.link.remote_site_id},
                     {"number", of.number}};
    labels.insert(labels.end(), more.begin(), more.end());
    return labels;
  }

  // Of those links that `has` says have it.
  template <class Value>
  void of_links(
      Kind kind, std::string_view name, std::string_view help, Value value,
      bool (*has)(const LinkStatus&) = [](const LinkStatus&) { return true; }) {
    text_.family(kind, name, help);
    for (const NumberedLink& of : links_) {
      if (!has(of.link)) continue;
      Labels labels = labels_of(of);
      labels.insert(labels.begin() + 2, {"remote_site", of.link.remote_site_name});
      text_.sample(labels, value(of.link));
    }
  }

  // `name` is that of the label too.
  template <class Items, class Value>
  void of_each(std::string_view label, const Items& items, Kind kind, std::string_view name, std::string_view help,
               Value value) {
    text_.family(kind, name, help);
    for (const auto& item : items)
      text_.sample({{label, item.name}}, value(item));
  }

  void add_gateway(std::string_view version) {
    text_.family(Kind::kGauge, "build_info", "What runs: always 1.");
    text_.sample({{"version", version}, {"kernel", gateway_.kernel_release}}, 1);
    text_.family(Kind::kGauge, "site_info", "Which site it is: always 1.");
    text_.sample({{"site", gateway_.site_name}, {"site_id", gateway_.site_id}}, 1);
    text_.family(Kind::kGauge, "shards", "Threads that carry traffic.");
    text_.sample({}, gateway_.shards);
    text_.family(Kind::kGauge, "draining", "1 while the gateway takes no new connections because it is to end.");
    text_.sample({}, gateway_.draining ? 1 : 0);
    text_.family(Kind::kGauge, "connections", "Application connections open now.");
    text_.sample({}, gateway_.connections);
    add_bytes("edge_received_bytes_total", "Bytes received from applications.", kEdgeReceived);
    add_bytes("edge_sent_bytes_total", "Bytes sent to applications.", kEdgeSent);
    text_.family(Kind::kCounter, "events_total", "What happened: work done, limits hit, faults survived.");
    for (const NamedCount& counter : gateway_.counters) {
      if (!is_bytes(counter)) text_.sample({{"event", counter.name}}, counter.value);
    }
  }

  static bool is_bytes(const NamedCount& counter) { return counter.name == kEdgeReceived || counter.name == kEdgeSent; }

  void add_bytes(std::string_view name, std::string_view help, std::string_view counted) {
    text_.family(Kind::kCounter, name, help);
    for (const NamedCount& counter : gateway_.counters) {
      if (counter.name == counted) text_.sample({}, counter.value);
    }
  }

  void add_links() {
    of_links(Kind::kGauge, "link_up", "1 while the link carries traffic.",
             [](const LinkStatus& link) { return is_up(link) ? 1 : 0; });
    of_links(Kind::kGauge, "link_cost", "The link's cost as routing uses it; before it is known, as configured.",
             [](const LinkStatus& link) { return link.routing_cost > 0 ? link.routing_cost : link.cost; });
    of_links(Kind::kCounter, "link_ups_total", "How often the link came up.",
             [](const LinkStatus& link) { return link.ups; });
    of_links(Kind::kCounter, "link_dials_total", "Attempts to reach the other site.",
             [](const LinkStatus& link) { return link.dials; });
    of_links(Kind::kGauge, "link_sessions", "Sessions that are up.",
             [](const LinkStatus& link) { return link.sessions_up; });
    of_links(Kind::kGauge, "link_sessions_wanted", "Sessions that should be up.",
             [](const LinkStatus& link) { return link.sessions_wanted; });
    of_links(Kind::kGauge, "link_streams", "Connections open over the link now.",
             [](const LinkStatus& link) { return link.streams; });
    of_links(Kind::kCounter, "link_streams_opened_total", "Connections opened over the link.",
             [](const LinkStatus& link) { return link.streams_total; });
    of_links(Kind::kCounter, "link_received_bytes_total", "Bytes of connections received over the link.",
             [](const LinkStatus& link) { return link.bytes_in; });
    of_links(Kind::kCounter, "link_sent_bytes_total", "Bytes of connections sent over the link.",
             [](const LinkStatus& link) { return link.bytes_out; });
    of_links(
        Kind::kGauge, "link_round_trip_seconds", "Smoothed round trip time.",
        [](const LinkStatus& link) { return seconds(link.rtt); },
        [](const LinkStatus& link) { return is_up(link) && link.rtt.ns > 0; });
    of_links_histogram("link_round_trip_time_seconds", "Round trips as measured, one by one.",
                       &LinkStatus::round_trips);
    of_links_histogram("link_queueing_seconds",
                       "How long bytes of a connection waited to be sent over the link: for their turn, or for room.",
                       &LinkStatus::queueing);
    text_.family(Kind::kCounter, "link_streams_reset_total", "Connections over the link that were reset, by reason.");
    for (const NumberedLink& of : links_)
      add_resets(labels_of(of), of.link.resets);
  }

  void of_links_histogram(std::string_view name, std::string_view help, DurationHistogram LinkStatus::* member) {
    text_.family(Kind::kHistogram, name, help);
    for (const NumberedLink& of : links_)
      text_.histogram(labels_of(of), of.link.*member);
  }

  // Those that there were.
  void add_resets(Labels labels, const ResetCounts& resets) {
    labels.push_back({"reason", {}});
    for (std::size_t code = 0; code < kResetCodes; ++code) {
      const auto reason = static_cast<ResetCode>(code);
      if (resets.of(reason) == 0) continue;
      labels.back().value = name_of(reason);
      text_.sample(labels, resets.of(reason));
    }
  }

  static Labels labels_of(const KeyStatus& key) { return {{"routing_key", key.routing_key}, {"side", side_of(key)}}; }

  static std::string_view side_of(const KeyStatus& key) {
    return key.side == KeySide::kClients ? "listener" : "connector";
  }

  template <class Value>
  void of_keys(Kind kind, std::string_view name, std::string_view help, Value value) {
    text_.family(kind, name, help);
    for (const KeyStatus& key : *gateway_.keys)
      text_.sample(labels_of(key), value(key.figures));
  }

  void add_keys() {
    if (gateway_.keys == nullptr) return;
    of_keys(Kind::kGauge, "key_connections", "Application connections of a routing key that are open now.",
            [](const KeyFigures& figures) { return figures.open; });
    of_keys(Kind::kCounter, "key_connections_opened_total", "Application connections of a routing key.",
            [](const KeyFigures& figures) { return figures.opened; });
    of_keys(Kind::kCounter, "key_received_bytes_total", "Bytes received from applications, by routing key.",
            [](const KeyFigures& figures) { return figures.bytes_in; });
    of_keys(Kind::kCounter, "key_sent_bytes_total", "Bytes sent to applications, by routing key.",
            [](const KeyFigures& figures) { return figures.bytes_out; });
    text_.family(Kind::kCounter, "key_failed_total", "Application connections that did not end in order, by reason.");
    for (const KeyStatus& key : *gateway_.keys)
      add_resets(labels_of(key), key.figures.failed);
    add_latency(KeySide::kClients, "key_first_byte_seconds",
                "From when a client was accepted until the first byte of its server was sent to it.");
    add_latency(KeySide::kServers, "key_connect_seconds",
                "Until a server was connected, with its TLS handshake if there is one.");
  }

  void add_latency(KeySide side, std::string_view name, std::string_view help) {
    text_.family(Kind::kHistogram, name, help);
    for (const KeyStatus& key : *gateway_.keys) {
      if (key.side == side) text_.histogram({{"routing_key", key.routing_key}}, key.figures.latency);
    }
  }

  template <class Value>
  void of_shards(std::string_view name, std::string_view help, Value value) {
    text_.family(Kind::kGauge, name, help);
    each_shard([&](std::string_view shard, const ShardStatus& status) {
      text_.sample({{"shard", shard}}, value(status.usage));
    });
  }

  template <class Action>
  void each_shard(Action action) {
    for (std::size_t i = 0; i < gateway_.shard_statuses.size(); ++i)
      action(std::to_string(i), gateway_.shard_statuses[i]);
  }

  void add_shards() {
    text_.family(Kind::kHistogram, "shard_turn_seconds",
                 "How long a turn of a shard's loop took, without the time in the kernel.");
    each_shard([&](std::string_view shard, const ShardStatus& status) {
      text_.histogram({{"shard", shard}}, status.turns);
    });
    add_loops();
    of_shards("shard_connections", "Application connections on a shard.",
              [](const ShardUsage& usage) { return usage.edges; });
    of_shards("shard_streams", "Streams on a shard.", [](const ShardUsage& usage) { return usage.streams; });
    of_shards("shard_sessions", "Sessions of links on a shard.",
              [](const ShardUsage& usage) { return usage.sessions; });
    of_shards("shard_requests", "Requests that the kernel has not completed.",
              [](const ShardUsage& usage) { return usage.requests; });
    of_shards("shard_window_growth_bytes", "What streams may send beyond their initial windows.",
              [](const ShardUsage& usage) { return usage.window_growth_bytes; });
    text_.family(Kind::kGauge, "shard_blocks_in_use", "Buffers that hold something, by their pool.");
    each_shard([&](std::string_view shard, const ShardStatus& status) {
      const auto add = [&](std::string_view pool, std::uint32_t used) {
        text_.sample({{"shard", shard}, {"pool", pool}}, used);
      };
      add("edge", status.usage.edge_blocks);
      add("link", status.usage.link_blocks);
      add("small", status.usage.small_blocks);
      add("slice_nodes", status.usage.slice_nodes);
    });
    text_.family(Kind::kCounter, "shard_events_total",
                 "What happened on a shard: work done, limits hit, faults survived.");
    each_shard([&](std::string_view shard, const ShardStatus& status) {
      for (const NamedCount& counter : status.counters) {
        if (!is_bytes(counter)) text_.sample({{"shard", shard}, {"event", counter.name}}, counter.value);
      }
    });
  }

  template <class Value>
  void of_loops(std::string_view name, std::string_view help, Value value) {
    text_.family(Kind::kCounter, name, help);
    each_shard([&](std::string_view shard, const ShardStatus& status) {
      text_.sample({{"shard", shard}}, value(status.loop.thread));
    });
  }

  void add_loops() {
    text_.family(Kind::kCounter, "shard_cpu_seconds_total", "CPU time of a shard's thread.");
    each_shard([&](std::string_view shard, const ShardStatus& status) {
      text_.sample({{"shard", shard}, {"mode", "user"}}, seconds(status.loop.thread.user));
      text_.sample({{"shard", shard}, {"mode", "system"}}, seconds(status.loop.thread.system));
    });
    of_loops("shard_wake_ups_total",
             "How often a shard's thread slept, nearly always for want of something to do, and was woken.",
             [](const ThreadUsage& usage) { return usage.wake_ups; });
    of_loops("shard_preemptions_total",
             "How often the processor was taken from a shard's thread while it had something to do.",
             [](const ThreadUsage& usage) { return usage.preemptions; });
    add_transfers("shard_transfers_total", "Sends and receives that moved bytes.", &Transfers::count);
    add_transfers("shard_transferred_bytes_total",
                  "Bytes that they moved, TLS included where user space does it: by their number, how much each took.",
                  &Transfers::bytes);
  }

  void add_transfers(std::string_view name, std::string_view help, std::uint64_t Transfers::* value) {
    text_.family(Kind::kCounter, name, help);
    each_shard([&](std::string_view shard, const ShardStatus& status) {
      const auto add = [&](std::string_view with, std::string_view direction, const Transfers& transfers) {
        text_.sample({{"shard", shard}, {"with", with}, {"direction", direction}}, transfers.*value);
      };
      add("link", "sent", status.loop.link_sends);
      add("link", "received", status.loop.link_receives);
      add("application", "sent", status.loop.edge_sends);
      add("application", "received", status.loop.edge_receives);
    });
  }

  void add_protection() {
    text_.family(Kind::kGauge, "link_tls_info", "How a link that is up is protected: always 1.");
    for (const NumberedLink& of : links_) {
      if (!is_up(of.link)) continue;
      text_.sample(labels_of(of, {{"version", of.link.tls_version},
                                  {"cipher", of.link.cipher},
                                  {"group", of.link.tls_group},
                                  {"key_exchange", of.link.post_quantum ? "post-quantum" : "classical"}}),
                   1);
    }
    text_.family(Kind::kGauge, "link_record_protection_info",
                 "Who protects the records of a link that is up, and why nobody better: always 1.");
    for (const NumberedLink& of : links_) {
      if (!is_up(of.link)) continue;
      const auto add = [&](std::string_view records, const Protection& protection) {
        const Labels more = {{"records", records}, {"by", protection.by}, {"reason", protection.why_not}};
        text_.sample(labels_of(of, more), 1);
      };
      add("send", of.link.send_protection);
      add("receive", of.link.receive_protection);
    }
  }

  void add_certificates() {
    text_.family(Kind::kGauge, "certificate_expiry_timestamp_seconds",
                 "When a certificate expires, as Unix time; days left are (this - time()) / 86400.");
    for (const NumberedLink& of : links_) {
      const LinkStatus& link = of.link;
      const Labels labels = {{"of", link.incoming ? "incoming link" : "link"},
                             {"name", link.name},
                             {"remote_site_id", link.remote_site_id},
                             {"number", of.number}};
      if (!link.incoming) add_expiry_of_ours(labels, link.credentials);
      if (is_up(link)) add_expiry(labels, "peer", link.peer_subject, link.peer_certificate_expires_unix_s);
    }
    add_expiry_of_each("access", gateway_.accesses);
    add_expiry_of_each("listener", gateway_.listeners);
    add_expiry_of_each("connector", gateway_.connectors);
  }

  template <class Items>
  void add_expiry_of_each(std::string_view of, const Items& items) {
    for (const auto& item : items)
      add_expiry_of_ours({{"of", of}, {"name", item.name}, {"remote_site_id", ""}, {"number", "0"}}, item.credentials);
  }

  void add_expiry_of_ours(const Labels& labels, const CredentialsStatus& credentials) {
    add_expiry(labels, "own", credentials.subject, credentials.expires_unix_s);
    add_expiry(labels, "ca", "", credentials.ca_expires_unix_s);
  }

  void add_expiry(Labels labels, std::string_view whose, std::string_view subject, std::int64_t expires_unix_s) {
    if (expires_unix_s == 0) return;
    labels.insert(labels.end(), {{"whose", whose}, {"subject", subject}});
    text_.sample(labels, expires_unix_s);
  }

  void add_accesses() {
    of_each("access", gateway_.accesses, Kind::kGauge, "access_listening", "1 while the port for links is open.",
            [](const AccessStatus& access) { return access.listening ? 1 : 0; });
    of_each("access", gateway_.accesses, Kind::kCounter, "access_accepted_total", "Connections of peers accepted.",
            [](const AccessStatus& access) { return access.accepted; });
    of_each("access", gateway_.accesses, Kind::kCounter, "access_refused_total", "Handshakes of peers that failed.",
            [](const AccessStatus& access) { return access.refused; });
  }

  void add_listeners() {
    of_each("listener", gateway_.listeners, Kind::kGauge, "listener_listening", "1 while the listener's port is open.",
            [](const ListenerStatus& listener) { return listener.listening ? 1 : 0; });
    of_each("listener", gateway_.listeners, Kind::kGauge, "listener_reachable_keys",
            "Routing keys of the listener for which a connector is known.",
            [](const ListenerStatus& listener) { return listener.reachable_keys.size(); });
    of_each("listener", gateway_.listeners, Kind::kGauge, "listener_connections", "Connections open now.",
            [](const ListenerStatus& listener) { return listener.connections; });
    of_each("listener", gateway_.listeners, Kind::kCounter, "listener_connections_opened_total", "Connections opened.",
            [](const ListenerStatus& listener) { return listener.connections_total; });
    of_each("listener", gateway_.listeners, Kind::kCounter, "listener_refused_total",
            "Clients that did not come in: no TLS, no PROXY protocol header, or too many.",
            [](const ListenerStatus& listener) { return listener.refused; });
  }

  void add_connectors() {
    of_each("connector", gateway_.connectors, Kind::kGauge, "connector_available",
            "1 while the connector's server answers, as far as is known.",
            [](const ConnectorStatus& connector) { return connector.available ? 1 : 0; });
    of_each("connector", gateway_.connectors, Kind::kGauge, "connector_connections", "Connections open now.",
            [](const ConnectorStatus& connector) { return connector.connections; });
    of_each("connector", gateway_.connectors, Kind::kCounter, "connector_connections_opened_total",
            "Connections opened.", [](const ConnectorStatus& connector) { return connector.connections_total; });
    of_each("connector", gateway_.connectors, Kind::kCounter, "connector_failed_total",
            "Connects and TLS handshakes with the server that failed.",
            [](const ConnectorStatus& connector) { return connector.failed; });
  }

  const GatewayStatus& gateway_;
  std::vector<NumberedLink> links_;
  Exposition text_;
};

}  // namespace

std::string format_metrics(const GatewayStatus& gateway, std::string_view version) {
  return Metrics(gateway).format(version);
}

}  // namespace fairlead
