#include "tools/fairlead/metrics_server.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <sstream>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <sys/socket.h>

#include "router/site/metrics.h"
#include "transport/resolver.h"

namespace fairlead {

namespace {

namespace http = boost::beast::http;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kClientsMax = 16;
constexpr std::uint32_t kHeaderBytesMax = 8192;
constexpr std::size_t kPieceBytes = 4096;
constexpr std::chrono::seconds kIdleMax{30};  // for a request, and for taking its answer
constexpr char kPath[] = "/metrics";

using Response = http::response<http::string_body>;

Response plain(http::status status, unsigned version, std::string text) {
  Response response(status, version);
  response.set(http::field::content_type, "text/plain; charset=utf-8");
  response.body() = std::move(text);
  return response;
}

Response answer(const http::request<http::empty_body>& request, const std::function<std::string()>& metrics) {
  const auto target = request.target();
  const auto path = target.substr(0, target.find('?'));
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    Response response = plain(http::status::method_not_allowed, request.version(), "only GET and HEAD\n");
    response.set(http::field::allow, "GET, HEAD");
    return response;
  }
  if (path != kPath) return plain(http::status::not_found, request.version(), "the metrics are at /metrics\n");
  Response response(http::status::ok, request.version());
  response.set(http::field::content_type, kMetricsContentType);
  response.body() = metrics();
  return response;
}

http::status status_of(const boost::beast::error_code& error) {
  if (error == http::error::header_limit) return http::status::request_header_fields_too_large;
  if (error == http::error::body_limit) return http::status::payload_too_large;
  return http::status::bad_request;
}

}  // namespace

class MetricsServer::Client {
 public:
  Client(Fd fd, Clock::time_point now) : fd_(std::move(fd)), since_(now) { begin(); }

  int fd() const noexcept { return fd_.get(); }

  short events() const noexcept { return out_.empty() ? short{POLLIN} : short{POLLOUT}; }

  bool over() const noexcept { return over_; }

  Clock::time_point since() const noexcept { return since_; }

  void serve(const std::function<std::string()>& metrics, Clock::time_point now) {
    if (out_.empty()) read(now);
    while (!over_ && out_.empty() && parse()) {
      const auto& request = parser_->get();
      Response response = answer(request, metrics);
      response.keep_alive(request.keep_alive());
      say(std::move(response), request.method() == http::verb::head);
      begin();
      write(now);
    }
    write(now);
    if (now - since_ > kIdleMax) over_ = true;
  }

 private:
  // A request that comes next.
  void begin() {
    parser_.emplace();
    parser_->header_limit(kHeaderBytesMax);
    parser_->body_limit(std::uint64_t{0});
    parser_->eager(true);
  }

  void read(Clock::time_point now) {
    char piece[kPieceBytes];
    const ssize_t size = ::recv(fd(), piece, sizeof piece, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
      over_ = true;
      return;
    }
    // Only what is answered counts: a request that trickles in is bounded too.
    if (in_.empty() && !parser_->got_some()) since_ = now;
    in_.append(piece, static_cast<std::size_t>(size));
  }

  // True: a whole request is there.
  bool parse() {
    if (in_.empty()) return false;
    boost::beast::error_code error;
    const std::size_t used = parser_->put(boost::asio::buffer(in_), error);
    in_.erase(0, used);
    if (error == http::error::need_more) return false;
    if (error) {
      Response response = plain(status_of(error), 11, error.message() + "\n");
      response.keep_alive(false);
      say(std::move(response), false);
      return false;
    }
    return parser_->is_done();
  }

  void say(Response response, bool head) {
    response.prepare_payload();
    close_after_ = !response.keep_alive();
    std::ostringstream text;
    text << response.base();
    out_ = text.str();
    if (!head) out_ += response.body();
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
  std::optional<http::request_parser<http::empty_body>> parser_;
  std::string in_;
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
