#include "router/router.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "transport/base/log.h"

namespace fairlead {

Router::Router(const TransportOptions& options)
    : routing_({.site_id = options.site_id,
                .site_name = options.site_name,
                .incarnation = options.incarnation,
                .edge = options.edge},
               *this),
      tracer_(options.site_id, options.site_name,
              value_of(router_id_of(options.site_id)) ^ options.incarnation, *this),
      surveyor_(value_of(router_id_of(options.site_id)) ^ options.incarnation, *this) {}

// ---- connectors

void Router::connector_added(const std::string& routing_key, std::uint32_t id, bool available) {
  if (const auto news = early_news_.extract(id); !news.empty()) available = news.mapped();
  connectors_.push_back({id, routing_key, available, LoadRef::make()});
  offer_connectors();
}

void Router::connector_available(std::uint32_t id, bool available) {
  const auto at = std::find_if(connectors_.begin(), connectors_.end(), [&](const Connector& c) { return c.id == id; });
  if (at == connectors_.end()) {
    early_news_[id] = available;
    return;
  }
  at->available = available;
  offer_connectors();
}

void Router::connector_removed(std::uint32_t id) {
  early_news_.erase(id);
  std::erase_if(connectors_, [&](const Connector& connector) { return connector.id == id; });
  offer_connectors();
}

void Router::offer_connectors() {
  LocalConnectors offered;
  for (const Connector& connector : connectors_) {
    if (connector.available) offered[connector.routing_key].push_back({connector.id, connector.load});
  }
  routing_.set_connectors(std::move(offered), transport_->now());
  changed_ = true;
}

// ---- links

void Router::link_up(const LinkNews& link) {
  LinkKind kind = LinkKind::kInterior;
  if (routing_.edge()) kind = LinkKind::kUplink;
  if (link.peer_is_edge) kind = LinkKind::kEdge;
  routing_.link_up(link.link,
                   {.site_id = link.site_id,
                    .site_name = link.site_name,
                    .kind = kind,
                    .cost = link.cost_told,
                    .peer_cost = link.peer_cost},
                   transport_->now());
  routing_.set_link_cost(link.link, link.cost, transport_->now());
  note_cost(link.link);
  changed_ = true;
}

void Router::link_down(std::uint32_t link) {
  routing_.link_down(link, transport_->now());
  changed_ = true;
}

void Router::link_reset(std::uint32_t link) {
  routing_.link_reset(link, transport_->now());
  changed_ = true;
}

void Router::set_link_cost(std::uint32_t link, std::uint32_t cost) {
  routing_.set_link_cost(link, cost, transport_->now());
  note_cost(link);
  changed_ = true;
}

void Router::note_cost(std::uint32_t link) {
  if (const std::uint32_t cost = routing_.link_cost(link); cost > 0) transport_->note_routing_cost(link, cost);
}

void Router::control_message(std::uint32_t link, std::span<const std::uint8_t> message) {
  const Instant now = transport_->now();
  const auto taken = is_trace(message)    ? tracer_.receive(link, message, *routing_.table(), now)
                     : is_survey(message) ? surveyor_.receive(link, message, *routing_.table(), now)
                                          : routing_.receive(link, message, now);
  if (!taken) log_warning("router message ignored: {}", taken.error().message);
  if (is_trace(message) || is_survey(message)) return arm_questions();
  note_cost(link);
  changed_ = true;
}

// ---- questions

std::uint64_t Router::begin_trace(const std::string& routing_key) {
  const std::uint64_t id = tracer_.begin(*routing_.table(), routing_key, transport_->now());
  arm_questions();
  return id;
}

std::uint64_t Router::begin_survey() {
  const std::uint64_t id = surveyor_.begin(*routing_.table(), transport_->now());
  arm_questions();
  return id;
}

void Router::send_survey(std::uint32_t link, std::vector<std::uint8_t> message) {
  transport_->send_control(link, std::move(message));
}

void Router::send_trace(std::uint32_t link, std::vector<std::uint8_t> message) {
  transport_->send_control(link, std::move(message));
}

void Router::try_server(std::uint32_t connector, std::uint64_t token) {
  transport_->try_server(connector, [this, token](std::string server, std::string error, Duration took) {
    tracer_.server_tried(token, std::move(server), std::move(error), took, transport_->kernel().now());
  });
}

void Router::on_question_due(Instant now) noexcept {
  tracer_.tick(now);
  surveyor_.tick(now);
  arm_questions();
}

void Router::arm_questions() {
  question_due_.cancel();
  const Instant due = std::min(tracer_.due(), surveyor_.due());
  if (due != Instant::max()) transport_->timers().arm(question_due_, due);
}

// ---- what follows

void Router::send(std::uint32_t link, std::vector<std::uint8_t> message) {
  transport_->send_control(link, std::move(message));
}

void Router::on_due(Instant now) noexcept {
  routing_.tick(now);
  changed_ = true;
}

// Not at every message: a table of a thousand routers takes milliseconds.
void Router::settled() {
  if (!std::exchange(changed_, false)) return;
  if (auto table = routing_.table(); table != published_) {
    published_ = table;
    transport_->set_forwarder(std::move(table));
  }
  due_.cancel();
  if (const Instant due = routing_.due(); due != Instant::max()) transport_->timers().arm(due_, due);
}

}  // namespace fairlead
