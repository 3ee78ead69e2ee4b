// The record layer's receiving side, fed in two ways: with arbitrary bytes from the wire, and with arbitrary contents
// that are properly sealed, as a hostile peer that has the keys would send them.
//
// First byte of the input: bit 0 the way, bits 1-2 the cipher suite, bit 3 our role. The wire's bytes follow, or a row
// of records: length (2 bytes), then the inner plaintext with its content type and padding.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <vector>

#include "tests/fuzz/fuzz_target.h"
#include "transport/tls/post_handshake.h"
#include "transport/tls/record.h"

namespace fairlead {
namespace {

TrafficSecret secret_for(CipherSuite suite) {
  std::vector<std::uint8_t> bytes(hash_size(suite), 0x42);
  return TrafficSecret(bytes);
}

// What a session does with records, as far as it concerns TLS. False ends it.
class Receiver {
 public:
  Receiver(CipherSuite suite, PostHandshake::Role role)
      : opener_(suite, secret_for(suite), 0), sealer_(suite, secret_for(suite), 0), post_(role) {}

  bool take(std::uint8_t* record, std::size_t length) {
    const auto opened = opener_.open(record, length);
    if (!opened) return end(opened.error());
    if (opened->type == ContentType::kChangeCipherSpec) return true;
    expect(opened->data == record + kRecordHeader && opened->size <= kPlaintextMax);
    expect(opened->size + kRecordOverhead <= length);
    switch (opened->type) {
      case ContentType::kChangeCipherSpec: return true;
      case ContentType::kApplicationData: return post_.application_data();
      case ContentType::kHandshake: return take_handshake(opened->data, opened->size);
      case ContentType::kAlert: {
        const auto alert = PostHandshake::alert(opened->data, opened->size);
        if (!alert) return end(alert.error());
        expect(!error_of_alert(alert->description, "peer").message.empty());
        return alert->is_ignorable();
      }
    }
    return false;
  }

  const RecordOpener& opener() const { return opener_; }

 private:
  bool take_handshake(const std::uint8_t* data, std::size_t size) {
    const auto action = post_.handshake(data, size);
    if (!action) return end(action.error());
    if (*action == PostHandshake::Action::kNone) return true;
    opener_.advance_key();
    if (*action == PostHandshake::Action::kAdvanceAndAnswer) {
      std::uint8_t answer[kKeyUpdateRecord];
      expect(sealer_.key_update(answer, false) == sizeof answer);
    }
    return true;
  }

  static bool end(RecordFault fault) {
    expect(!error_of(fault).message.empty());
    static_cast<void>(alert_of(fault));
    return false;
  }

  RecordOpener opener_;
  RecordSealer sealer_;
  PostHandshake post_;
};

// The bytes as they come from the wire. Each record gets memory of its own size, so that a step beyond it is seen.
void feed_wire(Receiver& receiver, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const auto length = RecordOpener::peek(bytes.data(), bytes.size());
    if (!length || *length == 0 || *length > bytes.size()) return;
    expect(*length <= kRecordMax);
    std::vector<std::uint8_t> record(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*length));
    if (!receiver.take(record.data(), record.size())) return;
    bytes = bytes.subspan(*length);
  }
}

std::vector<std::uint8_t> seal_inner(const RecordOpener& opener, std::span<const std::uint8_t> inner) {
  const TrafficKeys keys = derive_keys(opener.suite(), opener.secret());
  Aead aead(opener.suite(), std::span(keys.key).first(key_size(opener.suite())));
  auto nonce = keys.iv;
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[kNonceSize - 1 - i] = static_cast<std::uint8_t>(nonce[kNonceSize - 1 - i] ^ (opener.records() >> (8 * i)));
  }
  const std::size_t payload = inner.size() + kTagSize;
  std::vector<std::uint8_t> record(kRecordHeader + payload);
  const std::uint8_t header[kRecordHeader] = {23, 3, 3, static_cast<std::uint8_t>(payload >> 8),
                                              static_cast<std::uint8_t>(payload)};
  std::memcpy(record.data(), header, sizeof header);
  aead.seal(nonce.data(), header, inner.data(), inner.size(), record.data() + kRecordHeader,
            record.data() + kRecordHeader + inner.size());
  return record;
}

void feed_sealed(Receiver& receiver, std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kLengthSize = 2;
  while (bytes.size() > kLengthSize) {
    const std::size_t wanted = static_cast<std::size_t>(bytes[0]) << 8 | bytes[1];
    bytes = bytes.subspan(kLengthSize);
    const auto inner = bytes.first(std::min(std::max<std::size_t>(wanted, 1), bytes.size()));
    std::vector<std::uint8_t> record = seal_inner(receiver.opener(), inner);
    bytes = bytes.subspan(inner.size());
    const auto length = RecordOpener::peek(record.data(), record.size());
    if (!length) return;
    expect(*length == record.size());
    if (!receiver.take(record.data(), record.size())) return;
  }
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  const std::uint8_t first = input[0];
  const auto rest = input.subspan(1);
  const CipherSuite suite = kDefaultSuites[(first >> 1 & 3) % std::size(kDefaultSuites)];
  Receiver receiver(suite, (first & 8) != 0 ? PostHandshake::Role::kServer : PostHandshake::Role::kClient);
  (first & 1) != 0 ? feed_sealed(receiver, rest) : feed_wire(receiver, rest);
}

}  // namespace fairlead
