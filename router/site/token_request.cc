#include "router/site/token_request.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "router/site/base64.h"
#include "transport/tls/certificates.h"
#include "transport/tls/handshake.h"

namespace fairlead {

namespace {

constexpr std::uint64_t kAnswerBytesMax = 256 * 1024;
constexpr char kHttpAlpn[] = "http/1.1";
constexpr std::size_t kReasonShown = 200;

// What the server says, fit for a message.
std::string first_line(std::string_view text) {
  std::string line(text.substr(0, std::min(text.find('\n'), kReasonShown)));
  std::ranges::replace_if(
      line, [](char c) { return c < ' ' || c >= 0x7f; }, '?');
  return line.empty() ? "without a reason" : line;
}

// Not that the server is busy, or cannot at the moment.
bool is_final(unsigned status) {
  return status >= 300 && status < 500 && status != 408 && status != 429;
}

}  // namespace

TokenRequest::TokenRequest(SideLoop& loop, Resolver& resolver, const AccessToken& token, std::string key,
                           std::string subject, std::function<void(Outcome)> done)
    : loop_(loop),
      resolver_(resolver),
      name_(token.metadata.name),
      code_(token.code),
      ca_(token.ca),
      key_(std::move(key)),
      subject_(std::move(subject)),
      done_(std::move(done)) {
  if (auto url = parse_token_url(token.url)) url_ = std::move(*url);
  loop_.timers().arm(start_, loop_.now());
  loop_.timers().arm(deadline_, loop_.now() + kTimeout);
}

TokenRequest::~TokenRequest() {
  *alive_ = false;
}

std::string TokenRequest::server() const {
  return to_string(url_.endpoint);
}

void TokenRequest::on_start(Instant) noexcept {
  start();
}

void TokenRequest::start() noexcept {
  auto credentials = Credentials::load({ca_, {}, {}});
  if (!credentials) return finish(std::unexpected(TokenFailure{"the token's " + credentials.error().message, true}));
  credentials_ = std::move(*credentials);
  auto text = request_text();
  if (!text) return finish(std::unexpected(TokenFailure{text.error().message, true}));
  request_ = std::move(*text);
  resolver_.resolve(url_.endpoint, loop_.now(), [this, alive = alive_](Result<std::vector<Address>> addresses) {
    if (!*alive || !done_) return;
    if (!addresses) return finish(std::unexpected(TokenFailure{addresses.error().message}));
    addresses_ = std::move(*addresses);
    connect_to_next();
  });
}

Result<std::string> TokenRequest::request_text() const {
  const auto signing_request = make_signing_request(key_, subject_);
  if (!signing_request) return signing_request;
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: fairlead\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n"
      "Connection: close\r\nname: {}\r\nsubject: {}\r\ncertificate-request: {}\r\n\r\n{}",
      url_.target, to_string(url_.endpoint), code_.size(), name_, subject_, encode_base64(*signing_request), code_);
}

void TokenRequest::connect_to_next() {
  const Address& address = addresses_[next_++];
  const int fd = loop_.kernel().open_socket(address.family());
  if (fd < 0) return finish(std::unexpected(TokenFailure{error_from_errno(-fd, "socket").message}));
  reader_.emplace(kAnswerBytesMax);
  auto& socket = *sockets_.emplace_back(std::make_unique<TlsSocket>(
      loop_, static_cast<TlsSocket::Owner&>(*this), Socket(loop_.kernel(), fd), address, credentials_,
      ClientHandshakeOptions{.host = url_.endpoint.host,
                             .peer = to_string(address),
                             .alpn = kHttpAlpn,
                             .alpn_required = false,
                             .present_certificate = false}));
  socket.send(request_);
}

void TokenRequest::received(TlsSocket& socket, std::string_view text) {
  auto answer = reader_->put(text);
  if (!answer) {
    socket.end_at_once();
    return finish(std::unexpected(TokenFailure{fmt::format("{}: {}", server(), answer.error()), true}));
  }
  if (!*answer) return;
  socket.finish();
  take(**answer);
}

void TokenRequest::ended(TlsSocket&, const std::optional<Error>& error) {
  if (!error) {
    const auto answer = reader_->end();
    if (answer) return take(*answer);
    return finish(std::unexpected(TokenFailure{fmt::format("{}: {}", server(), answer.error())}));
  }
  if (error->code != ErrorCode::kReset && next_ < addresses_.size()) return connect_to_next();
  // The name or CA of the token does not fit: that stays so.
  const bool final = error->code == ErrorCode::kTlsName || error->code == ErrorCode::kTlsUntrusted;
  finish(std::unexpected(TokenFailure{error->message, final}));
}

void TokenRequest::take(const HttpResponse& response) {
  if (response.status == 200) return finish(response.body);
  finish(std::unexpected(
      TokenFailure{fmt::format("{} answers {}: {}", server(), response.status, first_line(response.body)),
                   is_final(response.status)}));
}

void TokenRequest::on_deadline(Instant) noexcept {
  for (const auto& socket : sockets_)
    socket->end_at_once();
  finish(std::unexpected(
      TokenFailure{fmt::format("{} gave no answer within {} s", server(), kTimeout.milliseconds() / 1000)}));
}

void TokenRequest::finish(Outcome outcome) {
  start_.cancel();
  deadline_.cancel();
  if (const auto done = std::exchange(done_, nullptr)) done(std::move(outcome));
}

void TokenRequest::end() noexcept {
  done_ = nullptr;
  start_.cancel();
  deadline_.cancel();
  for (const auto& socket : sockets_)
    socket->end_at_once();
}

bool TokenRequest::over() const noexcept {
  return !done_ && std::ranges::all_of(sockets_, [](const auto& socket) { return socket->over(); });
}

}  // namespace fairlead
