// Certificate revocation lists (RFC 5280 5) as a bundle has them in ca.crl: reading them, and judging a peer's chain by
// the CAs and lists of a bundle, at its handshake and again whenever the bundle changes. Values; any thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "transport/base/error.h"

namespace fairlead {

using Der = std::vector<std::uint8_t>;

// Names and numbers are compared byte by byte, as a CA writes them. (wolfSSL 5.5's own lists do not work in a build
// without its OpenSSL layer: it never finds their issuer.)
struct RevocationList {
  Der issuer;                           // its name
  std::set<Der> serials;                // of the certificates that are revoked
  std::int64_t next_update_unix_s = 0;  // 0: none is promised
  Der signed_part;
  Der algorithm;  // object identifier
  Der signature;
};

// All lists of a PEM text. Their signatures are not checked here.
Result<std::vector<RevocationList>> read_revocation_lists(std::string_view pem);

// What a peer's chain (its own certificate first) is judged by. The lists of CAs that have none revoke nothing.
class PeerJudge {
 public:
  // Fails if a list is not signed by one of the CAs, or too old.
  static Result<PeerJudge> make(std::vector<Der> authorities, std::vector<RevocationList> lists);

  bool has_lists() const noexcept { return !lists_.empty(); }

  // kTlsRevoked or kTlsUntrusted. An expired certificate is not what this is about: whoever wears one out stays.
  Result<void> judge(const std::vector<Der>& chain) const;

 private:
  bool is_revoked(const Der& certificate) const;

  std::vector<Der> authorities_;
  std::vector<RevocationList> lists_;
};

}  // namespace fairlead
