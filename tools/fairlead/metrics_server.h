// Serves GET /metrics over plain HTTP, for Prometheus, where the Site's spec.metrics says. Whoever reaches the port may
// read; nobody can change anything there. Clients are bounded in number, time and memory: one too many takes the place
// of the one that has been idle for the longest.
//
// Main thread only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>

#include "tools/fairlead/polled_listener.h"
#include "transport/base/error.h"
#include "transport/base/fd.h"
#include "transport/config.h"

namespace fairlead {

class MetricsServer {
 public:
  static Result<std::unique_ptr<MetricsServer>> open(const HostPort& address);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // What to wait for.
  void add_to(std::vector<pollfd>& fds) const;

  // Then serve() has to come again within a second or so, whatever happens.
  bool waiting() const noexcept { return !clients_.empty() || listening_.paused(); }

  // Does what can be done without waiting. `metrics` gives the text, and is called for each request for it.
  void serve(const std::function<std::string()>& metrics);

 private:
  class Client;

  explicit MetricsServer(Fd listening);
  void accept(std::chrono::steady_clock::time_point now);

  PolledListener listening_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace fairlead
