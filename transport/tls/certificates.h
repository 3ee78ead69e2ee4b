// Making CAs and certificates: what a site that accepts links does when it was given none, and `fairlead link
// generate`. Everything is PEM text in and out; writing files, with their modes, is up to the caller. Not for a hot
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "transport/base/error.h"
#include "transport/tls/credentials.h"

namespace fairlead {

// Ed25519 signatures all have one length, which makes handshakes in the simulator repeatable to the byte.
enum class KeyKind : std::uint8_t { kP256, kEd25519 };

struct CaRequest {
  std::string common_name{};
  std::int32_t validity_days = 3650;
  KeyKind kind = KeyKind::kP256;
};

struct CertificateAuthority {
  std::string cert;  // PEM
  std::string key;   // PEM, PKCS#8
};

// Whether it can sign certificates that hold now. Fails with kCredentials and a sentence that says what is broken,
// expired, no CA's, or does not belong together.
Result<void> check_authority(const CertificateAuthority& authority);

struct CertificateRequest {
  std::string common_name{};
  std::vector<std::string> hosts{};  // subject alternative names: IP literals become IP names, all others DNS names
  std::int32_t validity_days = 365;
  std::int32_t valid_from_days = 0;  // shifts the beginning; tests make expired certificates with a negative number
  KeyKind kind = KeyKind::kP256;
};

// A self-signed CA that may sign certificates and CRLs but no further CA.
Result<CertificateAuthority> make_ca(const CaRequest& request);

// A key and a certificate for it, good for both server and client, signed by `authority`. The bundle's `ca` is the
// authority's certificate.
Result<PemBundle> make_certificate(const CertificateAuthority& authority, const CertificateRequest& request);

}  // namespace fairlead
