// Making CAs and certificates: what a site that accepts links does when it was given none, and `fairlead link
// generate`. Everything is PEM text in and out; writing files, with their modes, is up to the caller. Not for a hot
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
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
  bool client_only = false;          // its holder may dial links with it, and pass for no server
  std::int32_t valid_from_days = 0;  // shifts the beginning; tests make expired certificates with a negative number
  KeyKind kind = KeyKind::kP256;
};

// A self-signed CA that may sign certificates and CRLs but no further CA.
Result<CertificateAuthority> make_ca(const CaRequest& request);

// A key and a certificate for it, good for both server and client, signed by `authority`. The bundle's `ca` is the
// authority's certificate.
Result<PemBundle> make_certificate(const CertificateAuthority& authority, const CertificateRequest& request);

// A certificate for a key that stays where it is: its holder makes a request (PKCS #10, RFC 2986), which the CA reads.
// Requests and public keys (SubjectPublicKeyInfo) are DER.
inline constexpr std::size_t kSigningRequestMax = 4096;

Result<std::string> make_key(KeyKind kind = KeyKind::kP256);
// `name` is what the holder would like to be called; the CA decides.
Result<std::string> make_signing_request(const std::string& key_pem, std::string_view name);
// The key that the request is for and signed with. Fails with kInvalid.
Result<std::string> public_key_of_request(std::string_view request);
// PEM.
Result<std::string> certify(const CertificateAuthority& authority, const CertificateRequest& request,
                            const std::string& public_key);

}  // namespace fairlead
