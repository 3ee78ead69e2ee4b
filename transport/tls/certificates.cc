#include "transport/tls/certificates.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <span>

#include "transport/tls/certificate_info.h"
#include "transport/tls/pem.h"
#include "transport/tls/private_key.h"
#include "transport/tls/wolfssl.h"

namespace fairlead {

namespace {

constexpr std::int64_t kDay = 86'400;
// Clocks of the two ends of a link may differ a little when a certificate is used at once.
constexpr std::int64_t kBackdated = 300;
constexpr int kSerialBytes = 16;
constexpr std::size_t kCertificateMax = 32 * 1024;  // twice the largest list of names that wolfCrypt takes

std::unexpected<Error> failed(std::string_view what, int error) {
  return fail(ErrorCode::kSystem, std::string(what).append(": ").append(wolfssl_error_text(error)));
}

struct CertDeleter {
  void operator()(Cert* cert) const noexcept { wc_CertFree(cert); }
};

using CertPointer = std::unique_ptr<Cert, CertDeleter>;

// RFC 5280 4.1.2.5: two-digit years until 2049. The element as wolfCrypt wants it, tag and length included.
int put_date(byte* out, std::int64_t unix_s) {
  constexpr std::int64_t kYear2050 = 2'524'608'000;
  const std::time_t time = unix_s;
  std::tm calendar{};
  gmtime_r(&time, &calendar);
  char digits[24];
  const bool short_form = unix_s < kYear2050;
  const std::size_t size = std::strftime(digits, sizeof digits, short_form ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &calendar);
  out[0] = short_form ? ASN_UTC_TIME : ASN_GENERALIZED_TIME;
  out[1] = static_cast<byte>(size);
  std::memcpy(out + 2, digits, size);
  return static_cast<int>(size) + 2;
}

bool is_dns_name(std::string_view name) {
  constexpr std::size_t kNameMax = 253;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.' || c == '*';
  };
  return !name.empty() && name.size() <= kNameMax && std::ranges::all_of(name, allowed);
}

void append_element(std::string& out, std::uint8_t tag, std::string_view value) {
  out += static_cast<char>(tag);
  if (value.size() < 0x80) {
    out += static_cast<char>(value.size());
  } else if (value.size() <= 0xff) {
    out += static_cast<char>(0x81);
    out += static_cast<char>(value.size());
  } else {
    out += static_cast<char>(0x82);
    out += static_cast<char>(value.size() >> 8);
    out += static_cast<char>(value.size());
  }
  out += value;
}

// The value of the subject alternative name extension: GeneralNames of RFC 5280 4.2.1.6.
Result<std::string> encode_names(const std::vector<std::string>& hosts) {
  constexpr std::uint8_t kSequence = 0x30;
  constexpr std::uint8_t kDnsName = 0x82;
  constexpr std::uint8_t kIpAddress = 0x87;
  std::string names;
  for (const std::string& host : hosts) {
    char bytes[sizeof(in6_addr)];
    if (inet_pton(AF_INET, host.c_str(), bytes) == 1) {
      append_element(names, kIpAddress, {bytes, sizeof(in_addr)});
    } else if (inet_pton(AF_INET6, host.c_str(), bytes) == 1) {
      append_element(names, kIpAddress, {bytes, sizeof(in6_addr)});
    } else if (is_dns_name(host)) {
      append_element(names, kDnsName, host);
    } else {
      return fail(ErrorCode::kInvalid, "'" + host + "' is neither an IP address nor a host name");
    }
  }
  constexpr std::size_t kHeaderMax = 4;
  if (names.size() + kHeaderMax > CTC_MAX_ALT_SIZE) {
    return fail(ErrorCode::kLimit, "too many host names for one certificate");
  }
  std::string sequence;
  append_element(sequence, kSequence, names);
  return sequence;
}

struct Validity {
  std::int64_t from_unix_s;
  std::int64_t to_unix_s;
};

Validity validity_of(std::int64_t from_days, std::int64_t days) {
  const std::int64_t begin = std::time(nullptr) + from_days * kDay;
  return {begin - kBackdated, begin + days * kDay};
}

// What CAs and other certificates have in common.
Result<CertPointer> new_certificate(std::string_view common_name, const Validity& validity, PrivateKey& key,
                                    Random& random) {
  CertPointer cert(wc_CertNew(nullptr));
  if (!cert) return fail(ErrorCode::kLimit, "out of memory for a certificate");
  // X.509 ends common names at 64 characters, wolfCrypt one before that. Nobody takes a decision by them.
  const std::size_t size = std::min(common_name.size(), sizeof cert->subject.commonName - 1);
  std::memcpy(cert->subject.commonName, common_name.data(), size);
  cert->subject.commonName[size] = '\0';
  cert->beforeDateSz = put_date(cert->beforeDate, validity.from_unix_s);
  cert->afterDateSz = put_date(cert->afterDate, validity.to_unix_s);
  cert->serialSz = kSerialBytes;
  int error = wc_RNG_GenerateBlock(random.get(), cert->serial, kSerialBytes);
  // A serial number is positive, and DER has no leading zeros.
  cert->serial[0] = static_cast<byte>((cert->serial[0] & 0x3f) | 0x40);
  if (error == 0) error = wc_SetSubjectKeyIdFromPublicKey_ex(cert.get(), key.type(), key.get());
  if (error != 0) return failed("cannot make a certificate", error);
  return cert;
}

struct Signing {
  PrivateKey& subject;  // whose public key goes in
  PrivateKey& issuer;   // who signs
  Random& random;
};

Result<std::vector<byte>> sign(Cert& cert, const Signing& keys) {
  std::vector<byte> der(kCertificateMax);
  cert.sigType = keys.issuer.signature();
  int size = wc_MakeCert_ex(&cert, der.data(), kCertificateMax, keys.subject.type(), keys.subject.get(),
                            keys.random.get());
  if (size > 0) {
    size = wc_SignCert_ex(cert.bodySz, cert.sigType, der.data(), kCertificateMax, keys.issuer.type(), keys.issuer.get(),
                          keys.random.get());
  }
  if (size <= 0) return failed("cannot make a certificate", size);
  der.resize(static_cast<std::size_t>(size));
  return der;
}

// A key that is not the CA's own makes certificates that nobody accepts; better to hear of it here.
Result<void> check_signature(std::span<const std::uint8_t> ca, const std::vector<byte>& made) {
  WOLFSSL_CERT_MANAGER* const manager = wolfSSL_CertManagerNew();
  if (manager == nullptr) return fail(ErrorCode::kLimit, "out of memory for a certificate");
  int result =
      wolfSSL_CertManagerLoadCABuffer(manager, ca.data(), static_cast<long>(ca.size()), WOLFSSL_FILETYPE_ASN1);
  if (result == WOLFSSL_SUCCESS) {
    result = wolfSSL_CertManagerVerifyBuffer(manager, made.data(), static_cast<long>(made.size()), WOLFSSL_FILETYPE_ASN1);
  }
  wolfSSL_CertManagerFree(manager);
  // Dates are as they were asked for.
  if (result == WOLFSSL_SUCCESS || result == ASN_BEFORE_DATE_E || result == ASN_AFTER_DATE_E) return {};
  return fail(ErrorCode::kCredentials,
              "the CA's certificate and key cannot sign certificates: " + wolfssl_error_text(result));
}

struct Authority {
  std::vector<std::uint8_t> der;
  std::unique_ptr<PrivateKey> key;
};

Result<Authority> read_authority(const CertificateAuthority& authority) {
  const auto blocks = pem_blocks(authority.cert, "CERTIFICATE");
  if (blocks.empty()) return fail(ErrorCode::kCredentials, "the CA's file holds no certificate in PEM form");
  auto der = certificate_der(blocks.front());
  if (!der) return fail(ErrorCode::kCredentials, "the CA's certificate is " + der.error().message);
  auto key = PrivateKey::from_pem(authority.key);
  if (!key) return fail(ErrorCode::kCredentials, "the CA's key cannot be used: " + key.error().message);
  return Authority{std::move(*der), std::move(*key)};
}

Result<std::vector<byte>> issue(const Authority& authority, const CertificateRequest& request, PrivateKey& key,
                                Random& random) {
  const auto names = encode_names(request.hosts);
  if (!names) return std::unexpected(names.error());
  auto cert = new_certificate(request.common_name, validity_of(request.valid_from_days, request.validity_days), key,
                              random);
  if (!cert) return std::unexpected(cert.error());
  Cert& made = **cert;
  if (!request.hosts.empty()) {
    std::memcpy(made.altNames, names->data(), names->size());
    made.altNamesSz = static_cast<int>(names->size());
  }
  made.selfSigned = 0;
  made.basicConstSet = 1;
  const int ca_size = static_cast<int>(authority.der.size());
  int error = wc_SetIssuerBuffer(&made, authority.der.data(), ca_size);
  if (error == 0) error = wc_SetAuthKeyIdFromCert(&made, authority.der.data(), ca_size);
  if (error == 0) error = wc_SetKeyUsage(&made, "digitalSignature");
  if (error == 0) error = wc_SetExtKeyUsage(&made, "serverAuth,clientAuth");
  if (error != 0) return failed("cannot make a certificate", error);
  auto der = sign(made, {key, *authority.key, random});
  if (!der) return der;
  if (auto good = check_signature(authority.der, *der); !good) return std::unexpected(std::move(good.error()));
  return der;
}

}  // namespace

Result<CertificateAuthority> make_ca(const CaRequest& request) {
  auto random = Random::open();
  if (!random) return std::unexpected(random.error());
  auto key = PrivateKey::generate(request.kind, **random);
  if (!key) return std::unexpected(key.error());
  auto cert = new_certificate(request.common_name, validity_of(0, request.validity_days), **key, **random);
  if (!cert) return std::unexpected(cert.error());
  Cert& made = **cert;
  made.isCA = 1;
  made.pathLen = 0;
  made.pathLenSet = 1;
  made.selfSigned = 1;
  int error = wc_SetAuthKeyIdFromPublicKey_ex(&made, (*key)->type(), (*key)->get());
  if (error == 0) error = wc_SetKeyUsage(&made, "keyCertSign,cRLSign");
  if (error != 0) return failed("cannot make a CA", error);
  const auto der = sign(made, {**key, **key, **random});
  if (!der) return std::unexpected(der.error());
  auto cert_pem = pem_of(der->data(), static_cast<int>(der->size()), CERT_TYPE);
  auto key_pem = (*key)->to_pem();
  if (!cert_pem) return std::unexpected(cert_pem.error());
  if (!key_pem) return std::unexpected(key_pem.error());
  return CertificateAuthority{std::move(*cert_pem), std::move(*key_pem)};
}

Result<PemBundle> make_certificate(const CertificateAuthority& authority, const CertificateRequest& request) {
  ensure_wolfssl();
  const auto issuer = read_authority(authority);
  if (!issuer) return std::unexpected(issuer.error());
  auto random = Random::open();
  if (!random) return std::unexpected(random.error());
  auto key = PrivateKey::generate(request.kind, **random);
  if (!key) return std::unexpected(key.error());
  const auto der = issue(*issuer, request, **key, **random);
  if (!der) return std::unexpected(der.error());
  auto cert_pem = pem_of(der->data(), static_cast<int>(der->size()), CERT_TYPE);
  auto key_pem = (*key)->to_pem();
  if (!cert_pem) return std::unexpected(cert_pem.error());
  if (!key_pem) return std::unexpected(key_pem.error());
  return PemBundle{authority.cert, std::move(*cert_pem), std::move(*key_pem)};
}

}  // namespace fairlead
