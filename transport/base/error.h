// Error and Result: how set-up and control code fails. Completions of the byte path carry a plain `res` instead.
//
// `code` is what a program decides on (and what status shows as `reason`), `message` is a sentence for a person: what
// failed, where, and what to do about it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace fairlead {

enum class ErrorCode : std::uint8_t {
  kInvalid,           // a value that the user gave is not allowed
  kNotFound,          // a file, resource or name that does not exist
  kSystem,            // a system call failed for a reason of its own; message has the errno's text
  kUnsupported,       // the kernel or library lacks what we need; message names the feature
  kLimit,             // a configured or derived limit was reached
  kResolve,           // host name not resolvable
  kRefused,           // TCP: connection refused
  kTimeout,           // no answer in time
  kUnreachable,       // TCP: no route, network or host unreachable
  kReset,             // the peer closed or reset the connection
  kTlsUntrusted,      // peer's certificate is not signed by the CA of the credentials
  kTlsName,           // peer's certificate is valid but not for the host we dialled
  kTlsExpired,        // peer's certificate is expired or not yet valid
  kTlsRevoked,        // peer's certificate is on the revocation list of the credentials
  kTlsNoCertificate,  // peer presented no client certificate where one is demanded
  kTlsRefused,        // peer refused our certificate (it sent an alert)
  kTlsNotTls,         // what answered does not speak TLS 1.3
  kTlsFailed,         // any other handshake failure
  kCredentials,       // our own certificate, key or CA is missing, broken or does not match
  kProtocol,          // peer violated the link protocol
  kVersion,           // peer speaks no protocol version of ours
  kSilent,            // peer stopped answering probes
  kDuplicate,         // a second one of something that can exist once
  kClosing,           // shut down on request
};

// Stable CamelCase name for status and logs ("TlsUntrusted").
std::string_view name_of(ErrorCode code) noexcept;

struct Error {
  ErrorCode code;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

// Error from an errno value (positive): maps the network errnos to their codes; "<what>: <errno text>".
Error error_from_errno(int errno_value, std::string_view what);

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace fairlead
