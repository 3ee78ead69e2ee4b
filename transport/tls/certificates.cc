// The X.509 structure (RFC 5280) is written here and not by wolfCrypt, whose generator cannot mark extensions as
// critical, which RFC 5280 demands of a CA's basic constraints. Keys and signatures are wolfCrypt's.
#include "transport/tls/certificates.h"

#include <algorithm>
#include <ctime>
#include <memory>
#include <span>

#include <arpa/inet.h>

#include "transport/tls/certificate_info.h"
#include "transport/tls/der.h"
#include "transport/tls/der_reader.h"
#include "transport/tls/pem.h"
#include "transport/tls/private_key.h"
#include "transport/tls/wolfssl.h"

namespace fairlead {

namespace {

using namespace std::string_view_literals;

constexpr std::int64_t kDay = 86'400;
// Clocks of the two ends of a link may differ a little when a certificate is used at once.
constexpr std::int64_t kBackdated = 300;

// OBJECT IDENTIFIER elements.
constexpr std::string_view kCommonName = "\x06\x03\x55\x04\x03"sv;
constexpr std::string_view kSubjectKeyId = "\x06\x03\x55\x1d\x0e"sv;
constexpr std::string_view kKeyUsage = "\x06\x03\x55\x1d\x0f"sv;
constexpr std::string_view kAlternativeNames = "\x06\x03\x55\x1d\x11"sv;
constexpr std::string_view kBasicConstraints = "\x06\x03\x55\x1d\x13"sv;
constexpr std::string_view kAuthorityKeyId = "\x06\x03\x55\x1d\x23"sv;
constexpr std::string_view kExtendedKeyUsage = "\x06\x03\x55\x1d\x25"sv;
constexpr std::string_view kServerAuth = "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"sv;
constexpr std::string_view kClientAuth = "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"sv;

// BIT STRING values of the key usage, their first byte counting the bits that are not used.
constexpr std::string_view kMayCertifyAndRevoke = "\x01\x06"sv;
constexpr std::string_view kMaySign = "\x07\x80"sv;

bool is_dns_name(std::string_view name) {
  constexpr std::size_t kNameMax = 253;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '*';
  };
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, allowed);
}

// GeneralNames of RFC 5280 4.2.1.6.
Result<std::string> encode_hosts(const std::vector<std::string>& hosts) {
  constexpr std::size_t kHostsBytesMax = 16 * 1024;  // a handshake with a longer certificate may be refused by a peer
  constexpr unsigned kDnsName = 2;
  constexpr unsigned kIpAddress = 7;
  std::string names;
  for (const std::string& host : hosts) {
    char bytes[sizeof(in6_addr)];
    if (inet_pton(AF_INET, host.c_str(), bytes) == 1) {
      names += der::element(der::primitive(kIpAddress), {bytes, sizeof(in_addr)});
    } else if (inet_pton(AF_INET6, host.c_str(), bytes) == 1) {
      names += der::element(der::primitive(kIpAddress), {bytes, sizeof(in6_addr)});
    } else if (is_dns_name(host)) {
      names += der::element(der::primitive(kDnsName), host);
    } else {
      return fail(ErrorCode::kInvalid, "'" + host + "' is neither an IP address nor a host name");
    }
  }
  if (names.size() > kHostsBytesMax) return fail(ErrorCode::kLimit, "too many host names for one certificate");
  return der::sequence(names);
}

enum class Critical : bool { kNo, kYes };

std::string extension(std::string_view id, Critical critical, std::string_view value) {
  return der::sequence(std::string(id) + (critical == Critical::kYes ? der::boolean_true() : "") +
                       der::element(der::kOctetString, value));
}

std::string common_name(std::string_view name) {
  constexpr std::size_t kCommonNameMax = 64;  // RFC 5280, upper bound in appendix A; nobody takes a decision by it
  const std::string text = der::element(der::kUtf8String, name.substr(0, kCommonNameMax));
  return der::sequence(der::element(der::kSet, der::sequence(std::string(kCommonName) + text)));
}

// One of the ways of RFC 7093: a hash of the SubjectPublicKeyInfo, cut to the customary length.
std::string key_id_of(std::string_view public_key) {
  constexpr std::size_t kKeyIdSize = 20;
  byte digest[WC_SHA256_DIGEST_SIZE] = {};
  wc_Sha256Hash(reinterpret_cast<const byte*>(public_key.data()), static_cast<word32>(public_key.size()), digest);
  return {digest, digest + kKeyIdSize};
}

struct Outline {
  std::string issuer;  // DER, as all strings here
  std::string subject;
  std::int64_t not_before_unix_s;
  std::int64_t not_after_unix_s;
  std::string public_key;
  std::string extensions;
};

Outline outline(std::string_view name, std::int64_t from_days, std::int64_t days, std::string public_key) {
  const std::int64_t begin = std::time(nullptr) + from_days * kDay;
  return {.issuer = {},
          .subject = common_name(name),
          .not_before_unix_s = begin - kBackdated,
          .not_after_unix_s = begin + days * kDay,
          .public_key = std::move(public_key),
          .extensions = {}};
}

Result<std::string> serial_number(Random& random) {
  constexpr word32 kBytes = 16;
  std::string serial(kBytes, '\0');
  if (const int error = wc_RNG_GenerateBlock(random.get(), reinterpret_cast<byte*>(serial.data()), kBytes);
      error != 0) {
    return fail(ErrorCode::kSystem, "no random numbers to be had: " + wolfssl_error_text(error));
  }
  // A serial number is positive, and DER has no leading zeros.
  serial[0] = static_cast<char>((serial[0] & 0x3f) | 0x40);
  return der::element(der::kInteger, serial);
}

Result<std::string> sign(const Outline& outline, PrivateKey& issuer, Random& random) {
  const auto serial = serial_number(random);
  if (!serial) return serial;
  constexpr char kVersion3 = 2;
  const std::string validity =
      der::sequence(der::time(outline.not_before_unix_s) + der::time(outline.not_after_unix_s));
  return issuer.sign(
      der::sequence(der::element(der::constructed(0), der::small_integer(kVersion3)) + *serial +
                    std::string(issuer.signature_algorithm()) + outline.issuer + validity + outline.subject +
                    outline.public_key + der::element(der::constructed(3), der::sequence(outline.extensions))),
      random);
}

std::span<const byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const byte*>(text.data()), text.size()};
}

// What an issued certificate takes over from its CA's.
struct Authority {
  std::vector<std::uint8_t> der;
  std::string subject;
  std::string key_id;  // empty if the CA's certificate has none
  std::unique_ptr<PrivateKey> key;
};

// The SubjectKeyIdentifier has to be repeated as it is, and wolfCrypt keeps a hash of one that is not of the usual
// length.
std::string find_key_id(std::string_view extensions) {
  const std::size_t at = extensions.find(kSubjectKeyId);
  if (at == std::string_view::npos) return {};
  // OCTET STRING { OCTET STRING { key id } }, each with a short length.
  const std::string_view rest = extensions.substr(at + kSubjectKeyId.size());
  if (rest.size() < 4 || rest[0] != der::kOctetString || rest[2] != der::kOctetString) return {};
  const auto size = static_cast<std::size_t>(static_cast<std::uint8_t>(rest[3]));
  return size < 0x80 && rest.size() >= 4 + size ? std::string(rest.substr(4, size)) : std::string();
}

Result<Authority> read_authority(const CertificateAuthority& authority) {
  const auto blocks = pem_blocks(authority.cert, "CERTIFICATE");
  if (blocks.empty()) return fail(ErrorCode::kCredentials, "the CA's file holds no certificate in PEM form");
  auto der = certificate_der(blocks.front());
  if (!der) return fail(ErrorCode::kCredentials, "the CA's certificate is " + der.error().message);
  auto key = PrivateKey::from_pem(authority.key);
  if (!key) return fail(ErrorCode::kCredentials, "the CA's key cannot be used: " + key.error().message);

  Authority result{{}, {}, {}, std::move(*key)};
  DecodedCert decoded;
  wc_InitDecodedCert(&decoded, der->data(), static_cast<word32>(der->size()), nullptr);
  const int error = wc_ParseCert(&decoded, CERT_TYPE, NO_VERIFY, nullptr);
  if (error == 0) {
    result.subject = der::sequence(std::string(decoded.subjectRaw, decoded.subjectRaw + decoded.subjectRawLen));
    if (decoded.extensions != nullptr) {
      result.key_id = find_key_id(std::string(decoded.extensions, decoded.extensions + decoded.extensionsSz));
    }
  }
  wc_FreeDecodedCert(&decoded);
  if (error != 0) return fail(ErrorCode::kCredentials, "the CA's certificate: " + wolfssl_error_text(error));
  result.der = std::move(*der);
  return result;
}

// A key that is not the CA's own makes certificates that nobody accepts; better to hear of it here.
Result<void> check_signature(const Authority& authority, std::string_view made) {
  WOLFSSL_CERT_MANAGER* const manager = wolfSSL_CertManagerNew();
  if (manager == nullptr) return fail(ErrorCode::kLimit, "out of memory for a certificate");
  int result = wolfSSL_CertManagerLoadCABuffer(manager, authority.der.data(), static_cast<long>(authority.der.size()),
                                               WOLFSSL_FILETYPE_ASN1);
  if (result == WOLFSSL_SUCCESS) {
    result = wolfSSL_CertManagerVerifyBuffer(manager, bytes_of(made).data(), static_cast<long>(made.size()),
                                             WOLFSSL_FILETYPE_ASN1);
  }
  wolfSSL_CertManagerFree(manager);
  // Dates are as they were asked for.
  if (result == WOLFSSL_SUCCESS || result == ASN_BEFORE_DATE_E || result == ASN_AFTER_DATE_E) return {};
  if (result == ASN_SIG_CONFIRM_E) {
    return fail(ErrorCode::kCredentials, "the CA's key does not belong to its certificate");
  }
  return fail(ErrorCode::kCredentials,
              "the CA's certificate and key cannot sign certificates: " + wolfssl_error_text(result));
}

// `public_key` is a SubjectPublicKeyInfo.
Result<std::string> issue(const Authority& authority, const CertificateRequest& request, std::string public_key,
                          Random& random) {
  const auto hosts = encode_hosts(request.hosts);
  if (!hosts) return hosts;
  const std::string key_id = key_id_of(public_key);
  const std::string purposes =
      (request.client_only ? std::string() : std::string(kServerAuth)) + std::string(kClientAuth);
  Outline made = outline(request.common_name, request.valid_from_days, request.validity_days, std::move(public_key));
  made.issuer = authority.subject;
  made.extensions = extension(kBasicConstraints, Critical::kYes, der::sequence({})) +
                    extension(kKeyUsage, Critical::kYes, der::element(der::kBitString, kMaySign)) +
                    extension(kExtendedKeyUsage, Critical::kNo, der::sequence(purposes)) +
                    extension(kSubjectKeyId, Critical::kNo, der::element(der::kOctetString, key_id));
  if (!authority.key_id.empty()) {
    made.extensions +=
        extension(kAuthorityKeyId, Critical::kNo, der::sequence(der::element(der::primitive(0), authority.key_id)));
  }
  if (!request.hosts.empty()) made.extensions += extension(kAlternativeNames, Critical::kNo, *hosts);
  auto certificate = sign(made, *authority.key, random);
  if (!certificate) return certificate;
  if (auto good = check_signature(authority, *certificate); !good) return std::unexpected(std::move(good.error()));
  return certificate;
}

// The texts of a certificate and its key.
Result<CertificateAuthority> to_pem(std::string_view certificate, PrivateKey& key) {
  auto cert_pem = pem_of(bytes_of(certificate), CERT_TYPE);
  if (!cert_pem) return std::unexpected(cert_pem.error());
  auto key_pem = key.to_pem();
  if (!key_pem) return std::unexpected(key_pem.error());
  return CertificateAuthority{std::move(*cert_pem), std::move(*key_pem)};
}

}  // namespace

Result<CertificateAuthority> make_ca(const CaRequest& request) {
  auto random = Random::open();
  if (!random) return std::unexpected(random.error());
  auto key = PrivateKey::generate(request.kind, **random);
  if (!key) return std::unexpected(key.error());
  auto public_key = (*key)->public_der();
  if (!public_key) return std::unexpected(public_key.error());
  const std::string key_id = key_id_of(*public_key);
  Outline made = outline(request.common_name, 0, request.validity_days, std::move(*public_key));
  made.issuer = made.subject;
  constexpr char kNoFurtherCa = 0;
  made.extensions = extension(kBasicConstraints, Critical::kYes,
                              der::sequence(der::boolean_true() + der::small_integer(kNoFurtherCa))) +
                    extension(kKeyUsage, Critical::kYes, der::element(der::kBitString, kMayCertifyAndRevoke)) +
                    extension(kSubjectKeyId, Critical::kNo, der::element(der::kOctetString, key_id)) +
                    extension(kAuthorityKeyId, Critical::kNo, der::sequence(der::element(der::primitive(0), key_id)));
  const auto certificate = sign(made, **key, **random);
  if (!certificate) return std::unexpected(certificate.error());
  return to_pem(*certificate, **key);
}

Result<void> check_authority(const CertificateAuthority& authority) {
  const auto issuer = read_authority(authority);
  if (!issuer) return std::unexpected(issuer.error());
  const auto info = parse_certificate(issuer->der);
  if (!info) return fail(ErrorCode::kCredentials, "the CA's certificate is " + info.error().message);
  if (!info->is_ca) {
    return fail(ErrorCode::kCredentials, "the certificate ('" + info->subject + "') is not that of a CA");
  }
  if (const std::string why = why_not_valid_now(*info); !why.empty()) {
    return fail(ErrorCode::kCredentials, "the CA's certificate ('" + info->subject + "') " + why);
  }
  auto random = Random::open();
  if (!random) return std::unexpected(random.error());
  // A certificate on trial shows best whether the two can sign one.
  auto public_key = issuer->key->public_der();
  if (!public_key) return std::unexpected(public_key.error());
  const auto made = issue(*issuer, {.common_name = "trial"}, std::move(*public_key), **random);
  return made ? Result<void>() : std::unexpected(made.error());
}

Result<PemBundle> make_certificate(const CertificateAuthority& authority, const CertificateRequest& request) {
  const auto issuer = read_authority(authority);
  if (!issuer) return std::unexpected(issuer.error());
  auto random = Random::open();
  if (!random) return std::unexpected(random.error());
  auto key = PrivateKey::generate(request.kind, **random);
  if (!key) return std::unexpected(key.error());
  auto public_key = (*key)->public_der();
  if (!public_key) return std::unexpected(public_key.error());
  const auto certificate = issue(*issuer, request, std::move(*public_key), **random);
  if (!certificate) return std::unexpected(certificate.error());
  auto pem = to_pem(*certificate, **key);
  if (!pem) return std::unexpected(pem.error());
  return PemBundle{authority.cert, std::move(pem->cert), std::move(pem->key)};
}

Result<std::string> make_key(KeyKind kind) {
  auto random = Random::open();
  if (!random) return std::unexpected(random.error());
  auto key = PrivateKey::generate(kind, **random);
  if (!key) return std::unexpected(key.error());
  return (*key)->to_pem();
}

Result<std::string> make_signing_request(const std::string& key_pem, std::string_view name) {
  auto random = Random::open();
  if (!random) return std::unexpected(random.error());
  auto key = PrivateKey::from_pem(key_pem);
  if (!key) return std::unexpected(key.error());
  auto public_key = (*key)->public_der();
  if (!public_key) return public_key;
  constexpr char kVersion1 = 0;
  const std::string no_attributes = der::element(der::constructed(0), {});
  return (*key)->sign(der::sequence(der::small_integer(kVersion1) + common_name(name) + *public_key + no_attributes),
                      **random);
}

Result<std::string> public_key_of_request(std::string_view request) {
  ensure_wolfssl();
  const auto bad = [](std::string_view why) {
    return fail(ErrorCode::kInvalid, "the certificate request " + std::string(why));
  };
  if (request.size() > kSigningRequestMax) return bad("is too long");
  DecodedCert decoded;
  wc_InitDecodedCert(&decoded, bytes_of(request).data(), static_cast<word32>(request.size()), nullptr);
  const int error = wc_ParseCert(&decoded, CERTREQ_TYPE, VERIFY, nullptr);
  const auto kind = decoded.keyOID;
  wc_FreeDecodedCert(&decoded);
  if (error == ASN_SIG_CONFIRM_E) return bad("is not signed with its own key");
  if (error != 0) return bad("cannot be read: " + wolfssl_error_text(error));
  if (kind != ECDSAk && kind != ED25519k) return bad("is for a kind of key that is not used here: P-256 or Ed25519 is");
  // CertificationRequest { CertificationRequestInfo { version, subject, subjectPKInfo, … }, … }
  DerReader outer(bytes_of(request));
  const auto whole = outer.next();
  const auto info = whole ? DerReader(whole->content).next() : std::nullopt;
  if (!info) return bad("cannot be read");
  DerReader fields(info->content);
  static_cast<void>(fields.next());
  static_cast<void>(fields.next());
  const auto public_key = fields.next();
  if (!public_key || public_key->tag != der::kSequence) return bad("holds no key");
  return std::string(public_key->whole.begin(), public_key->whole.end());
}

Result<std::string> certify(const CertificateAuthority& authority, const CertificateRequest& request,
                            const std::string& public_key) {
  const auto issuer = read_authority(authority);
  if (!issuer) return std::unexpected(issuer.error());
  auto random = Random::open();
  if (!random) return std::unexpected(random.error());
  const auto certificate = issue(*issuer, request, public_key, **random);
  if (!certificate) return certificate;
  return pem_of(bytes_of(*certificate), CERT_TYPE);
}

}  // namespace fairlead
