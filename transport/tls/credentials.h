// Credentials: a CA and, if there is one, our own certificate chain and key, ready for handshakes. Immutable: shared
// between threads, and kept by a handshake for as long as it runs, so that rotation replaces the object.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "transport/base/error.h"
#include "transport/tls/certificate_info.h"
#include "transport/tls/revocation.h"

struct WOLFSSL_CTX;

namespace fairlead {

// PEM texts, under the names that they have in a bundle: ca.crt, tls.crt, tls.key, ca.crl. Certificate and key go
// together and may both be empty (a dialler that presents no certificate); so may the list of what is revoked.
struct PemBundle {
  std::string ca;
  std::string cert;
  std::string key;
  std::string crl{};
};

// What is needed to verify a peer, and no more.
PemBundle without_certificate(const PemBundle& bundle);

class Credentials {
 public:
  // Whether there must be a CA. A server that asks its clients for no certificate needs none.
  enum class Trust : std::uint8_t { kNeeded, kOptional };

  // Fails with kCredentials and a sentence that says which of the three is missing, broken, expired or does not match.
  static Result<std::shared_ptr<const Credentials>> load(const PemBundle& bundle, Trust trust = Trust::kNeeded);

  ~Credentials();
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  bool has_certificate() const noexcept { return has_certificate_; }
  bool has_ca() const noexcept { return has_ca_; }
  const CertificateInfo& certificate() const noexcept { return certificate_; }  // ours; empty if there is none
  const CertificateInfo& ca() const noexcept { return ca_; }                    // the first in ca.crt; empty likewise
  // Of all texts of the bundle: the same only for the same bundle.
  const std::string& digest() const noexcept { return digest_; }
  static std::string digest_of(const PemBundle& bundle);
  // For peers that are in already; also what a handshake does not look at.
  const PeerJudge& peer_judge() const noexcept { return *judge_; }

 private:
  friend class Handshake;
  enum class Use { kServer, kClient, kAnonymousClient };

  Credentials() = default;
  Result<void> build(const PemBundle& bundle, Trust trust);
  Result<WOLFSSL_CTX*> make_context(const PemBundle& bundle, Use use) const;

  bool has_certificate_ = false;
  bool has_ca_ = false;
  CertificateInfo certificate_;
  CertificateInfo ca_;
  std::string digest_;
  std::optional<PeerJudge> judge_;
  WOLFSSL_CTX* server_ = nullptr;            // null without a certificate
  WOLFSSL_CTX* client_ = nullptr;            // presents the certificate if there is one
  WOLFSSL_CTX* anonymous_client_ = nullptr;  // never presents one
};

}  // namespace fairlead
