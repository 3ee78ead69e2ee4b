// The words for RecordFault: apart from record.cc, which stays free of strings.
#include "transport/tls/record.h"

namespace fairlead {

namespace {

std::string_view text_of(RecordFault fault) noexcept {
  switch (fault) {
    case RecordFault::kUnprotected: return "a TLS record that is not encrypted";
    case RecordFault::kVersion: return "a TLS record with a wrong version number";
    case RecordFault::kTooLong: return "a TLS record that is longer than allowed";
    case RecordFault::kTooShort: return "a TLS record that is too short to be encrypted";
    case RecordFault::kBadTag: return "a TLS record that was damaged or is not of this session";
    case RecordFault::kNoContentType: return "a TLS record of nothing but padding";
    case RecordFault::kContentType: return "a TLS record of an unknown content type";
    case RecordFault::kEmpty: return "an empty TLS record where that is not allowed";
    case RecordFault::kKeyExhausted: return "more TLS records under one key than are safe";
    case RecordFault::kMessage: return "a TLS handshake message that has no place after the handshake";
    case RecordFault::kMessageMalformed: return "a malformed TLS message";
    case RecordFault::kMessageFlood: return "too many TLS tickets or key updates";
    case RecordFault::kKeyUpdate: return "a TLS key update, which this kernel cannot follow";
  }
  return "a bad TLS record";
}

}  // namespace

Error error_of(RecordFault fault) {
  return {ErrorCode::kProtocol, std::string("peer sent ").append(text_of(fault))};
}

AlertDescription alert_of(RecordFault fault) noexcept {
  switch (fault) {
    case RecordFault::kUnprotected:
    case RecordFault::kNoContentType:
    case RecordFault::kContentType:
    case RecordFault::kEmpty:
    case RecordFault::kMessage:
    case RecordFault::kMessageFlood: return AlertDescription::kUnexpectedMessage;
    case RecordFault::kTooLong: return AlertDescription::kRecordOverflow;
    case RecordFault::kVersion:
    case RecordFault::kTooShort:
    case RecordFault::kMessageMalformed: return AlertDescription::kDecodeError;
    case RecordFault::kBadTag: return AlertDescription::kBadRecordMac;
    case RecordFault::kKeyUpdate:
    case RecordFault::kKeyExhausted: return AlertDescription::kInternalError;
  }
  return AlertDescription::kInternalError;
}

}  // namespace fairlead
