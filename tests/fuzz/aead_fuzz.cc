// AES-GCM by our own code against wolfCrypt's: the same bytes sealed, each opens what the other sealed, and neither
// what was changed. On a processor without VAES both are wolfCrypt's, and nothing is found out.
//
// First byte of the input: bit 0 the suite, bits 1-5 how many bytes are authenticated besides, bits 6-7 in place or
// not. Then key, nonce, those bytes; the rest is text.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/fuzz/fuzz_target.h"
#include "transport/tls/cipher.h"

namespace fairlead {
namespace {

// The first `size` bytes, filled up with zeros, and one that nobody touches, so that no pointer is null.
Bytes take(std::span<const std::uint8_t>& input, std::size_t size) {
  Bytes bytes(size + 1);
  const std::size_t taken = std::min(size, input.size());
  std::copy_n(input.begin(), taken, bytes.begin());
  input = input.subspan(taken);
  return bytes;
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  const std::uint8_t choice = input.front();
  input = input.subspan(1);
  const CipherSuite suite = (choice & 1) != 0 ? CipherSuite::kAes256Gcm : CipherSuite::kAes128Gcm;
  const Bytes key = take(input, key_size(suite));
  const Bytes nonce = take(input, kNonceSize);
  const std::size_t aad_size = choice >> 1 & 31;
  const Bytes aad_bytes = take(input, aad_size);
  const std::span<const std::uint8_t> aad(aad_bytes.data(), aad_size);
  const std::size_t size = input.size();
  const Bytes text = take(input, size);
  const std::span<const std::uint8_t> key_bytes(key.data(), key_size(suite));
  Aead ours(suite, key_bytes,
            (nonce.front() & 1) != 0 ? Aead::Implementation::kBest : Aead::Implementation::kVaes256);
  Aead theirs(suite, key_bytes, Aead::Implementation::kWolfCrypt);
  Bytes by_us = text, by_them(size + 1), our_tag(kTagSize), their_tag(kTagSize), opened(size + 1);
  if ((choice & 0x40) != 0) {
    ours.seal(nonce.data(), aad, by_us.data(), size, by_us.data(), our_tag.data());
  } else {
    ours.seal(nonce.data(), aad, text.data(), size, by_us.data(), our_tag.data());
  }
  theirs.seal(nonce.data(), aad, text.data(), size, by_them.data(), their_tag.data());
  expect(by_us == by_them && our_tag == their_tag);
  expect(ours.open(nonce.data(), aad, by_them.data(), size, their_tag.data(), opened.data()));
  expect(opened == text);
  if ((choice & 0x80) != 0) {
    expect(ours.open(nonce.data(), aad, by_us.data(), size, our_tag.data(), by_us.data()));
    expect(by_us == text);
  }
  their_tag[choice % kTagSize] ^= 1;
  expect(!ours.open(nonce.data(), aad, by_them.data(), size, their_tag.data(), opened.data()));
}

}  // namespace fairlead
