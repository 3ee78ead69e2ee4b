// AES-GCM (NIST SP 800-38D) by VAES and VPCLMULQDQ: eight registers of two or four blocks a step, with GHASH of one
// step between the rounds of the next. For processors that have these instructions; Aead (cipher.h) is what chooses,
// and what everybody else uses.
//
// Keys are whole 128 or 256 bit ones, nonces 12 bytes, tags 16. No table is looked up and no branch depends on key or
// text. vaes_gcm.cc alone is compiled for these instructions: it uses no function of a library that is shared with
// other files, lest the linker take its copy for theirs.
//
// Any thread may use a key that nobody changes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fairlead {

struct VaesGcmKey {
  static constexpr unsigned kPowersMax = 33;  // the blocks of a step, or what is left and the lengths
  static constexpr unsigned kLanesMax = 4;

  alignas(64) std::uint8_t round_keys[15 * 16];
  std::uint8_t powers[(kPowersMax + kLanesMax - 1) * 16];  // of the hash key, the highest first; then zeros
  unsigned rounds;
};

struct VaesGcm {
  // `key` has 16 or 32 bytes.
  void (*set_key)(VaesGcmKey& key, const std::uint8_t* bytes, std::size_t size) noexcept;
  // As Aead::seal and Aead::open; at most 2^36 - 32 bytes.
  void (*seal)(const VaesGcmKey& key, const std::uint8_t* nonce, const std::uint8_t* aad, std::size_t aad_size,
               const std::uint8_t* in, std::size_t size, std::uint8_t* out, std::uint8_t* tag) noexcept;
  bool (*open)(const VaesGcmKey& key, const std::uint8_t* nonce, const std::uint8_t* aad, std::size_t aad_size,
               const std::uint8_t* in, std::size_t size, const std::uint8_t* tag, std::uint8_t* out) noexcept;
};

// By registers of 256 and of 512 bits; the latter needs AVX-512 (F, BW, VL and DQ).
extern const VaesGcm vaes_gcm_256;
extern const VaesGcm vaes_gcm_512;

// The widest, of registers of at most so many bits, that processor and system offer; null: none. FAIRLEAD_VAES=off in
// the environment wants none, 256 the narrower one. Found out once.
const VaesGcm* find_vaes_gcm(unsigned bits_max = 512) noexcept;

}  // namespace fairlead
