// Handshake: one TLS 1.3 handshake as a state machine over byte buffers: bytes in, bytes out, no descriptor, no clock
// but the certificates' dates. Its product are the traffic secrets; records are protected by others (record.h, the
// kernel).
//
// A handshake costs a good part of a millisecond of computing: feed() is not for a shard's hot turn. One thread at a
// time touches it; it may be handed from thread to thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "transport/base/error.h"
#include "transport/tls/certificate_info.h"
#include "transport/tls/cipher.h"
#include "transport/tls/credentials.h"
#include "transport/tls/secret.h"

namespace fairlead {

inline constexpr char kLinkAlpn[] = "fairlead/1";

struct ClientHandshakeOptions {
  std::string host{};  // name or IP literal that the server's certificate must be valid for; empty: any name will do
  std::string server_name{};  // told to the server, which may have several certificates (RFC 6066 3); a literal is not
  std::string peer{};  // "10.0.0.1:55671"; for messages only
  std::string alpn = kLinkAlpn;  // empty: none
  bool alpn_required = true;     // false: a peer that does not know it is good enough
  bool present_certificate = true;
  std::vector<CipherSuite> suites = default_suites();  // most wanted first
};

struct ServerHandshakeOptions {
  std::string peer{};
  std::string alpn = kLinkAlpn;  // empty: none, whatever the client offers
  bool alpn_required = true;
  bool ask_for_certificate = true;
  bool allow_anonymous = false;  // take a client without a certificate; one that is presented is verified all the same
  std::vector<CipherSuite> suites = default_suites();  // ours decides
};

struct HandshakeResult {
  CipherSuite suite = CipherSuite::kAes128Gcm;
  TrafficSecret tx_secret;
  TrafficSecret rx_secret;
  std::uint64_t tx_sequence = 0;
  std::uint64_t rx_sequence = 0;
  std::optional<CertificateInfo> peer_certificate;
  std::vector<Der> peer_chain;  // as the peer sent it, its own certificate first
  std::string alpn;
  std::string group;                   // of the key exchange, "X25519"
  bool post_quantum = false;           // a key exchange that a quantum computer does not break
  std::vector<std::uint8_t> leftover;  // received bytes behind the handshake: the beginning of the records
};

class Handshake {
 public:
  enum class Progress : std::uint8_t { kNeedMore, kComplete };

  // Received bytes that a handshake may take in all: certificate chains fit many times over.
  static constexpr std::size_t kReceivedMax = 128 * 1024;

  // The client's first message is in output() at once.
  static Result<std::unique_ptr<Handshake>> client(std::shared_ptr<const Credentials> credentials,
                                                   ClientHandshakeOptions options);
  static Result<std::unique_ptr<Handshake>> server(std::shared_ptr<const Credentials> credentials,
                                                   ServerHandshakeOptions options);
  ~Handshake();
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  // Takes what was received and goes on as far as that allows. Whatever it returns, output() may hold bytes to send:
  // after an error an alert, to be sent before closing. Not called again after an error or kComplete.
  Result<Progress> feed(std::span<const std::uint8_t> received);

  // What to say when the peer closes the connection before the handshake is complete.
  Error closed_by_peer() const;

  // Bytes to send; the caller clears what it has taken. After kComplete they go out before the first record.
  std::vector<std::uint8_t>& output() noexcept;

  // Once, after kComplete.
  HandshakeResult take();

 private:
  class Impl;
  explicit Handshake(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead
