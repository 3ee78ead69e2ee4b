#include "transport/tls/credentials.h"

#include <span>
#include <vector>

#include "transport/base/check.h"
#include "transport/tls/pem.h"
#include "transport/tls/secret.h"
#include "transport/tls/wolfssl.h"

namespace fairlead {

namespace {

struct Certificate {
  std::vector<std::uint8_t> der;
  CertificateInfo info;
};

// All certificates of a PEM text; `file` is its name in messages.
Result<std::vector<Certificate>> read_certificates(std::string_view pem, std::string_view file) {
  const auto blocks = pem_blocks(pem, "CERTIFICATE");
  if (blocks.empty()) {
    return fail(ErrorCode::kCredentials, std::string(file).append(" holds no certificate in PEM form"));
  }
  std::vector<Certificate> certificates;
  for (const std::string_view block : blocks) {
    auto der = certificate_der(block);
    auto info = der ? parse_certificate(*der) : Result<CertificateInfo>(std::unexpected(der.error()));
    if (!info) {
      return fail(ErrorCode::kCredentials, std::string(file) + ": certificate " +
                                               std::to_string(certificates.size() + 1) + " is " + info.error().message);
    }
    certificates.push_back({std::move(*der), std::move(*info)});
  }
  return certificates;
}

std::string quoted(const std::string& name) {
  return "'" + name + "'";
}

Result<CertificateInfo> check_ca(const std::string& pem) {
  auto certificates = read_certificates(pem, "ca.crt");
  if (!certificates) return std::unexpected(certificates.error());
  for (const Certificate& certificate : *certificates) {
    // wolfSSL would trust it as if it were one.
    if (certificate.info.is_ca) continue;
    return fail(ErrorCode::kCredentials,
                "ca.crt (" + quoted(certificate.info.subject) + ") is not the certificate of a CA");
  }
  // While CAs are rotated a bundle may hold an old one that is expired; one that is good is enough.
  for (const Certificate& certificate : *certificates) {
    if (why_not_valid_now(certificate.info).empty()) return certificate.info;
  }
  const CertificateInfo& first = certificates->front().info;
  return fail(ErrorCode::kCredentials, "ca.crt (" + quoted(first.subject) + ") " + why_not_valid_now(first));
}

Result<CertificateInfo> check_own_certificate(const std::string& pem) {
  auto certificates = read_certificates(pem, "tls.crt");
  if (!certificates) return std::unexpected(certificates.error());
  CertificateInfo& own = certificates->front().info;
  if (const std::string why = why_not_valid_now(own); !why.empty()) {
    return fail(ErrorCode::kCredentials, "tls.crt (" + quoted(own.subject) + ") " + why);
  }
  return std::move(own);
}

// wolfSSL's interfaces for PEM texts.
const unsigned char* bytes_of(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
long size_of(const std::string& text) {
  return static_cast<long>(text.size());
}

Result<void> load_ca(WOLFSSL_CTX* context, const std::string& pem) {
  const auto certificates = read_certificates(pem, "ca.crt");
  if (!certificates) return std::unexpected(certificates.error());
  for (const Certificate& certificate : *certificates) {
    if (!why_not_valid_now(certificate.info).empty()) continue;
    const int result = wolfSSL_CTX_load_verify_buffer(context, certificate.der.data(),
                                                      static_cast<long>(certificate.der.size()), WOLFSSL_FILETYPE_ASN1);
    if (result == WOLFSSL_SUCCESS) continue;
    return fail(ErrorCode::kCredentials,
                "ca.crt (" + quoted(certificate.info.subject) + ") cannot be used: " + wolfssl_error_text(result));
  }
  return {};
}

Result<PeerJudge> make_judge(const PemBundle& bundle) {
  if (bundle.ca.empty()) return PeerJudge::make({}, {});
  auto authorities = read_certificates(bundle.ca, "ca.crt");
  if (!authorities) return std::unexpected(authorities.error());
  std::vector<Der> ders;
  for (Certificate& authority : *authorities)
    ders.push_back(std::move(authority.der));
  std::vector<RevocationList> lists;
  if (!bundle.crl.empty()) {
    auto read = read_revocation_lists(bundle.crl);
    if (!read) return fail(read.error().code, "ca.crl " + read.error().message);
    lists = std::move(*read);
  }
  return PeerJudge::make(std::move(ders), std::move(lists));
}

Result<void> load_own(WOLFSSL_CTX* context, const PemBundle& bundle) {
  if (const int result = wolfSSL_CTX_use_certificate_chain_buffer(context, bytes_of(bundle.cert), size_of(bundle.cert));
      result != WOLFSSL_SUCCESS) {
    return fail(ErrorCode::kCredentials, "tls.crt cannot be used: " + wolfssl_error_text(result));
  }
  if (bundle.key.find("ENCRYPTED") != std::string::npos) {
    return fail(ErrorCode::kCredentials, "tls.key is encrypted with a password: it is needed in the clear");
  }
  if (const int result =
          wolfSSL_CTX_use_PrivateKey_buffer(context, bytes_of(bundle.key), size_of(bundle.key), WOLFSSL_FILETYPE_PEM);
      result != WOLFSSL_SUCCESS) {
    return fail(ErrorCode::kCredentials,
                "tls.key holds no private key that can be read: " + wolfssl_error_text(result));
  }
  if (wolfSSL_CTX_check_private_key(context) != WOLFSSL_SUCCESS) {
    return fail(ErrorCode::kCredentials, "tls.key does not belong to the certificate in tls.crt");
  }
  return {};
}

Result<void> set_policy(WOLFSSL_CTX* context, bool server) {
  constexpr short kRsaBitsMin = 2048;
  // Refused by a wolfSSL that was built without it (draft-ietf-tls-ecdhe-mlkem).
  constexpr int kX25519MlKem768 = 4588;
  int groups[] = {kX25519MlKem768, WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};
  const auto set_groups = [&](std::span<int> list) {
    return wolfSSL_CTX_set_groups(context, list.data(), static_cast<int>(list.size())) == WOLFSSL_SUCCESS;
  };
  if ((!set_groups(groups) && !set_groups(std::span(groups).subspan(1))) ||
      wolfSSL_CTX_SetMinRsaKey_Sz(context, kRsaBitsMin) != WOLFSSL_SUCCESS) {
    return fail(ErrorCode::kUnsupported, "this wolfSSL lacks a key exchange that we need");
  }
  // Links are long-lived: resumption gains nothing. Sessions in a cache would only be secrets that stay behind, and
  // tickets records to count. 0 is success for the latter.
  wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF);
  if (server && wolfSSL_CTX_no_ticket_TLSv13(context) != 0) {
    return fail(ErrorCode::kUnsupported, "this wolfSSL cannot do without session tickets");
  }
  return {};
}

}  // namespace

PemBundle without_certificate(const PemBundle& bundle) {
  return {.ca = bundle.ca, .cert = {}, .key = {}, .crl = bundle.crl};
}

Result<std::shared_ptr<const Credentials>> Credentials::load(const PemBundle& bundle, Trust trust) {
  ensure_wolfssl();
  const std::shared_ptr<Credentials> credentials(new Credentials);
  if (auto built = credentials->build(bundle, trust); !built) return std::unexpected(std::move(built.error()));
  return credentials;
}

std::string Credentials::digest_of(const PemBundle& bundle) {
  // With their sizes, so that no text can be taken for a part of another.
  std::string all;
  all.reserve(bundle.ca.size() + bundle.cert.size() + bundle.key.size() + bundle.crl.size() + 128);  // one copy to wipe
  for (const std::string* text : {&bundle.ca, &bundle.cert, &bundle.key, &bundle.crl})
    all.append(std::to_string(text->size())).append(":").append(*text);
  std::string digest(WC_SHA256_DIGEST_SIZE, '\0');
  const int result = wc_Sha256Hash(reinterpret_cast<const byte*>(all.data()), static_cast<word32>(all.size()),
                                   reinterpret_cast<byte*>(digest.data()));
  CHECK(result == 0);
  wipe(all.data(), all.size());
  return digest;
}

Credentials::~Credentials() {
  for (WOLFSSL_CTX* context : {server_, client_, anonymous_client_}) {
    if (context != nullptr) wolfSSL_CTX_free(context);
  }
}

Result<void> Credentials::build(const PemBundle& bundle, Trust trust) {
  has_ca_ = !bundle.ca.empty();
  if (!has_ca_ && (trust == Trust::kNeeded || bundle.cert.empty())) {
    return fail(ErrorCode::kCredentials, "ca.crt is missing");
  }
  if (bundle.cert.empty() != bundle.key.empty()) {
    return fail(ErrorCode::kCredentials, bundle.key.empty() ? "tls.key is missing, although there is a tls.crt"
                                                            : "tls.crt is missing, although there is a tls.key");
  }
  auto ca = has_ca_ ? check_ca(bundle.ca) : CertificateInfo{};
  if (!ca) return std::unexpected(ca.error());
  digest_ = digest_of(bundle);
  if (auto judge = make_judge(bundle); !judge) {
    return std::unexpected(judge.error());
  } else {
    judge_ = std::move(*judge);
  }
  ca_ = std::move(*ca);
  has_certificate_ = !bundle.cert.empty();
  if (has_certificate_) {
    auto own = check_own_certificate(bundle.cert);
    if (!own) return std::unexpected(own.error());
    certificate_ = std::move(*own);
  }
  const struct {
    Use use;
    WOLFSSL_CTX** context;
  } wanted[] = {{Use::kServer, &server_}, {Use::kClient, &client_}, {Use::kAnonymousClient, &anonymous_client_}};
  for (const auto& [use, context] : wanted) {
    if (use == Use::kServer && !has_certificate_) continue;
    auto made = make_context(bundle, use);
    if (!made) return std::unexpected(made.error());
    *context = *made;
  }
  return {};
}

Result<WOLFSSL_CTX*> Credentials::make_context(const PemBundle& bundle, Use use) const {
  const bool server = use == Use::kServer;
  WOLFSSL_CTX* const context = wolfSSL_CTX_new(server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method());
  if (context == nullptr) return fail(ErrorCode::kLimit, "out of memory for TLS");
  auto result = set_policy(context, server);
  if (result && has_ca_) result = load_ca(context, bundle.ca);
  if (result && has_certificate_ && use != Use::kAnonymousClient) result = load_own(context, bundle);
  if (result) return context;
  wolfSSL_CTX_free(context);
  return std::unexpected(result.error());
}

}  // namespace fairlead
