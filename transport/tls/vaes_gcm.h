// AES-GCM (NIST SP 800-38D) by VAES and VPCLMULQDQ: sixteen blocks a step, two in each 256-bit register, with GHASH
// of one step between the rounds of the next. For processors that have these instructions (vaes_gcm_usable()); Aead
// (cipher.h) is what chooses, and what everybody else uses.
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
  static constexpr unsigned kPowersMax = 17;  // sixteen blocks of a step, or what is left and the lengths

  alignas(32) std::uint8_t round_keys[15 * 32];            // each twice, for both halves of a register
  alignas(32) std::uint8_t powers[(kPowersMax + 1) * 16];  // of the hash key, the highest first; then zeros
  unsigned rounds;
};

// What the processor and the system offer; FAIRLEAD_VAES=off in the environment says no. Found out once.
bool vaes_gcm_usable() noexcept;

// `key` has 16 or 32 bytes.
void vaes_gcm_set_key(VaesGcmKey& key, const std::uint8_t* bytes, std::size_t size) noexcept;
// As Aead::seal and Aead::open; at most 2^36 - 32 bytes.
void vaes_gcm_seal(const VaesGcmKey& key, const std::uint8_t* nonce, const std::uint8_t* aad, std::size_t aad_size,
                   const std::uint8_t* in, std::size_t size, std::uint8_t* out, std::uint8_t* tag) noexcept;
[[nodiscard]] bool vaes_gcm_open(const VaesGcmKey& key, const std::uint8_t* nonce, const std::uint8_t* aad,
                                 std::size_t aad_size, const std::uint8_t* in, std::size_t size,
                                 const std::uint8_t* tag, std::uint8_t* out) noexcept;

}  // namespace fairlead
