#include "transport/tls/handshake.h"

#include <algorithm>
#include <cstring>

#include "transport/base/check.h"
#include "transport/tls/alert.h"
#include "transport/tls/record.h"
#include "transport/tls/wolfssl.h"

namespace fairlead {

namespace {

std::string quoted(std::string_view text) {
  return std::string("'").append(text).append("'");
}

// The beginning of what came instead of TLS, fit for a message.
std::string excerpt(std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kShown = 24;
  std::string text;
  for (const std::uint8_t byte : bytes.first(std::min(bytes.size(), kShown))) {
    if (byte == '\r' || byte == '\n') break;
    text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
  }
  return quoted(text);
}

// A handshake begins with a plaintext record of a handshake message or an alert, version 3.x. Everything that is common
// on a wrong port (HTTP, SSH, TLS's older relatives) differs in the first two bytes.
bool may_be_tls(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return true;
  const auto type = static_cast<ContentType>(bytes[0]);
  if (type != ContentType::kHandshake && type != ContentType::kAlert) return false;
  return bytes.size() == 1 || bytes[1] == 3;
}

std::string suite_list(const std::vector<CipherSuite>& suites) {
  std::string list;
  for (const CipherSuite suite : suites)
    list.append(list.empty() ? "" : ":").append(name_of(suite));
  return list;
}

}  // namespace

class Handshake::Impl {
 public:
  Impl(std::shared_ptr<const Credentials> credentials, bool client, std::string peer, std::string alpn,
       bool alpn_required)
      : credentials_(std::move(credentials)),
        client_(client),
        peer_(std::move(peer)),
        alpn_(std::move(alpn)),
        alpn_required_(alpn_required && !alpn_.empty()) {}

  ~Impl() { close(); }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> open(WOLFSSL_CTX* context, const std::vector<CipherSuite>& suites, int verify_mode);

  void expect_host(std::string host) { host_ = std::move(host); }

  Result<void> name_server(const std::string& name);

  Result<Progress> feed(std::span<const std::uint8_t> received);
  Error closed_by_peer() const;

  std::vector<std::uint8_t>& output() noexcept { return output_; }

  HandshakeResult take();

 private:
  // What the verification of the peer's chain stumbled over.
  struct Refusal {
    int error = 0;
    std::optional<CertificateInfo> certificate;
  };

  static int on_receive(WOLFSSL* ssl, char* buffer, int size, void* context);
  static int on_send(WOLFSSL* ssl, char* buffer, int size, void* context);
  static int on_secret(WOLFSSL* ssl, int id, const unsigned char* secret, int size, void* context);
  static int on_verified(int accepted, WOLFSSL_X509_STORE_CTX* store);
  void keep_chain(std::span<const WOLFSSL_BUFFER_INFO> certificates);
  Result<void> check_revocation();

  Result<void> demand_common_protocol();
  Result<Progress> complete();
  Result<void> check_server();
  Result<void> collect();
  std::optional<CertificateInfo> peer_certificate() const;
  std::optional<std::string> negotiated_alpn() const;
  std::unexpected<Error> explain(int error) const;
  std::unexpected<Error> explain_refusal() const;
  void say_plain(AlertDescription description);
  void say_sealed(AlertDescription description);

  std::string who() const { return (client_ ? "peer at " : "client ") + peer_; }

  void close() noexcept;

  std::shared_ptr<const Credentials> credentials_;
  const bool client_;
  const std::string peer_;
  const std::string alpn_;
  const bool alpn_required_;
  std::string host_;
  WOLFSSL* ssl_ = nullptr;
  bool complete_ = false;
  bool protocol_demanded_ = false;

  std::vector<std::uint8_t> input_;
  std::size_t input_used_ = 0;   // wolfSSL has taken this much of input_
  std::size_t input_total_ = 0;  // that wolfSSL has taken over all
  std::vector<std::uint8_t> output_;

  TrafficSecret client_handshake_secret_;
  TrafficSecret server_handshake_secret_;
  TrafficSecret client_secret_;
  TrafficSecret server_secret_;
  std::optional<Refusal> refusal_;
  HandshakeResult result_;
};

Result<void> Handshake::Impl::open(WOLFSSL_CTX* context, const std::vector<CipherSuite>& suites, int verify_mode) {
  ssl_ = wolfSSL_new(context);
  if (ssl_ == nullptr) return fail(ErrorCode::kLimit, "out of memory for a TLS handshake");
  wolfSSL_SSLSetIORecv(ssl_, on_receive);
  wolfSSL_SSLSetIOSend(ssl_, on_send);
  wolfSSL_SetIOReadCtx(ssl_, this);
  wolfSSL_SetIOWriteCtx(ssl_, this);
  wolfSSL_set_verify(ssl_, verify_mode, on_verified);
  wolfSSL_SetCertCbCtx(ssl_, this);
  std::string alpn = alpn_;
  const unsigned char mismatch = alpn_required_ ? WOLFSSL_ALPN_FAILED_ON_MISMATCH : WOLFSSL_ALPN_CONTINUE_ON_MISMATCH;
  const auto add_alpn = [&] {
    return wolfSSL_UseALPN(ssl_, alpn.data(), static_cast<unsigned>(alpn.size()), mismatch) == WOLFSSL_SUCCESS;
  };
  if (wolfSSL_set_tls13_secret_cb(ssl_, on_secret, this) != WOLFSSL_SUCCESS ||
      wolfSSL_set_cipher_list(ssl_, suite_list(suites).c_str()) != WOLFSSL_SUCCESS || (!alpn.empty() && !add_alpn())) {
    return fail(ErrorCode::kUnsupported, "this wolfSSL does not take our cipher suites or protocol name");
  }
  return {};
}

Result<void> Handshake::Impl::name_server(const std::string& name) {
  const auto size = static_cast<unsigned short>(std::min<std::size_t>(name.size(), UINT16_MAX));
  if (wolfSSL_UseSNI(ssl_, WOLFSSL_SNI_HOST_NAME, name.data(), size) == WOLFSSL_SUCCESS) return {};
  return fail(ErrorCode::kUnsupported, "this wolfSSL cannot tell the server's name");
}

int Handshake::Impl::on_receive(WOLFSSL*, char* buffer, int size, void* context) {
  auto& self = *static_cast<Impl*>(context);
  // wolfSSL asks for a record's header, then for its body, and for nothing ahead: what is left at the end of the
  // handshake is not its business.
  const std::size_t count = std::min(static_cast<std::size_t>(size), self.input_.size() - self.input_used_);
  if (count == 0) return WOLFSSL_CBIO_ERR_WANT_READ;
  std::memcpy(buffer, self.input_.data() + self.input_used_, count);
  self.input_used_ += count;
  self.input_total_ += count;
  return static_cast<int>(count);
}

int Handshake::Impl::on_send(WOLFSSL*, char* buffer, int size, void* context) {
  auto& output = static_cast<Impl*>(context)->output_;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(buffer);
  output.insert(output.end(), bytes, bytes + size);
  return size;
}

int Handshake::Impl::on_secret(WOLFSSL*, int id, const unsigned char* secret, int size, void* context) {
  auto& self = *static_cast<Impl*>(context);
  if (size < 0 || static_cast<std::size_t>(size) > TrafficSecret::kSizeMax) return BUFFER_E;
  const TrafficSecret copy({secret, static_cast<std::size_t>(size)});
  switch (id) {
    case CLIENT_HANDSHAKE_TRAFFIC_SECRET:
      self.client_handshake_secret_ = copy;
      break;
    case SERVER_HANDSHAKE_TRAFFIC_SECRET:
      self.server_handshake_secret_ = copy;
      break;
    case CLIENT_TRAFFIC_SECRET:
      self.client_secret_ = copy;
      break;
    case SERVER_TRAFFIC_SECRET:
      self.server_secret_ = copy;
      break;
    default:
      break;
  }
  return 0;
}

int Handshake::Impl::on_verified(int accepted, WOLFSSL_X509_STORE_CTX* store) {
  auto& self = *static_cast<Impl*>(store->userCtx);
  if (accepted != 0) {
    // The peer's own certificate comes last, when all of the chain is there.
    if (store->error_depth == 0) self.keep_chain({store->certs, static_cast<std::size_t>(store->totalCerts)});
    return accepted;
  }
  Refusal refusal{store->error, std::nullopt};
  if (store->certs != nullptr && store->error_depth >= 0 && store->error_depth < store->totalCerts) {
    const WOLFSSL_BUFFER_INFO& certificate = store->certs[store->error_depth];
    if (auto info = parse_certificate({certificate.buffer, certificate.length})) refusal.certificate = *std::move(info);
  }
  self.refusal_ = std::move(refusal);
  return 0;
}

void Handshake::Impl::keep_chain(std::span<const WOLFSSL_BUFFER_INFO> certificates) {
  result_.peer_chain.clear();
  for (const WOLFSSL_BUFFER_INFO& certificate : certificates)
    result_.peer_chain.emplace_back(certificate.buffer, certificate.buffer + certificate.length);
}

Result<Handshake::Progress> Handshake::Impl::feed(std::span<const std::uint8_t> received) {
  CHECK(ssl_ != nullptr && !complete_);
  input_.insert(input_.end(), received.begin(), received.end());
  if (input_total_ == 0 && !may_be_tls(input_)) {
    return fail(
        ErrorCode::kTlsNotTls,
        who() + (client_ ? " does not speak TLS (received " : " speaks plain text (got ") + excerpt(input_) + ")");
  }
  const int result = client_ ? wolfSSL_connect(ssl_) : wolfSSL_accept(ssl_);
  const int error = result == WOLFSSL_SUCCESS ? 0 : wolfSSL_get_error(ssl_, result);
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(input_used_));
  input_used_ = 0;
  if (error != 0 && error != WOLFSSL_ERROR_WANT_READ) return explain(error);
  if (auto agreed = demand_common_protocol(); !agreed) return std::unexpected(std::move(agreed.error()));
  if (error == 0) return complete();
  if (input_total_ > kReceivedMax) {
    return fail(ErrorCode::kTlsFailed, who() + " sent more than " + std::to_string(kReceivedMax) +
                                           " bytes without coming to the end of the TLS handshake");
  }
  return Progress::kNeedMore;
}

// A client that offers protocols without ours among them is refused by wolfSSL; one that offers none at all is not, so
// it is refused here: when the answer to its hello is made but not sent, and an alert can still go out in the clear.
Result<void> Handshake::Impl::demand_common_protocol() {
  if (client_ || !alpn_required_ || protocol_demanded_ || server_handshake_secret_.empty()) return {};
  protocol_demanded_ = true;
  if (negotiated_alpn()) return {};
  say_plain(AlertDescription::kNoApplicationProtocol);
  return fail(ErrorCode::kTlsFailed, "no common protocol: " + who() + " offers no ALPN " + alpn_);
}

Result<Handshake::Progress> Handshake::Impl::complete() {
  if (client_) {
    if (auto good = check_server(); !good) return std::unexpected(std::move(good.error()));
  }
  if (auto good = check_revocation(); !good) return std::unexpected(std::move(good.error()));
  if (auto collected = collect(); !collected) return std::unexpected(std::move(collected.error()));
  complete_ = true;
  close();
  return Progress::kComplete;
}

// wolfSSL has verified the server's chain and its possession of the key. Its last flight is made but not sent: a server
// that is not the right one gets an alert instead, and does not see our certificate.
Result<void> Handshake::Impl::check_server() {
  const auto certificate = peer_certificate();
  if (!certificate) {
    say_sealed(AlertDescription::kInternalError);
    return fail(ErrorCode::kTlsFailed, who() + ": its certificate cannot be read");
  }
  if (!host_.empty() && !is_valid_for_host(*certificate, host_)) {
    say_sealed(AlertDescription::kBadCertificate);
    return fail(ErrorCode::kTlsName, "certificate of " + peer_ + " is not valid for host " + quoted(host_) +
                                         " (it names: " + certificate->names() + ")");
  }
  if (alpn_required_ && !negotiated_alpn()) {
    say_sealed(AlertDescription::kNoApplicationProtocol);
    return fail(ErrorCode::kTlsFailed, "no common protocol: " + who() + " does not choose ALPN " + alpn_);
  }
  return {};
}

// By the lists of our credentials, which wolfSSL was not given: it would refuse whoever has a CA without a list.
Result<void> Handshake::Impl::check_revocation() {
  if (!credentials_->peer_judge().has_lists()) return {};
  auto judged = credentials_->peer_judge().judge(result_.peer_chain);
  if (judged) return {};
  say_sealed(AlertDescription::kCertificateRevoked);
  return fail(judged.error().code, who() + ": " + judged.error().message);
}

Result<void> Handshake::Impl::collect() {
  const auto suite = cipher_suite_with_id(static_cast<std::uint16_t>(wolfSSL_get_current_cipher_suite(ssl_)));
  // wolfSSL returns 1 here for a number of 0; only a negative value is an error.
  word64 tx_sequence = 0;
  word64 rx_sequence = 0;
  if (!suite || client_secret_.bytes().size() != hash_size(*suite) ||
      server_secret_.bytes().size() != hash_size(*suite) || wolfSSL_GetSequenceNumber(ssl_, &tx_sequence) < 0 ||
      wolfSSL_GetPeerSequenceNumber(ssl_, &rx_sequence) < 0) {
    return fail(ErrorCode::kTlsFailed, who() + ": wolfSSL does not tell the session's keys");
  }
  result_.suite = *suite;
  result_.tx_secret = client_ ? client_secret_ : server_secret_;
  result_.rx_secret = client_ ? server_secret_ : client_secret_;
  result_.tx_sequence = tx_sequence;
  result_.rx_sequence = rx_sequence;
  result_.peer_certificate = peer_certificate();
  result_.alpn = negotiated_alpn().value_or("");
  const char* const group = wolfSSL_get_curve_name(ssl_);
  result_.group = group != nullptr ? group : "";
  result_.post_quantum = result_.group.find("MLKEM") != std::string::npos;
  return {};
}

std::optional<CertificateInfo> Handshake::Impl::peer_certificate() const {
  WOLFSSL_X509* const certificate = wolfSSL_get_peer_certificate(ssl_);
  if (certificate == nullptr) return std::nullopt;
  int size = 0;
  const unsigned char* const der = wolfSSL_X509_get_der(certificate, &size);
  std::optional<CertificateInfo> result;
  if (der != nullptr && size > 0) {
    if (auto info = parse_certificate({der, static_cast<std::size_t>(size)})) result = *std::move(info);
  }
  wolfSSL_X509_free(certificate);
  return result;
}

std::optional<std::string> Handshake::Impl::negotiated_alpn() const {
  char* name = nullptr;
  unsigned short size = 0;
  if (wolfSSL_ALPN_GetProtocol(ssl_, &name, &size) != WOLFSSL_SUCCESS) return std::nullopt;
  return std::string(name, size);
}

std::unexpected<Error> Handshake::Impl::explain(int error) const {
  if (refusal_) return explain_refusal();
  WOLFSSL_ALERT_HISTORY alerts{};
  wolfSSL_get_alert_history(ssl_, &alerts);
  if (alerts.last_rx.code >= 0) {
    return std::unexpected(error_of_alert(static_cast<std::uint8_t>(alerts.last_rx.code), who()));
  }
  switch (error) {
    case NO_PEER_CERT:
      return fail(ErrorCode::kTlsNoCertificate, who() + " presented no certificate");
    case VERSION_ERROR:
      return fail(ErrorCode::kTlsNotTls, who() + " does not speak TLS 1.3");
    case UNKNOWN_ALPN_PROTOCOL_NAME_E:
      return fail(ErrorCode::kTlsFailed,
                  "no common protocol: " + who() + (client_ ? " does not choose ALPN " : " offers no ALPN ") + alpn_);
    case MATCH_SUITE_ERROR:
      return fail(ErrorCode::kTlsFailed, "no cipher suite in common with " + who());
    default:
      return fail(ErrorCode::kTlsFailed, "TLS handshake with " + who() + " failed: " + wolfssl_error_text(error));
  }
}

std::unexpected<Error> Handshake::Impl::explain_refusal() const {
  const std::string subject = "certificate of " + peer_;
  const CertificateInfo unknown;
  const CertificateInfo& certificate = refusal_->certificate ? *refusal_->certificate : unknown;
  switch (refusal_->error) {
    case ASN_AFTER_DATE_E:
      return fail(ErrorCode::kTlsExpired, subject + " expired on " + format_date(certificate.not_after_unix_s));
    case ASN_BEFORE_DATE_E:
      return fail(ErrorCode::kTlsExpired,
                  subject + " is not valid before " + format_date(certificate.not_before_unix_s));
    case ASN_NO_SIGNER_E:
      return fail(ErrorCode::kTlsUntrusted, subject + " is signed by an unknown CA (" + quoted(certificate.issuer) +
                                                "; ours is " + quoted(credentials_->ca().subject) + ")");
    case ASN_SIG_CONFIRM_E:
      return fail(ErrorCode::kTlsUntrusted,
                  subject + " is not signed by our CA " + quoted(credentials_->ca().subject) + ", although it says so");
    case EXTKEYUSE_AUTH_E:
      return fail(ErrorCode::kTlsUntrusted,
                  subject + (client_ ? " is not one for a server" : " is not one for a client"));
    default:
      return fail(ErrorCode::kTlsUntrusted, subject + " cannot be verified: " + wolfssl_error_text(refusal_->error));
  }
}

void Handshake::Impl::say_plain(AlertDescription description) {
  output_ = {static_cast<std::uint8_t>(ContentType::kAlert), 3, 3, 0, 2, kAlertFatal,
             static_cast<std::uint8_t>(description)};
}

// A client: in place of its last flight, under the keys that it would have gone out with. A server has said all of its
// handshake, and goes on with the keys that follow. Either way this is the first record under them.
void Handshake::Impl::say_sealed(AlertDescription description) {
  output_.clear();
  const TrafficSecret& secret = client_ ? client_handshake_secret_ : server_secret_;
  const auto suite = cipher_suite_with_id(static_cast<std::uint16_t>(wolfSSL_get_current_cipher_suite(ssl_)));
  if (!suite || secret.bytes().size() != hash_size(*suite)) return;
  RecordSealer sealer(*suite, secret, 0);
  output_.resize(kAlertRecord);
  output_.resize(sealer.alert(output_.data(), kAlertFatal, description));
}

Error Handshake::Impl::closed_by_peer() const {
  if (input_total_ == 0) {
    return {ErrorCode::kReset,
            who() + " closed the connection before the TLS handshake" + (client_ ? ": it may not speak TLS" : "")};
  }
  return {ErrorCode::kReset, who() + " closed the connection during the TLS handshake"};
}

HandshakeResult Handshake::Impl::take() {
  CHECK(complete_);
  result_.leftover = std::move(input_);
  return std::move(result_);
}

void Handshake::Impl::close() noexcept {
  if (ssl_ != nullptr) wolfSSL_free(ssl_);
  ssl_ = nullptr;
}

Handshake::Handshake(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

Handshake::~Handshake() = default;

Result<std::unique_ptr<Handshake>> Handshake::client(std::shared_ptr<const Credentials> credentials,
                                                     ClientHandshakeOptions options) {
  WOLFSSL_CTX* const context = options.present_certificate ? credentials->client_ : credentials->anonymous_client_;
  auto impl = std::make_unique<Impl>(std::move(credentials), true, std::move(options.peer), std::move(options.alpn),
                                     options.alpn_required);
  impl->expect_host(std::move(options.host));
  if (auto opened = impl->open(context, options.suites, WOLFSSL_VERIFY_PEER); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  if (!options.server_name.empty()) {
    if (auto named = impl->name_server(options.server_name); !named) return std::unexpected(std::move(named.error()));
  }
  if (auto begun = impl->feed({}); !begun) return std::unexpected(std::move(begun.error()));
  return std::unique_ptr<Handshake>(new Handshake(std::move(impl)));
}

Result<std::unique_ptr<Handshake>> Handshake::server(std::shared_ptr<const Credentials> credentials,
                                                     ServerHandshakeOptions options) {
  WOLFSSL_CTX* const context = credentials->server_;
  if (context == nullptr) {
    return fail(ErrorCode::kCredentials, "tls.crt and tls.key are missing: they are needed to accept connections");
  }
  const int verify_mode =
      options.ask_for_certificate
          ? WOLFSSL_VERIFY_PEER | (options.allow_anonymous ? 0 : WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT)
          : WOLFSSL_VERIFY_NONE;
  auto impl = std::make_unique<Impl>(std::move(credentials), false, std::move(options.peer), std::move(options.alpn),
                                     options.alpn_required);
  if (auto opened = impl->open(context, options.suites, verify_mode); !opened) {
    return std::unexpected(std::move(opened.error()));
  }
  return std::unique_ptr<Handshake>(new Handshake(std::move(impl)));
}

Result<Handshake::Progress> Handshake::feed(std::span<const std::uint8_t> received) {
  return impl_->feed(received);
}

Error Handshake::closed_by_peer() const {
  return impl_->closed_by_peer();
}

std::vector<std::uint8_t>& Handshake::output() noexcept {
  return impl_->output();
}

HandshakeResult Handshake::take() {
  return impl_->take();
}

}  // namespace fairlead
