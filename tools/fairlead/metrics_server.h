// Serves GET /metrics over plain HTTP, for Prometheus, where the Site's spec.metrics says. Whoever reaches the port may
// read; nobody can change anything there.
//
// Main thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>

#include "tools/fairlead/polled_http.h"
#include "transport/base/error.h"
#include "transport/base/fd.h"
#include "transport/config.h"

namespace fairlead {

class MetricsServer {
 public:
  static Result<std::unique_ptr<MetricsServer>> open(const HostPort& address);

  void add_to(std::vector<pollfd>& fds) const { http_.add_to(fds); }

  bool waiting() const noexcept { return http_.waiting(); }

  // `metrics` gives the text, and is called for each request for it.
  void serve(const std::function<std::string()>& metrics);

 private:
  explicit MetricsServer(Fd listening) : http_(std::move(listening), 0) {}

  PolledHttp http_;
};

}  // namespace fairlead
