// Transport's edges: listeners and connectors, where applications' connections come in and go out.

#include <algorithm>
#include <utility>

#include "transport/base/log.h"
#include "transport/listening_socket.h"
#include "transport/transport.h"

namespace fairlead {

namespace {

std::shared_ptr<const EdgeOptions> shared_options(const EdgeOptions& options) {
  return std::make_shared<const EdgeOptions>(options);
}

}  // namespace

// ---- listeners

// Whether the port can be had is found out now, whether or not anybody serves the key yet. Without SO_REUSEPORT: with
// it, a port that another process of ours has would be shared in silence.
Result<std::uint16_t> Transport::try_port(const ListenerConfig& config) {
  std::uint16_t bound = 0;
  if (auto probe = open_listening_socket(kernel_, config.host, config.port, false, bound); !probe) {
    return std::unexpected(probe.error());
  }
  if (is_unix_host(config.host)) kernel_.unlink_socket(parse_literal(config.host, 0));
  return bound;
}

Result<std::uint16_t> Transport::add_listener(const ListenerConfig& config) {
  const auto bound = try_port(config);
  if (!bound) return bound;
  ListenerEntry entry{next_edge_id_++, config, LoadRef::make(), std::vector<EdgeFigures>(shards_.size()), std::nullopt,
                      {},              false,  std::nullopt};
  entry.config.port = *bound;
  listeners_.push_back(std::move(entry));
  follow_reachability();
  status_changed_ = true;
  return bound;
}

Result<void> Transport::set_listener(const ListenerConfig& config) {
  const auto entry = std::ranges::find(listeners_, config.name, &ListenerEntry::name);
  if (entry == listeners_.end()) return fail(ErrorCode::kNotFound, "there is no listener " + config.name);
  if (entry->config.host == config.host && entry->config.port == config.port) {
    post_to_shards([id = entry->id, keys = config.routing_keys, strategy = config.strategy,
                    options = shared_options(config.options)](Shard& shard) {
      shard.set_listener(id, keys, strategy, options);
    });
  } else {
    if (auto bound = try_port(config); !bound) return std::unexpected(bound.error());
    if (entry->open) close_listener(*entry);
  }
  entry->config = config;
  entry->last_error.reset();
  follow_reachability();
  status_changed_ = true;
  return {};
}

Result<void> Transport::remove_listener(const std::string& name) {
  const auto entry = std::ranges::find(listeners_, name, &ListenerEntry::name);
  if (entry == listeners_.end()) return fail(ErrorCode::kNotFound, "there is no listener " + name);
  if (entry->open) close_listener(*entry);
  post_to_shards([id = entry->id](Shard& shard) { shard.remove_listener(id); });
  listeners_.erase(entry);
  status_changed_ = true;
  return {};
}

// The port of a listener is open while somebody serves its key: who connects to a closed port knows at once.
void Transport::follow_reachability() {
  for (ListenerEntry& entry : listeners_) {
    const bool wanted = !draining_ && forwarder_ && entry.config.routing_keys.reachable(*forwarder_);
    if (wanted == entry.open) continue;
    if (!wanted) {
      close_listener(entry);
      continue;
    }
    if (auto opened = open_listener(entry); !opened) {
      const bool news = !entry.last_error || entry.last_error->message != opened.error().message;
      if (!news) continue;
      log_error("listener {}: {}", entry.config.name, opened.error().message);
      entry.last_error = LastError{opened.error().code, opened.error().message, kernel_.unix_seconds()};
    }
  }
}

Result<std::vector<Socket>> Transport::open_listening_sockets(const ListenerConfig& config) {
  std::vector<Socket> sockets;
  std::uint16_t bound = 0;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (i > 0 && is_unix_host(config.host)) {
      const int fd = kernel_.duplicate(sockets.front().fd());
      if (fd < 0) return std::unexpected(error_from_errno(-fd, "cannot listen on " + config.host));
      sockets.emplace_back(kernel_, fd);
      continue;
    }
    auto socket = open_listening_socket(kernel_, config.host, config.port, true, bound, &config.options.limits);
    if (!socket) return std::unexpected(socket.error());
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

Result<void> Transport::open_listener(ListenerEntry& entry) {
  auto opened = open_listening_sockets(entry.config);
  if (!opened) return std::unexpected(opened.error());
  std::vector<Socket>& sockets = *opened;
  const auto options = shared_options(entry.config.options);
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    shards_[i]->mailbox().post(
        make_task<Shard>([id = entry.id, keys = entry.config.routing_keys, strategy = entry.config.strategy, options,
                          open_anywhere = entry.open_anywhere, socket = std::move(sockets[i])](Shard& shard) mutable {
          shard.add_listener(id, std::move(keys), strategy, options, std::move(open_anywhere), std::move(socket));
        }));
  }
  entry.open = true;
  entry.last_error.reset();
  status_changed_ = true;
  return {};
}

void Transport::close_listener(ListenerEntry& entry) {
  entry.open = false;
  status_changed_ = true;
  // Who connects from now on is not to wait for a shard.
  if (is_unix_host(entry.config.host)) kernel_.unlink_socket(parse_literal(entry.config.host, 0));
  post_to_shards([id = entry.id](Shard& shard) { shard.close_listener(id); });
}

void Transport::listener_reported(ListenerEntry& entry, unsigned shard, ShardReport::GroupLine& line) {
  entry.figures[shard] = line.figures;
  if (line.news.message.empty()) return;
  log_info("listener {}: refused a client: {}", entry.config.name, line.news.message);
  entry.last_refused = LastError{line.news.code, std::move(line.news.message), kernel_.unix_seconds()};
}

// ---- connectors

void Transport::connector_reported(ConnectorEntry& entry, unsigned shard, ShardReport::GroupLine& line) {
  entry.figures[shard] = line.figures;
  if (line.news.message.empty()) return;
  log_warning("connector {}: {}", entry.config.name, line.news.message);
  entry.last_error = LastError{line.news.code, std::move(line.news.message), kernel_.unix_seconds()};
}

Result<std::uint32_t> Transport::add_connector(const ConnectorConfig& config) {
  const std::uint32_t id = next_edge_id_++;
  ConnectorEntry entry;
  entry.id = id;
  entry.config = config;
  entry.figures.resize(shards_.size());
  if (config.probe) entry.probe = std::make_unique<HealthProbe>(*this, id);
  connectors_.push_back(std::move(entry));
  post_to_shards([id, key = config.routing_key, host = config.host, options = shared_options(config.options),
                  open_anywhere = connectors_.back().open_anywhere](
                     Shard& shard) { shard.add_connector(id, key, host, options, open_anywhere); });
  resolve_connector(connectors_.back());
  status_changed_ = true;
  return id;
}

// Another server may have to be found out about first; until then clients are led to the one that there was.
Result<std::optional<std::uint32_t>> Transport::set_connector(const ConnectorConfig& config) {
  const auto entry = std::ranges::find_if(
      connectors_, [&](const ConnectorEntry& other) { return other.config.name == config.name && !other.superseded; });
  if (entry == connectors_.end()) return fail(ErrorCode::kNotFound, "there is no connector " + config.name);
  ConnectorConfig same_server = config;
  same_server.options = entry->config.options;
  if (same_server == entry->config) {
    entry->config = config;
    post_to_shards([id = entry->id, options = shared_options(config.options)](Shard& shard) {
      shard.set_connector_options(id, options);
    });
    return std::nullopt;
  }
  entry->superseded = true;
  if (entry->config.routing_key != config.routing_key) succeeded_connectors_.push_back(config.name);
  return add_connector(config);
}

Result<void> Transport::remove_connector(const std::string& name) {
  bool found = false;
  for (ConnectorEntry& entry : connectors_) {
    if (entry.config.name != name) continue;
    entry.superseded = true;
    found = true;
  }
  if (!found) return fail(ErrorCode::kNotFound, "there is no connector " + name);
  succeeded_connectors_.push_back(name);
  return {};
}

// At the end of the turn: then the router knows who takes their place. Connections to them stay.
void Transport::drop_superseded_connectors() {
  for (const std::string& name : std::exchange(succeeded_connectors_, {})) {
    const auto superseded = [&](const ConnectorEntry& entry) { return entry.superseded && entry.config.name == name; };
    for (ConnectorEntry& entry : connectors_) {
      if (!superseded(entry)) continue;
      events_.connector_removed(entry.id);
      if (entry.probe != nullptr) {
        entry.probe->close();
        ended_probes_.push_back(std::move(entry.probe));
      }
      removed_connectors_.push_back(entry.id);
      status_changed_ = true;
    }
    std::erase_if(connectors_, superseded);
  }
}

// Once shards have the table that leads nobody there any more: tasks are done in the order that they are posted in.
void Transport::forget_removed_connectors() {
  for (const std::uint32_t id : std::exchange(removed_connectors_, {}))
    post_to_shards([id](Shard& shard) { shard.remove_connector(id); });
}

Transport::ConnectorEntry* Transport::find_connector(std::uint32_t id) noexcept {
  const auto at = std::find_if(connectors_.begin(), connectors_.end(), [&](const auto& c) { return c.id == id; });
  return at == connectors_.end() ? nullptr : &*at;
}

void Transport::resolve_connector(ConnectorEntry& entry) {
  entry.resolving = true;
  entry.resolve_next = now_ + kResolveInterval;
  const std::uint32_t id = entry.id;
  resolver_.resolve({entry.config.host, entry.config.port}, now_, [this, id](Result<std::vector<Address>> addresses) {
    ConnectorEntry* connector = find_connector(id);
    if (connector == nullptr) return;
    connector->resolving = false;
    if (!addresses) {
      connector->last_error = LastError{addresses.error().code, addresses.error().message, kernel_.unix_seconds()};
      log_warning("connector {}: {}", connector->config.name, addresses.error().message);
      status_changed_ = true;
      return connector_tried(*connector);
    }
    post_to_shards([id, list = *addresses](Shard& shard) { shard.set_connector_addresses(id, list); });
    connector->addresses = *addresses;
    if (connector->probe != nullptr) return connector->probe->set_addresses(std::move(*addresses));
    connector_tried(*connector);
  });
}

void Transport::try_server(std::uint32_t id, ServerTried done) {
  const ConnectorEntry* connector = find_connector(id);
  if (connector == nullptr) return done("", "the connector is gone", {});
  const std::string server = to_string(HostPort{connector->config.host, connector->config.port});
  if (connector->addresses.empty()) return done(server, "its host's address is not known yet", {});
  auto trial = std::make_unique<TimedConnect>(*this, [server, done](int error, Duration took) {
    done(server, error == 0 ? "" : error_from_errno(error, "connect to " + server).message, took);
  });
  if (stopping_ || !trial->start(connector->addresses.front())) {
    return done(server, stopping_ ? "shutting down" : "no descriptor left to connect with", {});
  }
  server_trials_.push_back(std::move(trial));
}

void Transport::connector_health_changed(std::uint32_t id, bool up, int error) {
  ConnectorEntry* connector = find_connector(id);
  if (connector == nullptr) return;
  const std::string server = to_string(HostPort{connector->config.host, connector->config.port});
  if (up) {
    log_info("connector {}: {} answers", connector->config.name, server);
  } else if (error != 0) {
    const Error reason = error_from_errno(error, "connect to " + server);
    connector->last_error = LastError{reason.code, reason.message, kernel_.unix_seconds()};
    log_warning("connector {}: not offered until its server answers: {}", connector->config.name, reason.message);
  }
  status_changed_ = true;
  events_.connector_available(id, up);
  connector_tried(*connector);
}

// It is known whether its server answers, so it takes over from the one that it was made in place of.
void Transport::connector_tried(const ConnectorEntry& entry) {
  if (!entry.superseded) succeeded_connectors_.push_back(entry.config.name);
}

void Transport::refresh_connectors() {
  for (ConnectorEntry& entry : connectors_) {
    const bool literal = parse_literal(entry.config.host, entry.config.port).size > 0;
    if (!literal && !entry.resolving && now_ >= entry.resolve_next) resolve_connector(entry);
  }
}

}  // namespace fairlead
