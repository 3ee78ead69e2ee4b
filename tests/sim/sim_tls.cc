#include "tests/sim/sim_tls.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/tls.h>

namespace fairlead::sim {
namespace {

constexpr std::size_t kHeader = 5;
constexpr std::size_t kContentMax = 16'384;
constexpr std::uint8_t kHandshake = 22;
constexpr std::uint8_t kApplicationData = 23;
constexpr std::uint8_t kKeyUpdate = 24;

}  // namespace

// Only the number and what lies behind it differ between the structures of the ciphers.
TlsEngines SimTls::engines() const noexcept {
  const TlsEngine engine = options_.nic ? TlsEngine::kNic : TlsEngine::kSoftware;
  return {send_ ? engine : TlsEngine::kUnknown, receive_ ? engine : TlsEngine::kUnknown};
}

int SimTls::set_key(bool send, std::span<const std::byte> info) {
  if (!(send ? options_.sends : options_.receives)) return -EINVAL;
  tls_crypto_info head;
  if (info.size() < sizeof head) return -EINVAL;
  std::memcpy(&head, info.data(), sizeof head);
  if (head.version != TLS_1_3_VERSION) return -EINVAL;
  std::optional<Half>& half = send ? send_ : receive_;
  if (half && !options_.rekeys) return -EBUSY;
  if (half && !send && has_unread() && !rekey_pending_) return -EBUSY;
  const auto install = [&]<class Info>(CipherSuite suite, const Info&) {
    Info key;
    if (info.size() != sizeof key) return -EINVAL;
    std::memcpy(&key, info.data(), sizeof key);
    if (half && half->suite != suite) return -EINVAL;
    half.reset();
    half.emplace(suite, std::span<const std::uint8_t>(key.key));
    std::memcpy(half->iv, key.salt, sizeof key.salt);
    std::memcpy(half->iv + sizeof key.salt, key.iv, sizeof key.iv);
    for (const std::uint8_t byte : key.rec_seq)
      half->sequence = half->sequence << 8 | byte;
    if (!send) rekey_pending_ = false;
    return 0;
  };
  switch (head.cipher_type) {
    case TLS_CIPHER_AES_GCM_128:
      return install(CipherSuite::kAes128Gcm, tls12_crypto_info_aes_gcm_128{});
    case TLS_CIPHER_AES_GCM_256:
      return install(CipherSuite::kAes256Gcm, tls12_crypto_info_aes_gcm_256{});
    case TLS_CIPHER_CHACHA20_POLY1305:
      return install(CipherSuite::kChaCha20Poly1305, tls12_crypto_info_chacha20_poly1305{});
    default:
      return -EINVAL;
  }
}

void SimTls::Half::next_nonce(std::uint8_t (&nonce)[kNonceSize]) noexcept {
  std::memcpy(nonce, iv, kNonceSize);
  for (std::size_t i = 0; i < 8; ++i)
    nonce[4 + i] = static_cast<std::uint8_t>(nonce[4 + i] ^ (sequence >> (56 - 8 * i)));
  ++sequence;
}

// ---- sending

void SimTls::seal(std::span<const std::uint8_t> content, std::uint8_t type, std::vector<std::uint8_t>& out) {
  std::vector<std::uint8_t> inner(content.begin(), content.end());
  inner.push_back(type);
  const std::size_t length = inner.size() + kTagSize;
  const std::uint8_t header[kHeader] = {kApplicationData, 3, 3, static_cast<std::uint8_t>(length >> 8),
                                        static_cast<std::uint8_t>(length)};
  std::uint8_t nonce[kNonceSize];
  send_->next_nonce(nonce);
  out.assign(header, header + kHeader);
  out.resize(kHeader + length);
  send_->aead.seal(nonce, header, inner.data(), inner.size(), out.data() + kHeader,
                   out.data() + kHeader + inner.size());
}

int SimTls::send(Connection& connection, Connection::Side side, std::span<const iovec> from, std::size_t bytes_max,
                 std::uint8_t type) {
  std::vector<std::uint8_t> content;
  for (const iovec& piece : from) {
    const auto* at = static_cast<const std::uint8_t*>(piece.iov_base);
    content.insert(content.end(), at, at + std::min(piece.iov_len, bytes_max - content.size()));
  }
  std::size_t done = 0;
  std::vector<std::uint8_t> record;
  while (done < content.size()) {
    // Linux begins a record while there is room for any of it, and then takes room for all of it.
    if (const int r = connection.room(side); r <= 0) return done > 0 ? static_cast<int>(done) : r;
    std::size_t size = std::min(content.size() - done, kContentMax);
    // As when a record has more pieces than the kernel gathers.
    if (type == kApplicationData && size > 1 && prng_.below(16) == 0) size = 1 + prng_.below(size);
    seal(std::span(content).subspan(done, size), type, record);
    connection.push_whole(side, record);
    done += size;
  }
  return static_cast<int>(done);
}

// ---- receiving

// Takes bytes of the connection until raw_ has `size` of them.
bool SimTls::take(Connection& connection, Connection::Side side, std::size_t size) {
  if (raw_.size() >= size) return true;
  if (connection.unread(side) == 0) return false;
  const std::size_t before = raw_.size();
  raw_.resize(size);
  const iovec rest{raw_.data() + before, size - before};
  const int got = connection.receive(side, {&rest, 1}, rest.iov_len);
  raw_.resize(before + static_cast<std::size_t>(std::max(got, 0)));
  return raw_.size() == size;
}

int SimTls::open_record() {
  const std::size_t inner_size = raw_.size() - kHeader - kTagSize;
  std::uint8_t nonce[kNonceSize];
  receive_->next_nonce(nonce);
  std::vector<std::uint8_t> inner(inner_size);
  const std::uint8_t* body = raw_.data() + kHeader;
  if (!receive_->aead.open(nonce, {raw_.data(), kHeader}, body, inner_size, body + inner_size, inner.data())) {
    return -EBADMSG;
  }
  raw_.clear();
  while (!inner.empty() && inner.back() == 0)
    inner.pop_back();
  if (inner.empty()) return -EBADMSG;
  const std::uint8_t type = inner.back();
  inner.pop_back();
  if (type == kHandshake && !inner.empty() && inner[0] == kKeyUpdate && options_.rekeys) rekey_pending_ = true;
  if (inner.empty() && type == kApplicationData) return 0;
  opened_.push_back({type, std::move(inner)});
  return 0;
}

// Opens what has come, up to the first record that has to be read by itself.
void SimTls::fill(Connection& connection, Connection::Side side) {
  while (error_ == 0 && !rekey_pending_ && (opened_.empty() || opened_.back().type == kApplicationData)) {
    if (opened_.size() >= 8 || !take(connection, side, kHeader)) return;
    const std::size_t length = static_cast<std::size_t>(raw_[3]) << 8 | raw_[4];
    if (raw_[1] != 3 || raw_[2] != 3 || raw_[0] != kApplicationData) {
      error_ = -EINVAL;
    } else if (length > kContentMax + 1 + 255 + kTagSize) {
      error_ = -EMSGSIZE;
    } else if (length < kTagSize + 1) {
      error_ = -EBADMSG;
    } else if (!take(connection, side, kHeader + length)) {
      return;
    } else {
      error_ = open_record();
    }
  }
}

bool SimTls::readable(Connection& connection, Connection::Side side) {
  fill(connection, side);
  // Linux 6.14 and later: nothing is readable between the opening of a KeyUpdate and its key.
  if (rekey_pending_ && (kept_back_ || opened_.empty())) return false;
  if (!opened_.empty() || error_ != 0) return true;
  return connection.unread(side) == 0 && connection.readable(side);
}

int SimTls::receive(Connection& connection, Connection::Side side, std::span<const iovec> to, std::size_t bytes_max,
                    std::uint8_t* type) {
  kept_back_ = false;
  fill(connection, side);
  if (opened_.empty()) {
    if (rekey_pending_) return -EKEYEXPIRED;
    if (error_ != 0) return error_;
    if (connection.unread(side) > 0) return -EAGAIN;
    return connection.receive(side, to, bytes_max);  // the end, an error, or nothing yet
  }
  const std::uint8_t first = opened_.front().type;
  if (type != nullptr) *type = first;
  if (first != kApplicationData && type == nullptr) return -EIO;
  std::vector<std::uint8_t> bytes;
  do {
    Record& record = opened_.front();
    const std::size_t size = std::min(bytes_max - bytes.size(), record.content.size() - record.taken);
    const auto at = record.content.begin() + static_cast<std::ptrdiff_t>(record.taken);
    bytes.insert(bytes.end(), at, at + static_cast<std::ptrdiff_t>(size));
    record.taken += size;
    if (record.taken < record.content.size()) break;
    opened_.pop_front();
    if (first != kApplicationData) break;
    fill(connection, side);
  } while (bytes.size() < bytes_max && !opened_.empty() && opened_.front().type == first);
  kept_back_ = rekey_pending_ && !opened_.empty() && bytes.size() < bytes_max;
  std::size_t done = 0;
  for (const iovec& piece : to) {
    const std::size_t size = std::min(piece.iov_len, bytes.size() - done);
    if (size > 0) std::memcpy(piece.iov_base, bytes.data() + done, size);
    done += size;
  }
  return static_cast<int>(done);
}

}  // namespace fairlead::sim
