// CipherSuite: the three suites of TLS 1.3 that we speak. Aead: one expanded key of one of them, sealing and opening
// straight between the caller's buffers: no allocation and no copy per call.
//
// An Aead belongs to one thread. It is neither copied nor moved: the expanded key is aligned for the AES instructions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace fairlead {

enum class CipherSuite : std::uint16_t {  // values are those on the wire (RFC 8446 B.4)
  kAes128Gcm = 0x1301,
  kAes256Gcm = 0x1302,
  kChaCha20Poly1305 = 0x1303,
};

inline constexpr CipherSuite kDefaultSuites[] = {CipherSuite::kAes128Gcm, CipherSuite::kAes256Gcm,
                                                 CipherSuite::kChaCha20Poly1305};

inline std::vector<CipherSuite> default_suites() {
  return {std::begin(kDefaultSuites), std::end(kDefaultSuites)};
}

inline constexpr std::size_t kNonceSize = 12;
inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kKeySizeMax = 32;

// The registered name, for example "TLS_AES_128_GCM_SHA256".
std::string_view name_of(CipherSuite suite) noexcept;
std::optional<CipherSuite> cipher_suite_named(std::string_view name) noexcept;
std::optional<CipherSuite> cipher_suite_with_id(std::uint16_t id) noexcept;

constexpr std::size_t key_size(CipherSuite suite) noexcept {
  return suite == CipherSuite::kAes128Gcm ? 16 : 32;
}
// Of the suite's hash, and so of its traffic secrets: SHA-384 goes with AES-256-GCM, SHA-256 with the others.
constexpr std::size_t hash_size(CipherSuite suite) noexcept {
  return suite == CipherSuite::kAes256Gcm ? 48 : 32;
}

struct VaesGcm;

class Aead {
 public:
  // Whose code protects records: wolfCrypt's, or ours (vaes_gcm.h), which is faster where the processor can do it.
  // kBest looks, and at FAIRLEAD_VAES in the environment; kVaes256 is wolfCrypt's, too, where there is no VAES.
  enum class Implementation : std::uint8_t { kBest, kVaes256, kWolfCrypt };

  // `key` has key_size(suite) bytes.
  Aead(CipherSuite suite, std::span<const std::uint8_t> key, Implementation implementation = Implementation::kBest)
      noexcept;
  ~Aead();
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;

  // Replaces the key; the suite stays.
  void set_key(std::span<const std::uint8_t> key) noexcept;

  // Encrypts `size` bytes from `in` to `out`, which may be the same address but must not overlap otherwise, and writes
  // kTagSize bytes to `tag`. `nonce` has kNonceSize bytes and is never used twice under a key. No pointer is null, not
  // even with a size of 0.
  void seal(const std::uint8_t* nonce, std::span<const std::uint8_t> aad, const std::uint8_t* in, std::size_t size,
            std::uint8_t* out, std::uint8_t* tag) noexcept;

  // The reverse. False if the tag does not fit: then what is in `out` must not be used.
  [[nodiscard]] bool open(const std::uint8_t* nonce, std::span<const std::uint8_t> aad, const std::uint8_t* in,
                          std::size_t size, const std::uint8_t* tag, std::uint8_t* out) noexcept;

 private:
  // Room for wolfCrypt's Aes, whose header stays out of ours; cipher.cc asserts that it fits.
  static constexpr std::size_t kStateSize = 1024;

  CipherSuite suite_;
  const VaesGcm* const vaes_;                // AES: by this; null: by wolfCrypt
  alignas(64) std::byte state_[kStateSize];  // AES: a VaesGcmKey, or wolfCrypt's Aes; ChaCha20: the key itself
};

}  // namespace fairlead
