// PrivateKey: a P-256 or Ed25519 key pair of wolfCrypt, for making certificates. Included by .cc files of this folder
// only.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "transport/base/error.h"
#include "transport/tls/certificates.h"
#include "transport/tls/wolfssl.h"

namespace fairlead {

// wolfCrypt's random generator, seeded by the operating system.
class Random {
 public:
  static Result<std::unique_ptr<Random>> open();
  ~Random() { wc_FreeRng(&rng_); }
  Random(const Random&) = delete;
  Random& operator=(const Random&) = delete;

  WC_RNG* get() noexcept { return &rng_; }

 private:
  Random() = default;

  WC_RNG rng_{};
};

class PrivateKey {
 public:
  static Result<std::unique_ptr<PrivateKey>> generate(KeyKind kind, Random& random);
  static Result<std::unique_ptr<PrivateKey>> from_pem(const std::string& pem);
  ~PrivateKey();
  PrivateKey(const PrivateKey&) = delete;
  PrivateKey& operator=(const PrivateKey&) = delete;

  // PKCS#8.
  Result<std::string> to_pem();

  // The SubjectPublicKeyInfo of a certificate, DER.
  Result<std::string> public_der();
  // The AlgorithmIdentifier of our signatures, DER.
  std::string_view signature_algorithm() const noexcept;
  // Signs a TBSCertificate that names signature_algorithm(): the whole certificate, DER.
  Result<std::string> sign(std::string_view to_be_signed, Random& random);

 private:
  explicit PrivateKey(KeyKind kind) noexcept;
  int decode(const DerBuffer& der);

  KeyKind kind_;
  ecc_key ecc_{};
  ed25519_key ed25519_{};
};

// A DER element of one of wolfCrypt's PEM types (CERT_TYPE, PKCS8_PRIVATEKEY_TYPE) as PEM text.
Result<std::string> pem_of(std::span<const byte> der, int type);

}  // namespace fairlead
