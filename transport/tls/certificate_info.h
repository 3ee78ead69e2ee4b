// CertificateInfo: what status, messages and the host check need to know of an X.509 certificate. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transport/base/error.h"

namespace fairlead {

struct CertificateInfo {
  std::string subject;                    // common name; empty if there is none
  std::string issuer;                     // common name of the issuer
  std::vector<std::string> dns_names;     // subject alternative names
  std::vector<std::string> ip_addresses;  // subject alternative names, in inet_ntop's spelling
  bool is_ca = false;                     // says that it may sign others
  std::int64_t not_before_unix_s = 0;
  std::int64_t not_after_unix_s = 0;
  std::string fingerprint;  // SHA-256 of the DER form, lower-case hex

  // For messages: all alternative names ("a, 10.0.0.2"), or "nothing".
  std::string names() const;
};

// Signatures and dates are not checked here.
Result<CertificateInfo> parse_certificate(std::span<const std::uint8_t> der);

// Whether the certificate is for `host`, an IP literal (compared with IP names only) or a DNS name (compared with DNS
// names only, case-insensitively; a whole left-most label "*" stands for one label). The common name is not consulted.
bool is_valid_for_host(const CertificateInfo& certificate, std::string_view host);

// Of a UTCTime or GeneralizedTime, tag and length included. Nothing if it is not well-formed.
std::optional<std::int64_t> unix_time(std::span<const std::uint8_t> date);

// "expired on 2026-08-02 10:00:00 UTC", or that it begins later; empty if the certificate is valid now.
std::string why_not_valid_now(const CertificateInfo& info);

// "2026-08-02 10:00:00 UTC".
std::string format_date(std::int64_t unix_s);

}  // namespace fairlead
