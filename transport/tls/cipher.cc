#include "transport/tls/cipher.h"

#include <cstring>
#include <new>

#include "transport/base/check.h"
#include "transport/tls/secret.h"
#include "transport/tls/vaes_gcm.h"
#include "transport/tls/wolfssl.h"

namespace fairlead {

namespace {

// wolfCrypt counts in 32 bits and takes non-const pointers to what it only reads.
word32 word_size(std::size_t size) noexcept {
  DCHECK(size <= 0x7fffffff);
  return static_cast<word32>(size);
}

Aes* as_aes(std::byte* state) noexcept {
  return std::launder(reinterpret_cast<Aes*>(state));
}

const byte* as_key(const std::byte* state) noexcept {
  return reinterpret_cast<const byte*>(state);
}

VaesGcmKey& as_vaes(std::byte* state) noexcept {
  return *std::launder(reinterpret_cast<VaesGcmKey*>(state));
}

const VaesGcm* by_vaes(CipherSuite suite, Aead::Implementation implementation) noexcept {
  if (suite == CipherSuite::kChaCha20Poly1305 || implementation == Aead::Implementation::kWolfCrypt) return nullptr;
  return find_vaes_gcm(implementation == Aead::Implementation::kVaes256 ? 256 : 512);
}

}  // namespace

std::string_view name_of(CipherSuite suite) noexcept {
  switch (suite) {
    case CipherSuite::kAes128Gcm:
      return "TLS_AES_128_GCM_SHA256";
    case CipherSuite::kAes256Gcm:
      return "TLS_AES_256_GCM_SHA384";
    case CipherSuite::kChaCha20Poly1305:
      return "TLS_CHACHA20_POLY1305_SHA256";
  }
  UNREACHABLE();
}

std::optional<CipherSuite> cipher_suite_named(std::string_view name) noexcept {
  for (const CipherSuite suite : kDefaultSuites) {
    if (name_of(suite) == name) return suite;
  }
  return std::nullopt;
}

std::optional<CipherSuite> cipher_suite_with_id(std::uint16_t id) noexcept {
  for (const CipherSuite suite : kDefaultSuites) {
    if (static_cast<std::uint16_t>(suite) == id) return suite;
  }
  return std::nullopt;
}

Aead::Aead(CipherSuite suite, std::span<const std::uint8_t> key, Implementation implementation) noexcept
    : suite_(suite), vaes_(by_vaes(suite, implementation)) {
  static_assert(sizeof(Aes) <= kStateSize && alignof(Aes) <= 64);
  static_assert(sizeof(VaesGcmKey) <= kStateSize && alignof(VaesGcmKey) <= 64);
  static_assert(kTagSize == AES_BLOCK_SIZE && kTagSize == CHACHA20_POLY1305_AEAD_AUTHTAG_SIZE);
  static_assert(kNonceSize == GCM_NONCE_MID_SZ && kNonceSize == CHACHA20_POLY1305_AEAD_IV_SIZE);
  ensure_wolfssl();
  if (vaes_ != nullptr) {
    new (state_) VaesGcmKey;
  } else if (suite_ != CipherSuite::kChaCha20Poly1305) {
    CHECK(wc_AesInit(new (state_) Aes, nullptr, INVALID_DEVID) == 0);
  }
  set_key(key);
}

Aead::~Aead() {
  if (vaes_ == nullptr && suite_ != CipherSuite::kChaCha20Poly1305) wc_AesFree(as_aes(state_));
  wipe(state_, sizeof state_);
}

void Aead::set_key(std::span<const std::uint8_t> key) noexcept {
  CHECK(key.size() == key_size(suite_));
  if (vaes_ != nullptr) return vaes_->set_key(as_vaes(state_), key.data(), key.size());
  if (suite_ == CipherSuite::kChaCha20Poly1305) {
    std::memcpy(state_, key.data(), key.size());
  } else {
    CHECK(wc_AesGcmSetKey(as_aes(state_), key.data(), word_size(key.size())) == 0);
  }
}

void Aead::seal(const std::uint8_t* nonce, std::span<const std::uint8_t> aad, const std::uint8_t* in, std::size_t size,
                std::uint8_t* out, std::uint8_t* tag) noexcept {
  if (vaes_ != nullptr) return vaes_->seal(as_vaes(state_), nonce, aad.data(), aad.size(), in, size, out, tag);
  const int result = suite_ == CipherSuite::kChaCha20Poly1305
                         ? wc_ChaCha20Poly1305_Encrypt(as_key(state_), nonce, aad.data(), word_size(aad.size()), in,
                                                       word_size(size), out, tag)
                         : wc_AesGcmEncrypt(as_aes(state_), out, in, word_size(size), nonce, kNonceSize, tag, kTagSize,
                                            aad.data(), word_size(aad.size()));
  // wolfCrypt refuses nothing but bad arguments here, and a record that is not sealed must not go out.
  CHECK(result == 0);
}

bool Aead::open(const std::uint8_t* nonce, std::span<const std::uint8_t> aad, const std::uint8_t* in, std::size_t size,
                const std::uint8_t* tag, std::uint8_t* out) noexcept {
  if (vaes_ != nullptr) return vaes_->open(as_vaes(state_), nonce, aad.data(), aad.size(), in, size, tag, out);
  const int result = suite_ == CipherSuite::kChaCha20Poly1305
                         ? wc_ChaCha20Poly1305_Decrypt(as_key(state_), nonce, aad.data(), word_size(aad.size()), in,
                                                       word_size(size), tag, out)
                         : wc_AesGcmDecrypt(as_aes(state_), out, in, word_size(size), nonce, kNonceSize, tag, kTagSize,
                                            aad.data(), word_size(aad.size()));
  return result == 0;
}

}  // namespace fairlead
