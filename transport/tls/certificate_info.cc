#include "transport/tls/certificate_info.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include <arpa/inet.h>

#include "transport/tls/wolfssl.h"

namespace fairlead {

namespace {

// wolfCrypt's DecodedCert points into the DER bytes it was made from.
class Decoded {
 public:
  explicit Decoded(std::span<const std::uint8_t> der) {
    wc_InitDecodedCert(&cert_, der.data(), static_cast<word32>(der.size()), nullptr);
  }
  ~Decoded() { wc_FreeDecodedCert(&cert_); }
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;

  DecodedCert* operator->() { return &cert_; }
  int parse() { return wc_ParseCert(&cert_, CERT_TYPE, NO_VERIFY, nullptr); }

 private:
  DecodedCert cert_;
};

std::string common_name_in(std::string_view distinguished_name) {
  // wolfCrypt writes distinguished names as "/O=Example/CN=name".
  constexpr std::string_view kCommonName = "/CN=";
  const std::size_t at = distinguished_name.find(kCommonName);
  if (at == std::string_view::npos) return std::string(distinguished_name);
  const std::string_view name = distinguished_name.substr(at + kCommonName.size());
  return std::string(name.substr(0, name.find('/')));
}

// Names come from a peer and end up in messages and on terminals.
std::string printable(std::string_view text) {
  std::string result(text);
  std::ranges::replace_if(
      result, [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return result;
}

std::span<const std::uint8_t> element(const byte* date, int size) {
  return date == nullptr ? std::span<const std::uint8_t>() : std::span(date, static_cast<std::size_t>(size));
}

std::optional<std::string> ip_text(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  const int family = bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6;
  if (family == AF_INET6 && bytes.size() != sizeof(in6_addr)) return std::nullopt;
  return inet_ntop(family, bytes.data(), text, sizeof text) != nullptr ? std::optional<std::string>(text)
                                                                       : std::nullopt;
}

void add_names(const DNS_entry* entry, CertificateInfo& info) {
  for (; entry != nullptr; entry = entry->next) {
    const std::string_view name(entry->name, static_cast<std::size_t>(entry->len));
    if (entry->type == ASN_DNS_TYPE) {
      // A name with a NUL or other odd byte must match no host, and must not be cut short to one that does.
      info.dns_names.push_back(printable(name));
    } else if (entry->type == ASN_IP_TYPE) {
      if (auto text = ip_text(name)) info.ip_addresses.push_back(std::move(*text));
    }
  }
}

std::string fingerprint_of(std::span<const std::uint8_t> der) {
  byte digest[WC_SHA256_DIGEST_SIZE];
  if (wc_Sha256Hash(der.data(), static_cast<word32>(der.size()), digest) != 0) return {};
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const byte value : digest) {
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

// RFC 6125 6.4: "*" only as the whole left-most label, for exactly one label, and with two labels behind it, so that
// "*.com" stands for nothing.
bool dns_name_matches(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return equal_ignoring_case(pattern, host);
  const std::string_view pattern_rest = pattern.substr(1);
  if (pattern_rest.find('.', 1) == std::string_view::npos) return false;
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && equal_ignoring_case(pattern_rest, host.substr(dot));
}

std::optional<std::string> canonical_ip(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  char text[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, host.c_str(), bytes) == 1 && inet_ntop(family, bytes, text, sizeof text) != nullptr) {
      return text;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string CertificateInfo::names() const {
  std::string text;
  for (const auto* list : {&dns_names, &ip_addresses}) {
    for (const std::string& name : *list)
      text.append(text.empty() ? "" : ", ").append(name);
  }
  return text.empty() ? "nothing" : text;
}

Result<CertificateInfo> parse_certificate(std::span<const std::uint8_t> der) {
  ensure_wolfssl();
  Decoded cert(der);
  if (const int error = cert.parse(); error != 0) {
    return fail(ErrorCode::kInvalid, "not a readable certificate: " + wolfssl_error_text(error));
  }
  CertificateInfo info;
  if (cert->subjectCN != nullptr && cert->subjectCNLen > 0) {
    info.subject = printable({cert->subjectCN, static_cast<std::size_t>(cert->subjectCNLen)});
  }
  info.issuer = printable(common_name_in(cert->issuer));
  add_names(cert->altNames, info);
  info.is_ca = cert->isCA != 0;
  const auto not_before = unix_time(element(cert->beforeDate, cert->beforeDateLen));
  const auto not_after = unix_time(element(cert->afterDate, cert->afterDateLen));
  if (!not_before || !not_after) return fail(ErrorCode::kInvalid, "not a readable certificate: its dates are broken");
  info.not_before_unix_s = *not_before;
  info.not_after_unix_s = *not_after;
  info.fingerprint = fingerprint_of(der);
  return info;
}

bool is_valid_for_host(const CertificateInfo& certificate, std::string_view host) {
  if (const auto ip = canonical_ip(std::string(host))) {
    return std::ranges::find(certificate.ip_addresses, *ip) != certificate.ip_addresses.end();
  }
  // "host." is the same name as "host": the dot only ends the resolver's search.
  if (host.ends_with('.')) host.remove_suffix(1);
  return !host.empty() && std::ranges::any_of(certificate.dns_names,
                                              [host](std::string_view name) { return dns_name_matches(name, host); });
}

std::optional<std::int64_t> unix_time(std::span<const std::uint8_t> date) {
  const byte* digits = nullptr;
  byte format = 0;
  int digits_size = 0;
  std::tm calendar{};
  if (date.empty() ||
      wc_GetDateInfo(date.data(), static_cast<int>(date.size()), &digits, &format, &digits_size) != 0 ||
      wc_GetDateAsCalendarTime(digits, digits_size, format, &calendar) != 0) {
    return std::nullopt;
  }
  return timegm(&calendar);
}

std::string why_not_valid_now(const CertificateInfo& info) {
  const std::int64_t now = std::time(nullptr);
  if (now < info.not_before_unix_s) return "is not valid before " + format_date(info.not_before_unix_s);
  if (now > info.not_after_unix_s) return "expired on " + format_date(info.not_after_unix_s);
  return {};
}

std::string format_date(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm calendar{};
  char text[48];
  if (gmtime_r(&time, &calendar) == nullptr) return "an impossible date";
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &calendar);
  return {text, size};
}

}  // namespace fairlead
