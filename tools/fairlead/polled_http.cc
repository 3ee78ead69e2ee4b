#include "tools/fairlead/polled_http.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

namespace fairlead {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kClientsMax = 16;
constexpr std::size_t kPieceBytes = 4096;
constexpr std::chrono::seconds kIdleMax{30};  // for a request, and for taking its answer
// Then a stream says no more until its client has read.
constexpr std::size_t kStreamBytesMax = 256 * 1024;

}  // namespace

class PolledHttp::Client {
 public:
  Client(Fd fd, Clock::time_point now, std::uint64_t body_bytes_max, bool admitted)
      : fd_(std::move(fd)), since_(now), reader_(body_bytes_max), admitted_(admitted) {}

  int fd() const noexcept { return fd_.get(); }

  short events() const noexcept {
    if (!out_.empty()) return POLLOUT;
    return streaming() ? short{0} : short{POLLIN};
  }

  bool over() const noexcept { return over_; }

  bool streaming() const noexcept { return stream_ != nullptr; }

  Clock::time_point since() const noexcept { return since_; }

  void serve(const HttpHandler& handler, Clock::time_point now) {
    if (out_.empty() && !streaming()) read(now);
    while (!over_ && out_.empty() && !streaming() && answer_next(handler))
      write(now);
    if (streaming() && out_.size() < kStreamBytesMax && !stream_->advance(out_)) stream_.reset();
    write(now);
    if (now - since_ > kIdleMax && (!streaming() || !out_.empty())) over_ = true;
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

  // False: there is no whole request yet.
  bool answer_next(const HttpHandler& handler) {
    auto request = reader_.next();
    if (request && !*request) return false;
    const HttpRequest asked = request ? std::move(**request) : HttpRequest();
    close_after_ = !asked.keep_alive;
    if (!request) {
      out_ = to_bytes(request.error(), asked);
    } else if (!admitted_) {
      close_after_ = true;
      out_ = to_bytes({403, "only the user that runs the gateway, and root\n"}, asked);
    } else {
      answer(handler(asked), asked);
    }
    return true;
  }

  void answer(HttpAnswer answer, const HttpRequest& asked) {
    if (auto* response = std::get_if<HttpResponse>(&answer)) {
      out_ = to_bytes(*response, asked);
      return;
    }
    close_after_ = true;
    out_ = stream_head(kLinesOfJson);
    stream_ = std::move(std::get<std::unique_ptr<HttpStream>>(answer));
  }

  void write(Clock::time_point now) {
    if (!out_.empty() && !over_) {
      const ssize_t size = ::send(fd(), out_.data(), out_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (size < 0) {
        over_ = errno != EAGAIN && errno != EINTR;
        return;
      }
      since_ = now;
      out_.erase(0, static_cast<std::size_t>(size));
    }
    if (out_.empty() && close_after_ && !streaming()) over_ = true;
  }

  Fd fd_;
  Clock::time_point since_;  // it last got on
  HttpReader reader_;
  const bool admitted_;
  std::string out_;
  std::unique_ptr<HttpStream> stream_;
  bool close_after_ = false;
  bool over_ = false;
};

PolledHttp::PolledHttp(Fd listening, std::uint64_t body_bytes_max, std::function<bool(int fd)> admits)
    : listening_(std::move(listening)), body_bytes_max_(body_bytes_max), admits_(std::move(admits)) {}

PolledHttp::~PolledHttp() = default;

void PolledHttp::add_to(std::vector<pollfd>& fds) const {
  fds.push_back(listening_.wanted());
  for (const auto& client : clients_)
    fds.push_back({client->fd(), client->events(), 0});
}

bool PolledHttp::streaming() const noexcept {
  return std::ranges::any_of(clients_, &Client::streaming);
}

void PolledHttp::accept(Clock::time_point now) {
  for (std::size_t i = 0; i < kClientsMax; ++i) {
    Fd fd = listening_.accept();
    if (!fd) return;
    if (clients_.size() == kClientsMax) clients_.erase(std::ranges::min_element(clients_, {}, &Client::since));
    const bool admitted = !admits_ || admits_(fd.get());
    clients_.push_back(std::make_unique<Client>(std::move(fd), now, body_bytes_max_, admitted));
  }
}

void PolledHttp::drop_clients() noexcept {
  clients_.clear();
}

void PolledHttp::serve(const HttpHandler& handler) {
  const auto now = Clock::now();
  accept(now);
  for (const auto& client : clients_)
    client->serve(handler, now);
  std::erase_if(clients_, [](const auto& client) { return client->over(); });
}

}  // namespace fairlead
