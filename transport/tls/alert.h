// TLS alerts (RFC 8446 6): their numbers, names, and what one from the peer means to us. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "transport/base/error.h"

namespace fairlead {

enum class AlertDescription : std::uint8_t {
  kCloseNotify = 0,
  kUnexpectedMessage = 10,
  kBadRecordMac = 20,
  kRecordOverflow = 22,
  kHandshakeFailure = 40,
  kBadCertificate = 42,
  kUnsupportedCertificate = 43,
  kCertificateRevoked = 44,
  kCertificateExpired = 45,
  kCertificateUnknown = 46,
  kIllegalParameter = 47,
  kUnknownCa = 48,
  kAccessDenied = 49,
  kDecodeError = 50,
  kDecryptError = 51,
  kProtocolVersion = 70,
  kInsufficientSecurity = 71,
  kInternalError = 80,
  kInappropriateFallback = 86,
  kUserCanceled = 90,
  kMissingExtension = 109,
  kUnsupportedExtension = 110,
  kUnrecognizedName = 112,
  kBadCertificateStatusResponse = 113,
  kUnknownPskIdentity = 115,
  kCertificateRequired = 116,
  kNoApplicationProtocol = 120,
};

inline constexpr std::uint8_t kAlertWarning = 1;
inline constexpr std::uint8_t kAlertFatal = 2;

// As in the RFC, for example "unknown_ca"; "unknown alert" for a number that it does not name.
std::string_view alert_name(std::uint8_t description) noexcept;

// What the peer's fatal alert means: kTlsRefused if it is about our certificate, kTlsNotTls if the peer does not speak
// TLS 1.3, else kTlsFailed. `peer` names the peer at the beginning of the sentence ("peer at 10.0.0.1:55671").
Error error_of_alert(std::uint8_t description, std::string_view peer);

}  // namespace fairlead
