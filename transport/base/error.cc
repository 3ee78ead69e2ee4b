#include "transport/base/error.h"

#include <cerrno>
#include <cstring>

namespace fairlead {

std::string_view name_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalid:
      return "Invalid";
    case ErrorCode::kNotFound:
      return "NotFound";
    case ErrorCode::kSystem:
      return "System";
    case ErrorCode::kUnsupported:
      return "Unsupported";
    case ErrorCode::kLimit:
      return "Limit";
    case ErrorCode::kResolve:
      return "Resolve";
    case ErrorCode::kRefused:
      return "Refused";
    case ErrorCode::kTimeout:
      return "Timeout";
    case ErrorCode::kUnreachable:
      return "Unreachable";
    case ErrorCode::kReset:
      return "Reset";
    case ErrorCode::kTlsUntrusted:
      return "TlsUntrusted";
    case ErrorCode::kTlsName:
      return "TlsName";
    case ErrorCode::kTlsExpired:
      return "TlsExpired";
    case ErrorCode::kTlsRevoked:
      return "TlsRevoked";
    case ErrorCode::kTlsNoCertificate:
      return "TlsNoCertificate";
    case ErrorCode::kTlsRefused:
      return "TlsRefused";
    case ErrorCode::kTlsNotTls:
      return "TlsNotTls";
    case ErrorCode::kTlsFailed:
      return "TlsFailed";
    case ErrorCode::kCredentials:
      return "Credentials";
    case ErrorCode::kProtocol:
      return "Protocol";
    case ErrorCode::kVersion:
      return "Version";
    case ErrorCode::kSilent:
      return "Silent";
    case ErrorCode::kDuplicate:
      return "Duplicate";
    case ErrorCode::kClosing:
      return "Closing";
  }
  return "Unknown";
}

namespace {

ErrorCode code_of_errno(int errno_value) noexcept {
  switch (errno_value) {
    case ECONNREFUSED:
      return ErrorCode::kRefused;
    case ETIMEDOUT:
      return ErrorCode::kTimeout;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
      return ErrorCode::kUnreachable;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
      return ErrorCode::kReset;
    case ENOENT:
      return ErrorCode::kNotFound;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return ErrorCode::kLimit;
    case EADDRINUSE:
      return ErrorCode::kDuplicate;
    case EOPNOTSUPP:
    case ENOSYS:
      return ErrorCode::kUnsupported;
    default:
      return ErrorCode::kSystem;
  }
}

}  // namespace

Error error_from_errno(int errno_value, std::string_view what) {
  char buffer[128];
  // GNU strerror_r: returns the text, which may or may not be in the buffer.
  const char* text = strerror_r(errno_value, buffer, sizeof buffer);
  std::string message(what);
  message += ": ";
  message += text;
  return {code_of_errno(errno_value), std::move(message)};
}

}  // namespace fairlead
