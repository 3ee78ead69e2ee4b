#include "tools/fairlead/metrics_server.h"

#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "router/site/metrics.h"
#include "transport/resolver.h"

namespace fairlead {

namespace {

constexpr int kBacklog = 16;
constexpr char kPath[] = "/metrics";

HttpResponse answer(const HttpRequest& request, const std::function<std::string()>& metrics) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, "only GET and HEAD\n", kPlainText, {{"Allow", "GET, HEAD"}}};
  }
  if (request.path() != kPath) return {404, "the metrics are at /metrics\n"};
  return {200, metrics(), kMetricsContentType};
}

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::open(const HostPort& address) {
  const std::string what = "metrics on " + to_string(address);
  const Address place = parse_literal(address.host == "localhost" ? "127.0.0.1" : address.host, address.port);
  if (place.size == 0) return fail(ErrorCode::kInvalid, what + ": no address to listen on");
  Fd listening(::socket(place.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening) return std::unexpected(error_from_errno(errno, what));
  const int on = 1;
  ::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listening.get(), place.get(), place.size) != 0 || ::listen(listening.get(), kBacklog) != 0) {
    return std::unexpected(error_from_errno(errno, what));
  }
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(listening)));
}

void MetricsServer::serve(const std::function<std::string()>& metrics) {
  http_.serve([&](const HttpRequest& request) { return answer(request, metrics); });
}

}  // namespace fairlead
