#include "tools/fairlead/handshake_trial.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

#include "tools/fairlead/resolve_now.h"
#include "transport/base/fd.h"
#include "transport/resolver.h"
#include "transport/tls/alert.h"
#include "transport/tls/post_handshake.h"
#include "transport/tls/record.h"

namespace fairlead {

namespace {

using Clock = std::chrono::steady_clock;
using Bytes = std::vector<std::uint8_t>;

// As a gateway's.
constexpr std::chrono::seconds kStepTimeout{5};
constexpr std::size_t kPieceBytes = 16 * 1024;

HandshakeTrial::Time since(Clock::time_point began) {
  return std::chrono::duration_cast<HandshakeTrial::Time>(Clock::now() - began);
}

// One connection, step by step; each has a deadline.
class Trial {
 public:
  explicit Trial(HandshakeTrial& found) : found_(found) {}

  // As a link: address after address, until one is good. What is told is of that one, or of the last.
  void run(const std::shared_ptr<const Credentials>& credentials, const ClientHandshakeOptions& options) {
    auto done = find();
    for (std::size_t i = 0; done && i < addresses_.size(); ++i) {
      done = try_address(addresses_[i], credentials, options);
      if (done) break;
      if (i + 1 < addresses_.size()) done = {};
    }
    if (done) {
      found_.step = TrialStep::kDone;
    } else {
      found_.error = done.error();
    }
  }

 private:
  Result<void> try_address(const Address& address, const std::shared_ptr<const Credentials>& credentials,
                           ClientHandshakeOptions options) {
    found_.chain.clear();
    auto done = connect_to(address);
    if (done) done = shake_hands(credentials, std::move(options));
    if (done) done = hear_verdict();
    return done;
  }

  Result<void> find() {
    const auto began = Clock::now();
    auto addresses = resolve_now(found_.endpoint);
    if (!addresses) return std::unexpected(addresses.error());
    found_.resolve = since(began);
    addresses_ = std::move(*addresses);
    for (const Address& address : addresses_)
      found_.addresses.push_back(to_string(address));
    return {};
  }

  Result<void> connect_to(const Address& address) {
    const std::string what = "connect to " + to_string(address);
    found_.step = TrialStep::kConnect;
    found_.address = to_string(address);
    const auto began = Clock::now();
    fd_ = Fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd_) return std::unexpected(error_from_errno(errno, what));
    begin_step();
    if (::connect(fd_.get(), address.get(), address.size) != 0) {
      if (errno != EINPROGRESS) return std::unexpected(error_from_errno(errno, what));
      if (auto ready = wait(POLLOUT, what); !ready) return ready;
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return std::unexpected(error_from_errno(error, what));
    found_.connect = since(began);
    return {};
  }

  Result<void> shake_hands(const std::shared_ptr<const Credentials>& credentials, ClientHandshakeOptions options) {
    found_.step = TrialStep::kHandshake;
    begin_step();
    options.host = found_.endpoint.host;
    options.peer = found_.address;
    const auto began = Clock::now();
    auto handshake = Handshake::client(credentials, std::move(options));
    if (!handshake) return std::unexpected(handshake.error());
    while (true) {
      if (auto sent = send(std::exchange((*handshake)->output(), {})); !sent) return sent;
      auto piece = receive("TLS handshake with " + found_.address);
      if (!piece) return std::unexpected(piece.error());
      if (piece->empty()) return std::unexpected((*handshake)->closed_by_peer());
      const auto progress = (*handshake)->feed(*piece);
      if (!progress || *progress == Handshake::Progress::kComplete) {
        const auto sent = send(std::exchange((*handshake)->output(), {}));
        if (!progress) return std::unexpected(progress.error());
        if (!sent) return sent;
        break;
      }
    }
    found_.handshake = since(began);
    tls_ = (*handshake)->take();
    found_.suite = tls_.suite;
    found_.group = tls_.group;
    found_.post_quantum = tls_.post_quantum;
    found_.alpn = tls_.alpn;
    for (const Der& certificate : tls_.peer_chain) {
      if (auto info = parse_certificate(certificate)) found_.chain.push_back(std::move(*info));
    }
    return {};
  }

  // Says close_notify: if our certificate is good enough, the other end says so as well, else why not.
  Result<void> hear_verdict() {
    found_.step = TrialStep::kVerdict;
    begin_step();
    RecordSealer sealer(tls_.suite, tls_.tx_secret, tls_.tx_sequence);
    Bytes record(kRecordOverhead + 64);
    record.resize(sealer.close_notify(record.data()));
    if (auto sent = send(record); !sent) return sent;
    RecordOpener opener(tls_.suite, tls_.rx_secret, tls_.rx_sequence);
    Bytes received = std::move(tls_.leftover);
    while (true) {
      const auto length = RecordOpener::peek(received.data(), received.size());
      if (!length) return std::unexpected(error_of(length.error()));
      if (*length == 0 || *length > received.size()) {
        auto piece = receive("the verdict of " + found_.address);
        if (!piece) return std::unexpected(piece.error());
        if (piece->empty()) {
          return fail(ErrorCode::kReset,
                      found_.address + " closed without a word on our certificate; its log says why");
        }
        received.insert(received.end(), piece->begin(), piece->end());
        continue;
      }
      const auto opened = opener.open(received.data(), *length);
      if (!opened) return std::unexpected(error_of(opened.error()));
      if (opened->type == ContentType::kAlert) return judge(*opened);
      received.erase(received.begin(), received.begin() + static_cast<std::ptrdiff_t>(*length));
    }
  }

  Result<void> judge(const RecordOpener::Opened& opened) const {
    const auto alert = PostHandshake::alert(opened.data, opened.size);
    if (!alert) return std::unexpected(error_of(alert.error()));
    if (alert->is_close_notify()) return {};
    return std::unexpected(error_of_alert(alert->description, "the other end, at " + found_.address + ","));
  }

  void begin_step() { deadline_ = Clock::now() + kStepTimeout; }

  Result<void> wait(short events, const std::string& what) const {
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
      pollfd entry{fd_.get(), events, 0};
      const int ready = left.count() <= 0 ? 0 : ::poll(&entry, 1, static_cast<int>(left.count()));
      if (ready > 0) return {};
      if (ready < 0 && errno == EINTR) continue;
      if (ready < 0) return std::unexpected(error_from_errno(errno, what));
      return fail(ErrorCode::kTimeout, what + ": no answer in time");
    }
  }

  Result<void> send(Bytes bytes) const {
    std::span<const std::uint8_t> rest(bytes);
    while (!rest.empty()) {
      const ssize_t size = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (size >= 0) {
        rest = rest.subspan(static_cast<std::size_t>(size));
      } else if (errno == EAGAIN) {
        if (auto ready = wait(POLLOUT, "connection with " + found_.address); !ready) return ready;
      } else if (errno == EPIPE || errno == ECONNRESET) {
        return {};  // what the peer said before is the better reason
      } else if (errno != EINTR) {
        return std::unexpected(error_from_errno(errno, "connection with " + found_.address));
      }
    }
    return {};
  }

  // Nothing at the end.
  Result<Bytes> receive(const std::string& what) const {
    while (true) {
      if (auto ready = wait(POLLIN, what); !ready) return std::unexpected(ready.error());
      Bytes piece(kPieceBytes);
      const ssize_t size = ::recv(fd_.get(), piece.data(), piece.size(), 0);
      if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (size < 0) return std::unexpected(error_from_errno(errno, what));
      piece.resize(static_cast<std::size_t>(size));
      return piece;
    }
  }

  HandshakeTrial& found_;
  std::vector<Address> addresses_;
  Fd fd_;
  Clock::time_point deadline_;
  HandshakeResult tls_;
};

}  // namespace

HandshakeTrial try_handshake(const HostPort& endpoint, const std::shared_ptr<const Credentials>& credentials,
                             const ClientHandshakeOptions& options) {
  HandshakeTrial found;
  found.endpoint = endpoint;
  Trial(found).run(credentials, options);
  return found;
}

}  // namespace fairlead
