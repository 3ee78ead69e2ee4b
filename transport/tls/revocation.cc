#include "transport/tls/revocation.h"

#include <ctime>
#include <memory>
#include <optional>
#include <span>

#include "transport/tls/certificate_info.h"
#include "transport/tls/der.h"
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

// The elements of a DER sequence, one by one.
class DerReader {
 public:
  explicit DerReader(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

  struct Element {
    std::uint8_t tag = 0;
    std::span<const std::uint8_t> whole;  // with tag and length
    std::span<const std::uint8_t> content;
  };

  // Nothing at the end, and at what is no DER.
  std::optional<Element> next() noexcept {
    if (bytes_.size() < 2) return std::nullopt;
    std::size_t header = 2;
    std::size_t length = bytes_[1];
    if (length >= 0x80) {
      const std::size_t count = length & 0x7f;
      if (count == 0 || count > 4 || bytes_.size() < 2 + count) return std::nullopt;
      length = 0;
      for (std::size_t i = 0; i < count; ++i)
        length = length << 8 | bytes_[2 + i];
      header += count;
    }
    if (bytes_.size() - header < length) return std::nullopt;
    const Element element{bytes_[0], bytes_.first(header + length), bytes_.subspan(header, length)};
    bytes_ = bytes_.subspan(header + length);
    return element;
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

bool is_time(const DerReader::Element& element) noexcept {
  return element.tag == der::kUtcTime || element.tag == der::kGeneralizedTime;
}

// TBSCertList: version (optional), signature, issuer, thisUpdate, nextUpdate (optional), …
Result<std::int64_t> next_update_of(const Der& list) {
  const auto bad = fail(ErrorCode::kCredentials, "not a readable CRL");
  DerReader outer(list);
  const auto certificate_list = outer.next();
  if (!certificate_list || certificate_list->tag != der::kSequence) return bad;
  DerReader inner(certificate_list->content);
  const auto body = inner.next();
  if (!body || body->tag != der::kSequence) return bad;
  DerReader fields(body->content);
  bool after_this_update = false;
  while (const auto field = fields.next()) {
    if (!is_time(*field)) {
      if (after_this_update) return 0;
      continue;
    }
    if (!std::exchange(after_this_update, true)) continue;
    const auto time = unix_time(field->whole);
    if (!time) return bad;
    return *time;
  }
  return after_this_update ? Result<std::int64_t>(0) : bad;
}

Result<Der> der_of(std::string_view pem_block) {
  DerBuffer* buffer = nullptr;
  const int result = wc_PemToDer(reinterpret_cast<const byte*>(pem_block.data()), static_cast<long>(pem_block.size()),
                                 CRL_TYPE, &buffer, nullptr, nullptr, nullptr);
  if (result != 0 || buffer == nullptr) return fail(ErrorCode::kCredentials, "not a CRL in PEM form");
  Der der(buffer->buffer, buffer->buffer + buffer->length);
  wc_FreeDer(&buffer);
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
    const auto next_update = next_update_of(*der);
    if (!next_update) return std::unexpected(next_update.error());
    lists.push_back({std::move(*der), *next_update});
  }
  return lists;
}

namespace {

Result<Manager> make_manager(const std::vector<Der>& authorities, const std::vector<RevocationList>& lists) {
  Manager manager(wolfSSL_CertManagerNew());
  if (!manager) return fail(ErrorCode::kLimit, "out of memory for certificates");
  for (const Der& authority : authorities) {
    // One of several may be expired while CAs are rotated.
    static_cast<void>(wolfSSL_CertManagerLoadCABuffer(manager.get(), authority.data(), size_of(authority),
                                                      WOLFSSL_FILETYPE_ASN1));
  }
  if (lists.empty()) return manager;
  if (wolfSSL_CertManagerEnableCRL(manager.get(), WOLFSSL_CRL_CHECK) != WOLFSSL_SUCCESS) {
    return fail(ErrorCode::kUnsupported, "this wolfSSL has no revocation lists");
  }
  for (const RevocationList& list : lists) {
    const int result =
        wolfSSL_CertManagerLoadCRLBuffer(manager.get(), list.der.data(), size_of(list.der), WOLFSSL_FILETYPE_ASN1);
    if (result == WOLFSSL_SUCCESS) continue;
    return fail(ErrorCode::kCredentials, result == ASN_CRL_NO_SIGNER_E || result == ASN_CRL_CONFIRM_E
                                             ? "ca.crl is not signed by a CA of ca.crt"
                                             : "ca.crl cannot be used: " + wolfssl_error_text(result));
  }
  return manager;
}

// A list that is no longer kept up to date would let anybody in whose revocation it does not know of.
Result<void> check_age(const std::vector<RevocationList>& lists) {
  for (const RevocationList& list : lists) {
    if (list.next_update_unix_s == 0 || list.next_update_unix_s >= std::time(nullptr)) continue;
    return fail(ErrorCode::kCredentials, "ca.crl is out of date: its successor was due on " +
                                             format_date(list.next_update_unix_s));
  }
  return {};
}

}  // namespace

Result<PeerJudge> PeerJudge::make(std::vector<Der> authorities, std::vector<RevocationList> lists) {
  ensure_wolfssl();
  if (auto age = check_age(lists); !age) return std::unexpected(age.error());
  if (auto manager = make_manager(authorities, lists); !manager) return std::unexpected(manager.error());
  PeerJudge judge;
  judge.authorities_ = std::move(authorities);
  judge.lists_ = std::move(lists);
  return judge;
}

Result<void> PeerJudge::judge(const std::vector<Der>& chain) const {
  if (chain.empty()) return {};  // a peer without a certificate is let in by name of its port
  if (auto age = check_age(lists_); !age) return std::unexpected(age.error());
  auto manager = make_manager(authorities_, lists_);
  if (!manager) return std::unexpected(manager.error());
  // What the peer sent to lead from its own certificate to a CA: each is checked before it counts.
  for (std::size_t i = chain.size() - 1; i > 0; --i) {
    const auto verify = [&] {
      return wolfSSL_CertManagerVerifyBuffer(manager->get(), chain[i].data(), size_of(chain[i]), WOLFSSL_FILETYPE_ASN1);
    };
    if (const int result = verify(); result == WOLFSSL_SUCCESS || result == CRL_MISSING) {
      static_cast<void>(wolfSSL_CertManagerLoadCABuffer(manager->get(), chain[i].data(), size_of(chain[i]),
                                                        WOLFSSL_FILETYPE_ASN1));
    }
  }
  const int result = wolfSSL_CertManagerVerifyBuffer(manager->get(), chain[0].data(), size_of(chain[0]),
                                                     WOLFSSL_FILETYPE_ASN1);
  switch (result) {
    case CRL_CERT_REVOKED:
      return fail(ErrorCode::kTlsRevoked, "certificate " + subject_of(chain[0]) + " is revoked by ca.crl");
    case ASN_NO_SIGNER_E:
    case ASN_SIG_CONFIRM_E:
    case ASN_SELF_SIGNED_E:
      return fail(ErrorCode::kTlsUntrusted, "certificate " + subject_of(chain[0]) + " is not signed by a CA of ca.crt");
    default:
      return {};
  }
}

}  // namespace fairlead
