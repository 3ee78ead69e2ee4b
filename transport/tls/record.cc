#include "transport/tls/record.h"

#include <array>
#include <cstring>
#include <span>

#include "transport/base/check.h"

namespace fairlead {

namespace {

using Nonce = std::array<std::uint8_t, kNonceSize>;

// RFC 8446 5.3: the record's number, big-endian and padded on the left, over the iv.
Nonce nonce_of(const Nonce& iv, std::uint64_t sequence) noexcept {
  Nonce nonce = iv;
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[kNonceSize - 1 - i] = static_cast<std::uint8_t>(nonce[kNonceSize - 1 - i] ^ (sequence >> (8 * i)));
  }
  return nonce;
}

std::size_t payload_length(const std::uint8_t* header) noexcept {
  return static_cast<std::size_t>(header[3]) << 8 | header[4];
}

std::span<const std::uint8_t> key_of(CipherSuite suite, const TrafficKeys& keys) noexcept {
  return std::span(keys.key).first(key_size(suite));
}

}  // namespace

RecordSealer::RecordSealer(CipherSuite suite, const TrafficSecret& secret, std::uint64_t sequence) noexcept
    : suite_(suite),
      sequence_(sequence),
      secret_(secret),
      keys_(derive_keys(suite, secret)),
      aead_(suite, key_of(suite, keys_)) {}

std::size_t RecordSealer::seal(ContentType type, std::uint8_t* plaintext, std::size_t size,
                               std::uint8_t* out) noexcept {
  CHECK(size <= kPlaintextMax);
  CHECK(sequence_ < kRecordsPerKeyMax);
  const std::size_t inner_size = size + 1;
  const std::size_t payload_size = inner_size + kTagSize;
  out[0] = static_cast<std::uint8_t>(ContentType::kApplicationData);
  out[1] = 3;
  out[2] = 3;
  out[3] = static_cast<std::uint8_t>(payload_size >> 8);
  out[4] = static_cast<std::uint8_t>(payload_size);

  std::uint8_t* const text = out + kRecordHeader;
  const std::uint8_t behind = plaintext[size];
  plaintext[size] = static_cast<std::uint8_t>(type);
  const Nonce nonce = nonce_of(keys_.iv, sequence_);
  aead_.seal(nonce.data(), {out, kRecordHeader}, plaintext, inner_size, text, text + inner_size);
  // Sealed in place, the byte behind the plaintext is ciphertext by now.
  if (plaintext != text) plaintext[size] = behind;
  ++sequence_;
  return kRecordHeader + payload_size;
}

std::size_t RecordSealer::key_update(std::uint8_t* out, bool request) noexcept {
  std::uint8_t message[kKeyUpdateMessage.size() + 1];
  std::memcpy(message, kKeyUpdateMessage.data(), kKeyUpdateMessage.size());
  if (request) message[kKeyUpdateMessage.size() - 1] = 1;
  const std::size_t length = seal(ContentType::kHandshake, message, kKeyUpdateMessage.size(), out);
  secret_ = next_generation(suite_, secret_);
  keys_ = derive_keys(suite_, secret_);
  aead_.set_key(key_of(suite_, keys_));
  sequence_ = 0;
  ++generation_;
  return length;
}

std::size_t RecordSealer::alert(std::uint8_t* out, std::uint8_t level, AlertDescription description) noexcept {
  std::uint8_t message[] = {level, static_cast<std::uint8_t>(description), 0};
  return seal(ContentType::kAlert, message, sizeof message - 1, out);
}

std::size_t RecordSealer::close_notify(std::uint8_t* out) noexcept {
  return alert(out, kAlertWarning, AlertDescription::kCloseNotify);
}

RecordOpener::RecordOpener(CipherSuite suite, const TrafficSecret& secret, std::uint64_t sequence) noexcept
    : suite_(suite),
      sequence_(sequence),
      secret_(secret),
      keys_(derive_keys(suite, secret)),
      aead_(suite, key_of(suite, keys_)) {}

std::expected<std::size_t, RecordFault> RecordOpener::peek(const std::uint8_t* data, std::size_t available) noexcept {
  if (available == 0) return 0;
  // The type is judged as soon as it is there: what is no TLS at all should not make us wait for five bytes of it.
  const auto type = static_cast<ContentType>(data[0]);
  if (type != ContentType::kApplicationData && type != ContentType::kChangeCipherSpec) {
    return std::unexpected(RecordFault::kUnprotected);
  }
  if (available < kRecordHeader) return 0;
  if (data[1] != 3 || data[2] != 3) return std::unexpected(RecordFault::kVersion);
  const std::size_t length = kRecordHeader + payload_length(data);
  if (length > kRecordMax) return std::unexpected(RecordFault::kTooLong);
  return length;
}

std::expected<RecordOpener::Opened, RecordFault> RecordOpener::open(std::uint8_t* record, std::size_t length) noexcept {
  DCHECK(length >= kRecordHeader && length == kRecordHeader + payload_length(record));
  if (record[0] != static_cast<std::uint8_t>(ContentType::kApplicationData)) return open_plain(record, length);
  if (length < kRecordOverhead) return std::unexpected(RecordFault::kTooShort);
  if (sequence_ >= peer_records_per_key_max(suite_)) return std::unexpected(RecordFault::kKeyExhausted);

  std::uint8_t* const inner = record + kRecordHeader;
  const std::size_t inner_size = length - kRecordHeader - kTagSize;
  const Nonce nonce = nonce_of(keys_.iv, sequence_);
  if (!aead_.open(nonce.data(), {record, kRecordHeader}, inner, inner_size, inner + inner_size, inner)) {
    return std::unexpected(RecordFault::kBadTag);
  }
  ++sequence_;
  protected_seen_ = true;
  return unpad(inner, inner_size);
}

std::expected<RecordOpener::Opened, RecordFault> RecordOpener::open_plain(const std::uint8_t* record,
                                                                          std::size_t length) noexcept {
  // A peer in "middlebox compatibility mode" (RFC 8446 D.4) sends this for show. It carries no number and no meaning,
  // and anybody on the way could add one, so it is tolerated only where an honest peer may have put it.
  const bool is_change_cipher_spec = record[0] == static_cast<std::uint8_t>(ContentType::kChangeCipherSpec) &&
                                     length == kRecordHeader + 1 && record[kRecordHeader] == 1;
  if (!is_change_cipher_spec || protected_seen_ || change_cipher_specs_ == kPlainChangeCipherSpecMax) {
    return std::unexpected(RecordFault::kUnprotected);
  }
  ++change_cipher_specs_;
  return Opened{ContentType::kChangeCipherSpec, nullptr, 0};
}

std::expected<RecordOpener::Opened, RecordFault> RecordOpener::unpad(std::uint8_t* inner, std::size_t size) noexcept {
  while (size > 0 && inner[size - 1] == 0)
    --size;
  if (size == 0) return std::unexpected(RecordFault::kNoContentType);
  const auto type = static_cast<ContentType>(inner[--size]);
  if (size > kPlaintextMax) return std::unexpected(RecordFault::kTooLong);
  if (type != ContentType::kApplicationData && type != ContentType::kHandshake && type != ContentType::kAlert) {
    return std::unexpected(RecordFault::kContentType);
  }
  if (size > 0) {
    empty_records_ = 0;
  } else if (type != ContentType::kApplicationData || ++empty_records_ > kEmptyRecordsMax) {
    return std::unexpected(RecordFault::kEmpty);
  }
  return Opened{type, inner, size};
}

void RecordOpener::advance_key() noexcept {
  secret_ = next_generation(suite_, secret_);
  keys_ = derive_keys(suite_, secret_);
  aead_.set_key(key_of(suite_, keys_));
  sequence_ = 0;
  ++generation_;
}

}  // namespace fairlead
