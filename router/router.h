// Router: the routing of this site in the transport: carries the routing protocol's messages over links, tells the
// routing what happens to links and servers, and gives shards the tables that follow.
//
// Owner: Gateway. Control thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "router/network_view.h"
#include "router/routing/routing.h"
#include "router/routing/survey.h"
#include "router/routing/tracer.h"
#include "transport/transport.h"

namespace fairlead {

class Router final : public TransportEvents, private RoutingOutbox, private TracerHost, private SurveyHost {
 public:
  // Of the site whose transport it will be.
  explicit Router(const TransportOptions& options);

  // Before the transport's first event.
  void attach(Transport& transport) noexcept { transport_ = &transport; }

  // A connector of this site; `id` as in Route. It serves the key while it is available.
  void connector_added(const std::string& routing_key, std::uint32_t id, bool available);

  void link_up(const LinkNews& link) override;
  void link_down(std::uint32_t link) override;
  void link_reset(std::uint32_t link) override;
  void control_message(std::uint32_t link, std::span<const std::uint8_t> message) override;
  void connector_available(std::uint32_t connector, bool available) override;
  void connector_removed(std::uint32_t connector) override;
  void settled() override;

  // What this site wants for a link from now on; streams that are open stay where they are.
  void set_link_cost(std::uint32_t link, std::uint32_t cost);

  // Sends a trace where the next connection for the key would go; its id.
  std::uint64_t begin_trace(const std::string& routing_key);

  const TraceReport* trace_report(std::uint64_t id) const noexcept { return tracer_.report(id); }

  // Asks all interior routers what they measure; its id.
  std::uint64_t begin_survey();
  std::optional<NetworkSurvey> survey(std::uint64_t id) const;

  // The network as it looks from here.
  NetworkView view();

 private:
  struct Connector {
    std::uint32_t id = 0;
    std::string routing_key;
    bool available = false;
    LoadRef load;
  };

  void send(std::uint32_t link, std::vector<std::uint8_t> message) override;
  void send_trace(std::uint32_t link, std::vector<std::uint8_t> message) override;
  void try_server(std::uint32_t connector, std::uint64_t token) override;
  void send_survey(std::uint32_t link, std::vector<std::uint8_t> message) override;
  SurveyAnswer survey_here() const override;
  std::uint32_t open_here(std::string_view routing_key) const;
  void on_due(Instant now) noexcept;
  void on_question_due(Instant now) noexcept;
  void arm_questions();
  void offer_connectors();
  void note_cost(std::uint32_t link);
  void add_own_site(NetworkView& view) const;
  void add_sites(const RouteTable& table, NetworkView& view) const;
  void add_keys(const RouteTable& table, NetworkView& view) const;

  Transport* transport_ = nullptr;
  Routing routing_;
  Tracer tracer_;
  Surveyor surveyor_;
  std::vector<Connector> connectors_;
  std::map<std::uint32_t, bool> early_news_;  // of connectors that are not added yet
  std::shared_ptr<const RouteTable> published_;
  bool changed_ = false;  // since settled()

  TimerOf<&Router::on_due> due_{*this};
  TimerOf<&Router::on_question_due> question_due_{*this};  // of traces and surveys
};

}  // namespace fairlead
