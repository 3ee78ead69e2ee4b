#include "tools/fairlead/metrics_server.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "router/site/http_reader.h"
#include "router/site/metrics.h"
#include "transport/resolver.h"

namespace fairlead {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kClientsMax = 16;
constexpr std::size_t kPieceBytes = 4096;
constexpr std::chrono::seconds kIdleMax{30};  // for a request, and for taking its answer
constexpr char kPath[] = "/metrics";

HttpResponse answer(const HttpRequest& request, const std::function<std::string()>& metrics) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, "only GET and HEAD\n", kPlainText, {{"Allow", "GET, HEAD"}}};
  }
  if (request.path() != kPath) return {404, "the metrics are at /metrics\n"};
  return {200, metrics(), kMetricsContentType};
}

}  // namespace

class MetricsServer::Client {
 public:
  Client(Fd fd, Clock::time_point now) : fd_(std::move(fd)), since_(now) {}

  int fd() const noexcept { return fd_.get(); }

  short events() const noexcept { return out_.empty() ? short{POLLIN} : short{POLLOUT}; }

  bool over() const noexcept { return over_; }

  Clock::time_point since() const noexcept { return since_; }

  void serve(const std::function<std::string()>& metrics, Clock::time_point now) {
    if (out_.empty()) read(now);
    while (!over_ && out_.empty()) {
      auto request = reader_.next();
      if (request && !*request) break;
      const HttpRequest asked = request ? std::move(**request) : HttpRequest();
      out_ = to_bytes(request ? answer(asked, metrics) : request.error(), asked);
      close_after_ = !asked.keep_alive;
      write(now);
    }
    write(now);
    if (now - since_ > kIdleMax) over_ = true;
  }

 private:
  void read(Clock::time_point now) {
    char piece[kPieceBytes];
    const ssize_t size = ::recv(fd(), piece, sizeof piece, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
      over_ = true;
      return;
    }
    // Only what is answered counts: a request that trickles in is bounded too.
    if (reader_.idle()) since_ = now;
    reader_.put({piece, static_cast<std::size_t>(size)});
  }

  void write(Clock::time_point now) {
    if (out_.empty() || over_) return;
    const ssize_t size = ::send(fd(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) {
      over_ = errno != EAGAIN && errno != EINTR;
      return;
    }
    since_ = now;
    out_.erase(0, static_cast<std::size_t>(size));
    if (out_.empty() && close_after_) over_ = true;
  }

  Fd fd_;
  Clock::time_point since_;  // it last got on
  HttpReader reader_{0};
  std::string out_;
  bool close_after_ = false;
  bool over_ = false;
};

MetricsServer::MetricsServer(Fd listening) : listening_(std::move(listening)) {}

MetricsServer::~MetricsServer() = default;

Result<std::unique_ptr<MetricsServer>> MetricsServer::open(const HostPort& address) {
  const std::string what = "metrics on " + to_string(address);
  const Address place = parse_literal(address.host == "localhost" ? "127.0.0.1" : address.host, address.port);
  if (place.size == 0) return fail(ErrorCode::kInvalid, what + ": no address to listen on");
  Fd listening(::socket(place.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening) return std::unexpected(error_from_errno(errno, what));
  const int on = 1;
  ::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listening.get(), place.get(), place.size) != 0 || ::listen(listening.get(), kClientsMax) != 0) {
    return std::unexpected(error_from_errno(errno, what));
  }
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(listening)));
}

void MetricsServer::add_to(std::vector<pollfd>& fds) const {
  fds.push_back(listening_.wanted());
  for (const auto& client : clients_)
    fds.push_back({client->fd(), client->events(), 0});
}

void MetricsServer::accept(Clock::time_point now) {
  for (std::size_t i = 0; i < kClientsMax; ++i) {
    Fd fd = listening_.accept();
    if (!fd) return;
    if (clients_.size() == kClientsMax) clients_.erase(std::ranges::min_element(clients_, {}, &Client::since));
    clients_.push_back(std::make_unique<Client>(std::move(fd), now));
  }
}

void MetricsServer::serve(const std::function<std::string()>& metrics) {
  const auto now = Clock::now();
  accept(now);
  for (const auto& client : clients_)
    client->serve(metrics, now);
  std::erase_if(clients_, [](const auto& client) { return client->over(); });
}

}  // namespace fairlead
