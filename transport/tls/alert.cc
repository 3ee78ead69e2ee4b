#include "transport/tls/alert.h"

#include <string>

namespace fairlead {

std::string_view alert_name(std::uint8_t description) noexcept {
  switch (static_cast<AlertDescription>(description)) {
    case AlertDescription::kCloseNotify: return "close_notify";
    case AlertDescription::kUnexpectedMessage: return "unexpected_message";
    case AlertDescription::kBadRecordMac: return "bad_record_mac";
    case AlertDescription::kRecordOverflow: return "record_overflow";
    case AlertDescription::kHandshakeFailure: return "handshake_failure";
    case AlertDescription::kBadCertificate: return "bad_certificate";
    case AlertDescription::kUnsupportedCertificate: return "unsupported_certificate";
    case AlertDescription::kCertificateRevoked: return "certificate_revoked";
    case AlertDescription::kCertificateExpired: return "certificate_expired";
    case AlertDescription::kCertificateUnknown: return "certificate_unknown";
    case AlertDescription::kIllegalParameter: return "illegal_parameter";
    case AlertDescription::kUnknownCa: return "unknown_ca";
    case AlertDescription::kAccessDenied: return "access_denied";
    case AlertDescription::kDecodeError: return "decode_error";
    case AlertDescription::kDecryptError: return "decrypt_error";
    case AlertDescription::kProtocolVersion: return "protocol_version";
    case AlertDescription::kInsufficientSecurity: return "insufficient_security";
    case AlertDescription::kInternalError: return "internal_error";
    case AlertDescription::kInappropriateFallback: return "inappropriate_fallback";
    case AlertDescription::kUserCanceled: return "user_canceled";
    case AlertDescription::kMissingExtension: return "missing_extension";
    case AlertDescription::kUnsupportedExtension: return "unsupported_extension";
    case AlertDescription::kUnrecognizedName: return "unrecognized_name";
    case AlertDescription::kBadCertificateStatusResponse: return "bad_certificate_status_response";
    case AlertDescription::kUnknownPskIdentity: return "unknown_psk_identity";
    case AlertDescription::kCertificateRequired: return "certificate_required";
    case AlertDescription::kNoApplicationProtocol: return "no_application_protocol";
  }
  return "unknown alert";
}

namespace {

struct Meaning {
  ErrorCode code;
  std::string_view says;
};

Meaning meaning_of(std::uint8_t description) noexcept {
  switch (static_cast<AlertDescription>(description)) {
    case AlertDescription::kBadCertificate:
    case AlertDescription::kUnsupportedCertificate:
    case AlertDescription::kCertificateRevoked:
    case AlertDescription::kCertificateExpired:
    case AlertDescription::kCertificateUnknown:
    case AlertDescription::kUnknownCa:
    case AlertDescription::kAccessDenied: return {ErrorCode::kTlsRefused, "refused our certificate"};
    case AlertDescription::kCertificateRequired:
      return {ErrorCode::kTlsRefused, "demands a client certificate, and we presented none"};
    case AlertDescription::kProtocolVersion: return {ErrorCode::kTlsNotTls, "does not speak TLS 1.3"};
    case AlertDescription::kNoApplicationProtocol:
      return {ErrorCode::kTlsFailed, "does not speak our protocol inside TLS"};
    case AlertDescription::kCloseNotify:
    case AlertDescription::kUnexpectedMessage:
    case AlertDescription::kBadRecordMac:
    case AlertDescription::kRecordOverflow:
    case AlertDescription::kHandshakeFailure:
    case AlertDescription::kIllegalParameter:
    case AlertDescription::kDecodeError:
    case AlertDescription::kDecryptError:
    case AlertDescription::kInsufficientSecurity:
    case AlertDescription::kInternalError:
    case AlertDescription::kInappropriateFallback:
    case AlertDescription::kUserCanceled:
    case AlertDescription::kMissingExtension:
    case AlertDescription::kUnsupportedExtension:
    case AlertDescription::kUnrecognizedName:
    case AlertDescription::kBadCertificateStatusResponse:
    case AlertDescription::kUnknownPskIdentity: break;
  }
  return {ErrorCode::kTlsFailed, "ended the TLS session with an alert"};
}

}  // namespace

Error error_of_alert(std::uint8_t description, std::string_view peer) {
  const Meaning meaning = meaning_of(description);
  std::string message(peer);
  message.append(" ").append(meaning.says).append(": ").append(alert_name(description));
  message.append(" (alert ").append(std::to_string(description)).append(")");
  return {meaning.code, std::move(message)};
}

}  // namespace fairlead
