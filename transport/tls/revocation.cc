#include "transport/tls/revocation.h"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "transport/tls/certificate_info.h"
#include "transport/tls/der.h"
#include "transport/tls/der_reader.h"
#include "transport/tls/pem.h"
#include "transport/tls/wolfssl.h"

namespace fairlead {
namespace {

struct FreeManager {
  void operator()(WOLFSSL_CERT_MANAGER* manager) const noexcept { wolfSSL_CertManagerFree(manager); }
};

using Manager = std::unique_ptr<WOLFSSL_CERT_MANAGER, FreeManager>;

// wolfSSL counts in long.
long size_of(const Der& der) noexcept {
  return static_cast<long>(der.size());
}

bool is_time(const DerReader::Element& element) noexcept {
  return element.tag == der::kUtcTime || element.tag == der::kGeneralizedTime;
}

// A signature algorithm of CRLs (RFC 5480, 4055, 8410), by its object identifier in DER.
struct Algorithm {
  std::string_view oid;
  wc_HashType hash;
  std::uint8_t oid_of_hash;  // its last byte: RSA; 0: ECDSA
};

constexpr Algorithm kAlgorithms[] = {
    {{"\x2a\x86\x48\xce\x3d\x04\x03\x02", 8}, WC_HASH_TYPE_SHA256, 0},
    {{"\x2a\x86\x48\xce\x3d\x04\x03\x03", 8}, WC_HASH_TYPE_SHA384, 0},
    {{"\x2a\x86\x48\xce\x3d\x04\x03\x04", 8}, WC_HASH_TYPE_SHA512, 0},
    {{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 9}, WC_HASH_TYPE_SHA256, 1},
    {{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", 9}, WC_HASH_TYPE_SHA384, 2},
    {{"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", 9}, WC_HASH_TYPE_SHA512, 3},
};
constexpr std::string_view kEd25519("\x2b\x65\x70", 3);

std::string_view text_of(std::span<const std::uint8_t> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Der copy_of(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

// CertificateList: TBSCertList, signatureAlgorithm, signatureValue. TBSCertList: version (optional), signature, issuer,
// thisUpdate, nextUpdate (optional), revokedCertificates (optional), extensions.
Result<RevocationList> parse_list(const Der& der) {
  const auto bad = fail(ErrorCode::kCredentials, "is not a readable CRL");
  DerReader outer(der);
  const auto whole = outer.next();
  if (!whole || whole->tag != der::kSequence) return bad;
  DerReader parts(whole->content);
  const auto body = parts.next();
  const auto algorithm = parts.next();
  const auto signature = parts.next();
  if (!body || !algorithm || !signature || signature->tag != der::kBitString || signature->content.size() < 2)
    return bad;
  const auto oid = DerReader(algorithm->content).next();
  if (!oid || oid->tag != der::kObjectIdentifier) return bad;

  RevocationList list;
  list.signed_part = copy_of(body->whole);
  list.algorithm = copy_of(oid->content);
  list.signature = copy_of(signature->content.subspan(1));  // behind the number of unused bits
  DerReader fields(body->content);
  auto field = fields.next();
  if (field && field->tag == der::kInteger) field = fields.next();
  const auto issuer = fields.next();  // behind the algorithm
  const auto this_update = fields.next();
  if (!field || !issuer || !this_update || !is_time(*this_update)) return bad;
  list.issuer = copy_of(issuer->whole);
  field = fields.next();
  if (field && is_time(*field)) {
    const auto time = unix_time(field->whole);
    if (!time) return bad;
    list.next_update_unix_s = *time;
    field = fields.next();
  }
  if (!field || field->tag != der::kSequence) return list;
  DerReader revoked(field->content);
  while (const auto entry = revoked.next()) {
    const auto serial = DerReader(entry->content).next();
    if (!serial || serial->tag != der::kInteger) return bad;
    list.serials.insert(copy_of(serial->content));
  }
  return list;
}

// What of a certificate a list is about.
struct Identity {
  Der issuer;
  Der serial;
  Der subject;
};

std::optional<Identity> identity_of(const Der& certificate) {
  const auto whole = DerReader(certificate).next();
  if (!whole) return std::nullopt;
  const auto body = DerReader(whole->content).next();
  if (!body) return std::nullopt;
  DerReader fields(body->content);
  auto field = fields.next();
  if (field && field->tag == der::constructed(0)) field = fields.next();  // the version
  if (!field || field->tag != der::kInteger) return std::nullopt;
  Der serial = copy_of(field->content);
  fields.next();  // the algorithm
  const auto issuer = fields.next();
  fields.next();  // how long it is valid
  const auto subject = fields.next();
  if (!issuer || !subject) return std::nullopt;
  return Identity{copy_of(issuer->whole), std::move(serial), copy_of(subject->whole)};
}

// wolfCrypt's sizes are of 32 bits.
word32 word_size(std::size_t size) noexcept {
  return static_cast<word32>(size);
}

bool verify_ed25519(const DecodedCert& authority, const RevocationList& list) {
  ed25519_key key;
  int good = 0;
  if (wc_ed25519_init(&key) != 0) return false;
  if (wc_ed25519_import_public(authority.publicKey, authority.pubKeySize, &key) == 0) {
    static_cast<void>(wc_ed25519_verify_msg(list.signature.data(), word_size(list.signature.size()),
                                            list.signed_part.data(), word_size(list.signed_part.size()), &good, &key));
  }
  wc_ed25519_free(&key);
  return good == 1;
}

bool verify_ecdsa(const Algorithm& algorithm, const DecodedCert& authority, const RevocationList& list) {
  ecc_key key;
  word32 at = 0;
  if (wc_ecc_init(&key) != 0) return false;
  const bool good = wc_EccPublicKeyDecode(authority.publicKey, &at, &key, authority.pubKeySize) == 0 &&
                    wc_SignatureVerify(algorithm.hash, WC_SIGNATURE_TYPE_ECC, list.signed_part.data(),
                                       word_size(list.signed_part.size()), list.signature.data(),
                                       word_size(list.signature.size()), &key, sizeof key) == 0;
  wc_ecc_free(&key);
  return good;
}

// PKCS #1 v1.5 (RFC 8017 8.2.2): what the signature holds has to be a DigestInfo of our digest, to the byte.
bool verify_rsa(const Algorithm& algorithm, const DecodedCert& authority, const RevocationList& list) {
  const auto digest_size = static_cast<std::size_t>(wc_HashGetDigestSize(algorithm.hash));
  Der expected = {0x30,
                  static_cast<std::uint8_t>(17 + digest_size),
                  0x30,
                  13,
                  der::kObjectIdentifier,
                  9,
                  0x60,
                  0x86,
                  0x48,
                  0x01,
                  0x65,
                  0x03,
                  0x04,
                  0x02,
                  algorithm.oid_of_hash,
                  5,
                  0,
                  der::kOctetString,
                  static_cast<std::uint8_t>(digest_size)};
  const std::size_t prefix = expected.size();
  expected.resize(prefix + digest_size);
  if (wc_Hash(algorithm.hash, list.signed_part.data(), word_size(list.signed_part.size()), expected.data() + prefix,
              word_size(digest_size)) != 0) {
    return false;
  }
  RsaKey key;
  word32 at = 0;
  if (wc_InitRsaKey(&key, nullptr) != 0) return false;
  Der held(list.signature.size());
  int size = -1;
  if (wc_RsaPublicKeyDecode(authority.publicKey, &at, &key, authority.pubKeySize) == 0) {
    size = wc_RsaSSL_Verify(list.signature.data(), word_size(list.signature.size()), held.data(),
                            word_size(held.size()), &key);
  }
  wc_FreeRsaKey(&key);
  if (size < 0) return false;
  held.resize(static_cast<std::size_t>(size));
  return held == expected;
}

bool verify_signature(const DecodedCert& authority, const RevocationList& list) {
  const std::string_view oid = text_of(list.algorithm);
  if (oid == kEd25519) return verify_ed25519(authority, list);
  const auto* const algorithm = std::ranges::find(kAlgorithms, oid, &Algorithm::oid);
  if (algorithm == std::end(kAlgorithms)) return false;
  return algorithm->oid_of_hash == 0 ? verify_ecdsa(*algorithm, authority, list)
                                     : verify_rsa(*algorithm, authority, list);
}

// Whether the CA made the list: by name, by right and by signature.
bool is_list_of(const Der& authority, const RevocationList& list) {
  const auto identity = identity_of(authority);
  if (!identity || identity->subject != list.issuer) return false;
  DecodedCert decoded;
  wc_InitDecodedCert(&decoded, authority.data(), word_size(authority.size()), nullptr);
  const bool readable = wc_ParseCert(&decoded, CERT_TYPE, NO_VERIFY, nullptr) == 0;
  const bool may_sign = readable && (!decoded.extKeyUsageSet || (decoded.extKeyUsage & KEYUSE_CRL_SIGN) != 0);
  const bool made = may_sign && verify_signature(decoded, list);
  wc_FreeDecodedCert(&decoded);
  return made;
}

Result<Der> der_of(std::string_view pem_block) {
  DerBuffer* buffer = nullptr;
  const int result = wc_PemToDer(reinterpret_cast<const byte*>(pem_block.data()), static_cast<long>(pem_block.size()),
                                 CRL_TYPE, &buffer, nullptr, nullptr, nullptr);
  Der der;
  if (result == 0 && buffer != nullptr) der.assign(buffer->buffer, buffer->buffer + buffer->length);
  wc_FreeDer(&buffer);  // after a failure it is there even so
  if (der.empty()) return fail(ErrorCode::kCredentials, "is not a CRL in PEM form");
  return der;
}

std::string subject_of(const Der& certificate) {
  const auto info = parse_certificate(certificate);
  return info ? "'" + info->subject + "'" : "that cannot be read";
}

}  // namespace

Result<std::vector<RevocationList>> read_revocation_lists(std::string_view pem) {
  ensure_wolfssl();
  const auto blocks = pem_blocks(pem, "X509 CRL");
  if (blocks.empty()) return fail(ErrorCode::kCredentials, "holds no CRL in PEM form");
  std::vector<RevocationList> lists;
  for (const std::string_view block : blocks) {
    auto der = der_of(block);
    if (!der) return std::unexpected(der.error());
    auto list = parse_list(*der);
    if (!list) return std::unexpected(list.error());
    lists.push_back(std::move(*list));
  }
  return lists;
}

namespace {

Result<Manager> make_manager(const std::vector<Der>& authorities) {
  Manager manager(wolfSSL_CertManagerNew());
  if (!manager) return fail(ErrorCode::kLimit, "out of memory for certificates");
  for (const Der& authority : authorities) {
    // One of several may be expired while CAs are rotated.
    static_cast<void>(
        wolfSSL_CertManagerLoadCABuffer(manager.get(), authority.data(), size_of(authority), WOLFSSL_FILETYPE_ASN1));
  }
  return manager;
}

// A list that is no longer kept up to date would let anybody in whose revocation it does not know of.
Result<void> check_age(const std::vector<RevocationList>& lists) {
  for (const RevocationList& list : lists) {
    if (list.next_update_unix_s == 0 || list.next_update_unix_s >= std::time(nullptr)) continue;
    return fail(ErrorCode::kCredentials,
                "ca.crl is out of date: its successor was due on " + format_date(list.next_update_unix_s));
  }
  return {};
}

bool is_good_but_for_dates(int result) noexcept {
  return result == WOLFSSL_SUCCESS || result == ASN_AFTER_DATE_E || result == ASN_BEFORE_DATE_E;
}

}  // namespace

Result<PeerJudge> PeerJudge::make(std::vector<Der> authorities, std::vector<RevocationList> lists) {
  ensure_wolfssl();
  if (auto age = check_age(lists); !age) return std::unexpected(age.error());
  for (const RevocationList& list : lists) {
    const bool known = std::ranges::any_of(authorities, [&](const Der& ca) { return is_list_of(ca, list); });
    if (!known) return fail(ErrorCode::kCredentials, "ca.crl is not signed by a CA of ca.crt");
  }
  PeerJudge judge;
  judge.authorities_ = std::move(authorities);
  judge.lists_ = std::move(lists);
  return judge;
}

Result<void> PeerJudge::judge(const std::vector<Der>& chain) const {
  if (chain.empty()) return {};  // a peer that was let in without a certificate
  if (auto age = check_age(lists_); !age) return std::unexpected(age.error());
  for (const Der& certificate : chain) {
    if (is_revoked(certificate)) {
      return fail(ErrorCode::kTlsRevoked, "certificate " + subject_of(certificate) + " is revoked by ca.crl");
    }
  }
  auto manager = make_manager(authorities_);
  if (!manager) return std::unexpected(manager.error());
  const auto verify = [&](const Der& certificate) {
    return wolfSSL_CertManagerVerifyBuffer(manager->get(), certificate.data(), size_of(certificate),
                                           WOLFSSL_FILETYPE_ASN1);
  };
  // What the peer sent to lead from its own certificate to a CA: each is checked before it counts.
  for (std::size_t i = chain.size() - 1; i > 0; --i) {
    if (!is_good_but_for_dates(verify(chain[i]))) continue;
    static_cast<void>(
        wolfSSL_CertManagerLoadCABuffer(manager->get(), chain[i].data(), size_of(chain[i]), WOLFSSL_FILETYPE_ASN1));
  }
  if (is_good_but_for_dates(verify(chain[0]))) return {};
  return fail(ErrorCode::kTlsUntrusted, "certificate " + subject_of(chain[0]) + " is not signed by a CA of ca.crt");
}

bool PeerJudge::is_revoked(const Der& certificate) const {
  const auto identity = identity_of(certificate);
  if (!identity) return false;  // then it is no certificate of any CA either
  return std::ranges::any_of(lists_, [&](const RevocationList& list) {
    return list.issuer == identity->issuer && list.serials.contains(identity->serial);
  });
}

}  // namespace fairlead
