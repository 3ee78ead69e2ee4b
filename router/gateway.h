// Gateway: a running site. Owns the transport (shards and control thread) and the routing on top of it, and is what
// `fairlead run` talks to. All calls may come from one thread that is none of the gateway's; they return when the
// gateway has taken the change over (a listener that is returned from add_listener is bound, or the call failed).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "router/network_view.h"
#include "router/routing/tracer.h"
#include "transport/base/error.h"
#include "transport/config.h"
#include "transport/link_tests.h"

namespace fairlead {

class Gateway {
 public:
  // Probes the kernel, reserves memory, starts the threads. Fails with a sentence that names what is missing.
  static Result<std::unique_ptr<Gateway>> start(const TransportOptions& options);
  // Ends everything at once (streams are reset) and joins the threads.
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  Result<void> add_access(const AccessConfig& access);
  Result<void> add_listener(const ListenerConfig& listener);
  Result<void> add_connector(const ConnectorConfig& connector);
  Result<void> add_link(const LinkConfig& link);

  // What is there and has this name, as it is to be from now on. On failure nothing has changed. Connections that are
  // open stay.
  Result<void> set_access(const AccessConfig& access);
  Result<void> set_listener(const ListenerConfig& listener);
  Result<void> set_connector(const ConnectorConfig& connector);
  Result<void> set_link(const LinkConfig& link);
  // Connections that came in by it, or go to its server, stay. Those over a link that ends, or over links that came in
  // by a router access that ends, have TransportOptions::leave_timeout; new ones go another way.
  Result<void> remove_access(const std::string& access);
  Result<void> remove_listener(const std::string& listener);
  Result<void> remove_connector(const std::string& connector);
  Result<void> remove_link(const std::string& link);
  // Of these, what TransportOptions::take_live() takes.
  void set_options(const TransportOptions& options);

  // From now on, and told to the other end; streams that are open stay where they are.
  Result<void> set_link_cost(const std::string& link, std::uint32_t cost);

  // For connections from now on. Sessions that are up get fresh connections without their streams noticing; those whose
  // peer the new ones do not trust, or which they revoke, end.
  Result<void> set_link_credentials(const std::string& link, std::shared_ptr<const Credentials> credentials);
  Result<void> set_access_credentials(const std::string& access, std::shared_ptr<const Credentials> credentials);
  // For status: why newer ones of a link or access are not in use; empty: there are none (any more).
  void note_refused_credentials(CredentialsUser user, const std::string& name, const std::string& why);

  // The newest snapshot; never null. A new one is made at least every 250 ms while something changed, and at once when
  // a link changes state.
  std::shared_ptr<const GatewayStatus> status() const;
  // An eventfd that becomes readable when status() changed; the reader reads 8 bytes to reset it.
  int status_fd() const;

  // The network as it looks from here. status() is then as new as this.
  NetworkView network() const;

  // Sends a probe where the next connection for the key would go, and returns its id.
  std::uint64_t begin_trace(const std::string& routing_key);
  // What it has found out so far; nothing if it was forgotten.
  std::optional<TraceReport> trace_report(std::uint64_t id) const;

  // Asks all interior routers what they measure, and returns its id.
  std::uint64_t begin_survey();
  std::optional<NetworkSurvey> survey(std::uint64_t id) const;

  // Measures a link that is up, by its name or that of the site at its other end, and returns the test's id.
  Result<std::uint64_t> begin_link_test(const std::string& name, const LinkTestPlan& plan);
  std::optional<LinkTestReport> link_test(std::uint64_t id) const;
  // Before its time.
  void end_link_test(std::uint64_t id);

  // Stops accepting and tells peers to open no more streams; streams that are open go on.
  void drain();
  // True once no application connection is left.
  bool drained() const;

 private:
  struct Impl;
  explicit Gateway(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead
