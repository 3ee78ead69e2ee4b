// The record layer of TLS 1.3 in user space, one class per direction, fed from the traffic secrets that the handshake
// leaves behind. It works straight on the caller's buffers and stays on the byte path: no allocation, no log, no
// string.
//
//   | type 23 | 3 3 | length (2) | encrypted: plaintext, content type, zeros of padding | tag (16) |
//   |<---- kRecordHeader = 5 --->|<------------- what `length` counts -------------------------->|
//
// Each object belongs to one thread. Neither is moved: the expanded AES key within is aligned.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>

#include "transport/base/error.h"
#include "transport/tls/alert.h"
#include "transport/tls/cipher.h"
#include "transport/tls/key_schedule.h"

namespace fairlead {

enum class ContentType : std::uint8_t { kChangeCipherSpec = 20, kAlert = 21, kHandshake = 22, kApplicationData = 23 };

inline constexpr std::size_t kRecordHeader = 5;
inline constexpr std::size_t kPlaintextMax = 16384;
inline constexpr std::size_t kRecordOverhead = kRecordHeader + 1 + kTagSize;    // of a record without padding
inline constexpr std::size_t kRecordMax = kRecordHeader + kPlaintextMax + 256;  // that a peer may send
inline constexpr std::size_t kKeyUpdateRecord = kRecordOverhead + 5;
inline constexpr std::size_t kAlertRecord = kRecordOverhead + 2;

// Records that a key may protect before it is replaced. RFC 8446 5.5 allows AES-GCM about 2^24.5; at 2^23 there is time
// left for the peer, or the session's owner, to act. ChaCha20-Poly1305 has no such limit; it is renewed at the same
// count, so that one path serves all suites.
inline constexpr std::uint64_t kRecordsPerKey = std::uint64_t{1} << 23;
// A session ends before it goes on with a key beyond this.
inline constexpr std::uint64_t kRecordsPerKeyMax = std::uint64_t{1} << 24;
// What is said, as a handshake message, when a key is replaced: KeyUpdate, update_not_requested (RFC 8446 4.6.3).
inline constexpr std::array<std::uint8_t, 5> kKeyUpdateMessage{24, 0, 0, 1, 0};
// What a peer may use one key for. Wider than our own limit, so that only a peer that never renews is refused.
constexpr std::uint64_t peer_records_per_key_max(CipherSuite suite) noexcept {
  return suite == CipherSuite::kChaCha20Poly1305 ? std::uint64_t{1} << 62 : std::uint64_t{1} << 25;
}

// Why a record, or what was in it, is not acceptable. Each ends the session.
enum class RecordFault : std::uint8_t {
  kUnprotected,       // a record that should be encrypted is not
  kVersion,           // header does not say TLS 1.2 (as TLS 1.3 does on the wire)
  kTooLong,           // more than kRecordMax, or a plaintext of more than kPlaintextMax
  kTooShort,          // no room for content type and tag
  kBadTag,            // not sealed under the key and number we expect
  kNoContentType,     // nothing but padding
  kContentType,       // an inner content type that must not be there
  kEmpty,             // an empty alert or handshake record, or a long row of empty application records
  kKeyExhausted,      // the peer went on with one key for too long
  kMessage,           // a handshake message that has no place after the handshake
  kMessageMalformed,  // a handshake message or alert that does not fit its format
  kMessageFlood,      // more tickets or key updates than a peer has reason for
  kKeyUpdate,         // a key update, which this kernel's TLS cannot follow
};

Error error_of(RecordFault fault);
// What to tell the peer before closing.
AlertDescription alert_of(RecordFault fault) noexcept;

class RecordSealer {
 public:
  RecordSealer(CipherSuite suite, const TrafficSecret& secret, std::uint64_t sequence) noexcept;
  RecordSealer(const RecordSealer&) = delete;
  RecordSealer& operator=(const RecordSealer&) = delete;

  // Beyond kRecordsPerKeyMax records under one key the process is stopped: going on would give away the key.
  //
  // Writes one record of `size` + kRecordOverhead bytes to `out` and returns that number. `size` <= kPlaintextMax.
  // plaintext[size] must be memory that may be written: the content type stands there during the call, so that header,
  // text and type are one input to the cipher without a copy; the byte that was there is put back.
  // `plaintext` is apart from the record's bytes, or exactly out + kRecordHeader (sealed in place).
  std::size_t seal(ContentType type, std::uint8_t* plaintext, std::size_t size, std::uint8_t* out) noexcept;

  // Seals a KeyUpdate message (kKeyUpdateRecord bytes) under the present key and goes over to the next one. With
  // `request` the peer is asked to renew its key too.
  std::size_t key_update(std::uint8_t* out, bool request) noexcept;

  // kAlertRecord bytes each.
  std::size_t alert(std::uint8_t* out, std::uint8_t level, AlertDescription description) noexcept;
  std::size_t close_notify(std::uint8_t* out) noexcept;

  CipherSuite suite() const noexcept { return suite_; }
  std::uint64_t records() const noexcept { return sequence_; }       // under the present key
  std::uint64_t generation() const noexcept { return generation_; }  // key updates so far
  const TrafficSecret& secret() const noexcept { return secret_; }   // of the present key

 private:
  CipherSuite suite_;
  std::uint64_t sequence_;
  std::uint64_t generation_ = 0;
  TrafficSecret secret_;
  TrafficKeys keys_;
  Aead aead_;
};

class RecordOpener {
 public:
  struct Opened {
    ContentType type;  // kChangeCipherSpec: nothing of interest, skip it
    std::uint8_t* data;
    std::size_t size;
  };

  RecordOpener(CipherSuite suite, const TrafficSecret& secret, std::uint64_t sequence) noexcept;
  RecordOpener(const RecordOpener&) = delete;
  RecordOpener& operator=(const RecordOpener&) = delete;

  // Length of the record that begins at `data`, header included, as soon as `available` bytes tell; 0: not yet.
  static std::expected<std::size_t, RecordFault> peek(const std::uint8_t* data, std::size_t available) noexcept;

  // Decrypts a whole record in place; `length` is what peek() said. After a fault the record's bytes are not usable and
  // neither is the opener.
  std::expected<Opened, RecordFault> open(std::uint8_t* record, std::size_t length) noexcept;

  // Goes over to the next key: the peer sent a KeyUpdate.
  void advance_key() noexcept;

  CipherSuite suite() const noexcept { return suite_; }
  std::uint64_t records() const noexcept { return sequence_; }
  std::uint64_t generation() const noexcept { return generation_; }
  const TrafficSecret& secret() const noexcept { return secret_; }

 private:
  static constexpr std::uint8_t kPlainChangeCipherSpecMax = 2;
  static constexpr std::uint8_t kEmptyRecordsMax = 32;  // in a row

  std::expected<Opened, RecordFault> open_plain(const std::uint8_t* record, std::size_t length) noexcept;
  std::expected<Opened, RecordFault> unpad(std::uint8_t* inner, std::size_t size) noexcept;

  CipherSuite suite_;
  std::uint8_t empty_records_ = 0;
  std::uint8_t change_cipher_specs_ = 0;
  bool protected_seen_ = false;
  std::uint64_t sequence_;
  std::uint64_t generation_ = 0;
  TrafficSecret secret_;
  TrafficKeys keys_;
  Aead aead_;
};

}  // namespace fairlead
