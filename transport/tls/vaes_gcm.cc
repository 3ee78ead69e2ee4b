#include "transport/tls/vaes_gcm.h"

#if defined(__x86_64__)

#include <immintrin.h>

namespace fairlead {
namespace {

// GHASH counts bits the other way round than the multiplier does. With blocks turned over byte by byte and the hash key
// doubled once, products come out right (Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction", figure 7),
// and are reduced by two multiplications with the constant below, as a Montgomery reduction is.

constexpr std::size_t kBlock = 16;
constexpr std::size_t kVectors = 8;  // of a step, of two blocks each
constexpr std::size_t kStep = 2 * kVectors * kBlock;
constexpr std::size_t kStepBlocks = 2 * kVectors;

#define ALWAYS_INLINE inline __attribute__((always_inline))

ALWAYS_INLINE __m128i load(const std::uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

ALWAYS_INLINE __m256i load2(const std::uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

ALWAYS_INLINE void store(std::uint8_t* at, __m128i value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at), value);
}

ALWAYS_INLINE void store2(std::uint8_t* at, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
}

ALWAYS_INLINE __m128i turn_over(__m128i block) {
  return _mm_shuffle_epi8(block, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

ALWAYS_INLINE __m256i turn_over(__m256i blocks) {
  return _mm256_shuffle_epi8(
      blocks, _mm256_broadcastsi128_si256(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

constexpr long long kReduction = static_cast<long long>(0xc200000000000000ULL);

// ---- one block

ALWAYS_INLINE __m128i multiply(__m128i a, __m128i b) {
  const __m128i reduction = _mm_set_epi64x(kReduction, 1);
  const __m128i low = _mm_clmulepi64_si128(a, b, 0x00);
  const __m128i high = _mm_clmulepi64_si128(a, b, 0x11);
  __m128i middle = _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10));
  middle =
      _mm_xor_si128(middle, _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(reduction, low, 0x01)));
  return _mm_xor_si128(high,
                       _mm_xor_si128(_mm_shuffle_epi32(middle, 0x4e), _mm_clmulepi64_si128(reduction, middle, 0x01)));
}

ALWAYS_INLINE __m128i round_key(const VaesGcmKey& key, unsigned round) {
  return load(key.round_keys + std::size_t{round} * 32);
}

ALWAYS_INLINE __m128i encrypt_block(const VaesGcmKey& key, __m128i block) {
  block = _mm_xor_si128(block, round_key(key, 0));
  for (unsigned round = 1; round < key.rounds; ++round)
    block = _mm_aesenc_si128(block, round_key(key, round));
  return _mm_aesenclast_si128(block, round_key(key, key.rounds));
}

// ---- two blocks in each register

// The parts of a product that is not reduced yet.
struct Product {
  __m256i low = _mm256_setzero_si256();
  __m256i middle = _mm256_setzero_si256();
  __m256i high = _mm256_setzero_si256();
};

ALWAYS_INLINE void add_product(Product& sum, __m256i blocks, __m256i powers) {
  sum.low = _mm256_xor_si256(sum.low, _mm256_clmulepi64_epi128(blocks, powers, 0x00));
  sum.high = _mm256_xor_si256(sum.high, _mm256_clmulepi64_epi128(blocks, powers, 0x11));
  sum.middle = _mm256_xor_si256(sum.middle, _mm256_xor_si256(_mm256_clmulepi64_epi128(blocks, powers, 0x01),
                                                             _mm256_clmulepi64_epi128(blocks, powers, 0x10)));
}

ALWAYS_INLINE __m128i reduce(Product sum) {
  const __m256i reduction = _mm256_set_epi64x(kReduction, 1, kReduction, 1);
  sum.middle = _mm256_xor_si256(sum.middle, _mm256_xor_si256(_mm256_shuffle_epi32(sum.low, 0x4e),
                                                             _mm256_clmulepi64_epi128(reduction, sum.low, 0x01)));
  sum.high = _mm256_xor_si256(sum.high, _mm256_xor_si256(_mm256_shuffle_epi32(sum.middle, 0x4e),
                                                         _mm256_clmulepi64_epi128(reduction, sum.middle, 0x01)));
  return _mm_xor_si128(_mm256_castsi256_si128(sum.high), _mm256_extracti128_si256(sum.high, 1));
}

// Those that blocks which are followed by `behind` others, and one more, are multiplied with.
ALWAYS_INLINE __m256i powers_at(const VaesGcmKey& key, std::size_t behind) {
  return load2(key.powers + (VaesGcmKey::kPowersMax - 1 - behind) * kBlock);
}

// Two blocks of a step into the hash. The first takes what was hashed before with it.
ALWAYS_INLINE void hash_vector(Product& sum, const VaesGcmKey& key, const std::uint8_t* step, std::size_t vector,
                               __m128i hash) {
  __m256i blocks = turn_over(load2(step + vector * 2 * kBlock));
  if (vector == 0) blocks = _mm256_xor_si256(blocks, _mm256_zextsi128_si256(hash));
  add_product(sum, blocks, powers_at(key, kStepBlocks - 1 - 2 * vector));
}

// The blocks of a step's key stream, as far as they have come.
struct Stream {
  __m256i v0, v1, v2, v3, v4, v5, v6, v7;
};

ALWAYS_INLINE __m256i next_counters(__m256i& counters, __m256i first_key) {
  const __m256i blocks = _mm256_xor_si256(turn_over(counters), first_key);
  counters = _mm256_add_epi32(counters, _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2));
  return blocks;
}

ALWAYS_INLINE Stream begin_stream(const VaesGcmKey& key, __m256i& counters) {
  const __m256i first = load2(key.round_keys);
  Stream s;
  s.v0 = next_counters(counters, first);
  s.v1 = next_counters(counters, first);
  s.v2 = next_counters(counters, first);
  s.v3 = next_counters(counters, first);
  s.v4 = next_counters(counters, first);
  s.v5 = next_counters(counters, first);
  s.v6 = next_counters(counters, first);
  s.v7 = next_counters(counters, first);
  return s;
}

ALWAYS_INLINE void advance_stream(Stream& s, const VaesGcmKey& key, unsigned round) {
  const __m256i round_key = load2(key.round_keys + std::size_t{round} * 32);
  s.v0 = _mm256_aesenc_epi128(s.v0, round_key);
  s.v1 = _mm256_aesenc_epi128(s.v1, round_key);
  s.v2 = _mm256_aesenc_epi128(s.v2, round_key);
  s.v3 = _mm256_aesenc_epi128(s.v3, round_key);
  s.v4 = _mm256_aesenc_epi128(s.v4, round_key);
  s.v5 = _mm256_aesenc_epi128(s.v5, round_key);
  s.v6 = _mm256_aesenc_epi128(s.v6, round_key);
  s.v7 = _mm256_aesenc_epi128(s.v7, round_key);
}

ALWAYS_INLINE void finish_vector(__m256i blocks, __m256i last_key, const std::uint8_t* in, std::uint8_t* out) {
  store2(out, _mm256_xor_si256(_mm256_aesenclast_epi128(blocks, last_key), load2(in)));
}

ALWAYS_INLINE void finish_stream(const Stream& s, const VaesGcmKey& key, const std::uint8_t* in, std::uint8_t* out) {
  const __m256i last = load2(key.round_keys + std::size_t{key.rounds} * 32);
  finish_vector(s.v0, last, in, out);
  finish_vector(s.v1, last, in + 32, out + 32);
  finish_vector(s.v2, last, in + 64, out + 64);
  finish_vector(s.v3, last, in + 96, out + 96);
  finish_vector(s.v4, last, in + 128, out + 128);
  finish_vector(s.v5, last, in + 160, out + 160);
  finish_vector(s.v6, last, in + 192, out + 192);
  finish_vector(s.v7, last, in + 224, out + 224);
}

// The key stream itself, for a text that is shorter.
ALWAYS_INLINE void put_stream_out(const Stream& s, const VaesGcmKey& key, std::uint8_t* stream) {
  const __m256i last = load2(key.round_keys + std::size_t{key.rounds} * 32);
  store2(stream, _mm256_aesenclast_epi128(s.v0, last));
  store2(stream + 32, _mm256_aesenclast_epi128(s.v1, last));
  store2(stream + 64, _mm256_aesenclast_epi128(s.v2, last));
  store2(stream + 96, _mm256_aesenclast_epi128(s.v3, last));
  store2(stream + 128, _mm256_aesenclast_epi128(s.v4, last));
  store2(stream + 160, _mm256_aesenclast_epi128(s.v5, last));
  store2(stream + 192, _mm256_aesenclast_epi128(s.v6, last));
  store2(stream + 224, _mm256_aesenclast_epi128(s.v7, last));
}

// The rounds of one step, and between them the hash of `hashed`, a step of ciphertext; null: of none.
ALWAYS_INLINE __m128i run_rounds(Stream& s, const VaesGcmKey& key, const std::uint8_t* hashed, __m128i hash) {
  Product sum;
  advance_stream(s, key, 1);
  if (hashed != nullptr) hash_vector(sum, key, hashed, 0, hash);
  advance_stream(s, key, 2);
  if (hashed != nullptr) hash_vector(sum, key, hashed, 1, hash);
  advance_stream(s, key, 3);
  if (hashed != nullptr) hash_vector(sum, key, hashed, 2, hash);
  advance_stream(s, key, 4);
  if (hashed != nullptr) hash_vector(sum, key, hashed, 3, hash);
  advance_stream(s, key, 5);
  if (hashed != nullptr) hash_vector(sum, key, hashed, 4, hash);
  advance_stream(s, key, 6);
  if (hashed != nullptr) hash_vector(sum, key, hashed, 5, hash);
  advance_stream(s, key, 7);
  if (hashed != nullptr) hash_vector(sum, key, hashed, 6, hash);
  advance_stream(s, key, 8);
  if (hashed != nullptr) hash_vector(sum, key, hashed, 7, hash);
  for (unsigned round = 9; round < key.rounds; ++round)
    advance_stream(s, key, round);
  return hashed != nullptr ? reduce(sum) : hash;
}

ALWAYS_INLINE __m128i hash_step(const VaesGcmKey& key, const std::uint8_t* step, __m128i hash) {
  Product sum;
  for (std::size_t vector = 0; vector < kVectors; ++vector)
    hash_vector(sum, key, step, vector, hash);
  return reduce(sum);
}

// Blocks that are whole, and then one filled up with zeros.
ALWAYS_INLINE __m128i hash_aad(const VaesGcmKey& key, const std::uint8_t* aad, std::size_t size) {
  const __m128i h = load(key.powers + (VaesGcmKey::kPowersMax - 1) * kBlock);
  __m128i hash = _mm_setzero_si128();
  while (size > 0) {
    alignas(16) std::uint8_t block[kBlock] = {};
    const std::size_t part = size < kBlock ? size : kBlock;
    __builtin_memcpy(block, aad, part);
    hash = multiply(_mm_xor_si128(hash, turn_over(load(block))), h);
    aad += part;
    size -= part;
  }
  return hash;
}

enum class Way { kSeal, kOpen };

// The next key stream, all of it or as much as a short text needs.
template <std::size_t vectors>
ALWAYS_INLINE void put_stream(const VaesGcmKey& key, __m256i counters, std::uint8_t* stream) {
  __m256i blocks[vectors];
  const __m256i first = load2(key.round_keys);
#pragma GCC unroll 4
  for (std::size_t i = 0; i < vectors; ++i)
    blocks[i] = next_counters(counters, first);
  for (unsigned round = 1; round < key.rounds; ++round) {
    const __m256i round_key = load2(key.round_keys + std::size_t{round} * 32);
#pragma GCC unroll 4
    for (std::size_t i = 0; i < vectors; ++i)
      blocks[i] = _mm256_aesenc_epi128(blocks[i], round_key);
  }
  const __m256i last = load2(key.round_keys + std::size_t{key.rounds} * 32);
#pragma GCC unroll 4
  for (std::size_t i = 0; i < vectors; ++i)
    store2(stream + i * 32, _mm256_aesenclast_epi128(blocks[i], last));
}

// A vector of text and of key stream: gives the output, and the ciphertext to hash.
template <Way way>
ALWAYS_INLINE __m256i process_vector(__m256i text, const std::uint8_t* stream, __m256i& output) {
  output = _mm256_xor_si256(text, load2(stream));
  return way == Way::kSeal ? output : text;
}

// The last of a text, less than a vector, filled up with zeros. No function of a library is called for so little.
ALWAYS_INLINE void copy_few(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
  for (std::size_t part = 16; part > 0; part /= 2) {
    if ((size & part) == 0) continue;
    __builtin_memcpy(to, from, part == 16 ? 16 : part == 8 ? 8 : part == 4 ? 4 : part == 2 ? 2 : 1);
    to += part;
    from += part;
  }
}

// What is left of the text, less than a step, and the lengths behind it: into the hash, and out.
template <Way way>
ALWAYS_INLINE __m128i process_rest(const VaesGcmKey& key, const std::uint8_t* stream, const std::uint8_t* in,
                                   std::size_t size, std::uint8_t* out, __m128i lengths, __m128i hash) {
  constexpr std::size_t kVector = 2 * kBlock;
  std::size_t behind = (size + kBlock - 1) / kBlock;  // the first block: so many others follow it, the lengths' as well
  Product sum;
  __m256i carried = _mm256_zextsi128_si256(hash);
  for (; size >= kVector; in += kVector, out += kVector, stream += kVector, size -= kVector, behind -= 2) {
    __m256i output;
    const __m256i ciphertext = process_vector<way>(load2(in), stream, output);
    store2(out, output);
    add_product(sum, _mm256_xor_si256(turn_over(ciphertext), carried), powers_at(key, behind));
    carried = _mm256_setzero_si256();
  }
  alignas(32) std::uint8_t few[kVector] = {};
  alignas(32) std::uint8_t zeros_from[2 * kVector] = {};
  __m256i blocks = _mm256_setzero_si256();
  if (size > 0) {
    copy_few(few, in, size);
    __m256i output;
    __m256i ciphertext = process_vector<way>(load2(few), stream, output);
    store2(few, output);
    copy_few(out, few, size);
    // Sealed zeros behind the end are no ciphertext.
    for (std::size_t i = 0; i < size; ++i)
      zeros_from[i] = 0xff;
    ciphertext = _mm256_and_si256(ciphertext, load2(zeros_from));
    store2(few, _mm256_setzero_si256());
    __asm__ volatile("" : : "r"(few) : "memory");  // nothing of the plaintext of others stays on the stack
    blocks = turn_over(ciphertext);
    if (size > kBlock) {
      add_product(sum, _mm256_xor_si256(blocks, carried), powers_at(key, behind));
      carried = blocks = _mm256_setzero_si256();
      behind -= 2;
    }
  }
  // The lengths: behind a block that is left, or alone.
  if (behind == 1) {
    blocks = _mm256_inserti128_si256(blocks, lengths, 1);
  } else {
    blocks = _mm256_zextsi128_si256(lengths);
  }
  add_product(sum, _mm256_xor_si256(blocks, carried), powers_at(key, behind));
  return reduce(sum);
}

template <Way way>
__attribute__((noinline)) void process(const VaesGcmKey& key, const std::uint8_t* nonce, const std::uint8_t* aad,
                                       std::size_t aad_size, const std::uint8_t* in, std::size_t size,
                                       std::uint8_t* out, std::uint8_t* tag) noexcept {
  const __m128i lengths = _mm_set_epi64x(static_cast<long long>(aad_size * 8), static_cast<long long>(size * 8));
  alignas(16) std::uint8_t first[kBlock] = {};
  __builtin_memcpy(first, nonce, 12);
  first[15] = 1;
  // Turned over, the counter is in the lowest 32 bits, where additions do not carry out of it.
  const __m128i counter = turn_over(load(first));
  __m256i counters = _mm256_add_epi32(_mm256_broadcastsi128_si256(counter), _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1));
  __m128i hash = hash_aad(key, aad, aad_size);
  const std::uint8_t* behind = nullptr;  // sealed, and not in the hash yet
  for (; size >= kStep; in += kStep, out += kStep, size -= kStep) {
    Stream stream = begin_stream(key, counters);
    hash = run_rounds(stream, key, way == Way::kOpen ? in : behind, hash);
    finish_stream(stream, key, in, out);
    behind = out;
  }
  if (way == Way::kSeal && behind != nullptr) hash = hash_step(key, behind, hash);
  alignas(32) std::uint8_t stream[kStep];
  if (size > kStep / 2) {
    Stream blocks = begin_stream(key, counters);
    run_rounds(blocks, key, nullptr, hash);
    put_stream_out(blocks, key, stream);
  } else if (size > kStep / 4) {
    put_stream<4>(key, counters, stream);
  } else if (size > 0) {
    put_stream<2>(key, counters, stream);
  }
  hash = process_rest<way>(key, stream, in, size, out, lengths, hash);
  store(tag, _mm_xor_si128(encrypt_block(key, load(first)), turn_over(hash)));
}

// ---- the key

ALWAYS_INLINE __m128i spread(__m128i key) {
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
  return _mm_xor_si128(key, _mm_slli_si128(key, 4));
}

ALWAYS_INLINE void put_round_key(VaesGcmKey& key, unsigned round, __m128i value) {
  store2(key.round_keys + std::size_t{round} * 32, _mm256_broadcastsi128_si256(value));
}

// FIPS 197 5.2. The round constant is part of the instruction.
template <int constant>
ALWAYS_INLINE __m128i next_128(__m128i key) {
  return _mm_xor_si128(spread(key), _mm_shuffle_epi32(_mm_aeskeygenassist_si128(key, constant), 0xff));
}

void expand_128(VaesGcmKey& key, __m128i k) {
  key.rounds = 10;
  put_round_key(key, 0, k);
  put_round_key(key, 1, k = next_128<0x01>(k));
  put_round_key(key, 2, k = next_128<0x02>(k));
  put_round_key(key, 3, k = next_128<0x04>(k));
  put_round_key(key, 4, k = next_128<0x08>(k));
  put_round_key(key, 5, k = next_128<0x10>(k));
  put_round_key(key, 6, k = next_128<0x20>(k));
  put_round_key(key, 7, k = next_128<0x40>(k));
  put_round_key(key, 8, k = next_128<0x80>(k));
  put_round_key(key, 9, k = next_128<0x1b>(k));
  put_round_key(key, 10, next_128<0x36>(k));
}

template <int constant>
ALWAYS_INLINE __m128i next_even(__m128i even, __m128i odd) {
  return _mm_xor_si128(spread(even), _mm_shuffle_epi32(_mm_aeskeygenassist_si128(odd, constant), 0xff));
}

ALWAYS_INLINE __m128i next_odd(__m128i odd, __m128i even) {
  return _mm_xor_si128(spread(odd), _mm_shuffle_epi32(_mm_aeskeygenassist_si128(even, 0), 0xaa));
}

void expand_256(VaesGcmKey& key, __m128i even, __m128i odd) {
  key.rounds = 14;
  put_round_key(key, 0, even);
  put_round_key(key, 1, odd);
  put_round_key(key, 2, even = next_even<0x01>(even, odd));
  put_round_key(key, 3, odd = next_odd(odd, even));
  put_round_key(key, 4, even = next_even<0x02>(even, odd));
  put_round_key(key, 5, odd = next_odd(odd, even));
  put_round_key(key, 6, even = next_even<0x04>(even, odd));
  put_round_key(key, 7, odd = next_odd(odd, even));
  put_round_key(key, 8, even = next_even<0x08>(even, odd));
  put_round_key(key, 9, odd = next_odd(odd, even));
  put_round_key(key, 10, even = next_even<0x10>(even, odd));
  put_round_key(key, 11, odd = next_odd(odd, even));
  put_round_key(key, 12, even = next_even<0x20>(even, odd));
  put_round_key(key, 13, odd = next_odd(odd, even));
  put_round_key(key, 14, next_even<0x40>(even, odd));
}

// Times two, in the order of bits that GHASH has.
ALWAYS_INLINE __m128i doubled(__m128i value) {
  const __m128i carries = _mm_srai_epi32(_mm_shuffle_epi32(value, 0xd3), 31);
  const __m128i reduction = _mm_set_epi64x(kReduction, 1);
  // A bit that leaves the lower half comes in above; one that leaves the upper half is reduced.
  return _mm_xor_si128(_mm_add_epi64(value, value),
                       _mm_and_si128(carries, _mm_or_si128(reduction, _mm_set_epi64x(1, 0))));
}

}  // namespace

void vaes_gcm_set_key(VaesGcmKey& key, const std::uint8_t* bytes, std::size_t size) noexcept {
  if (size == 16) {
    expand_128(key, load(bytes));
  } else {
    expand_256(key, load(bytes), load(bytes + 16));
  }
  const __m128i h = doubled(turn_over(encrypt_block(key, _mm_setzero_si128())));
  __builtin_memset(key.powers, 0, sizeof key.powers);
  __m128i power = h;
  for (std::size_t at = VaesGcmKey::kPowersMax; at-- > 0; power = multiply(power, h))
    store(key.powers + at * kBlock, power);
}

void vaes_gcm_seal(const VaesGcmKey& key, const std::uint8_t* nonce, const std::uint8_t* aad, std::size_t aad_size,
                   const std::uint8_t* in, std::size_t size, std::uint8_t* out, std::uint8_t* tag) noexcept {
  process<Way::kSeal>(key, nonce, aad, aad_size, in, size, out, tag);
}

bool vaes_gcm_open(const VaesGcmKey& key, const std::uint8_t* nonce, const std::uint8_t* aad, std::size_t aad_size,
                   const std::uint8_t* in, std::size_t size, const std::uint8_t* tag, std::uint8_t* out) noexcept {
  alignas(16) std::uint8_t computed[kBlock];
  process<Way::kOpen>(key, nonce, aad, aad_size, in, size, out, computed);
  const __m128i difference = _mm_xor_si128(load(computed), load(tag));
  return _mm_testz_si128(difference, difference) == 1;
}

}  // namespace fairlead

#else  // vaes_gcm_usable() says no

namespace fairlead {

void vaes_gcm_set_key(VaesGcmKey&, const std::uint8_t*, std::size_t) noexcept {
  __builtin_trap();
}

void vaes_gcm_seal(const VaesGcmKey&, const std::uint8_t*, const std::uint8_t*, std::size_t, const std::uint8_t*,
                   std::size_t, std::uint8_t*, std::uint8_t*) noexcept {
  __builtin_trap();
}

bool vaes_gcm_open(const VaesGcmKey&, const std::uint8_t*, const std::uint8_t*, std::size_t, const std::uint8_t*,
                   std::size_t, const std::uint8_t*, std::uint8_t*) noexcept {
  __builtin_trap();
}

}  // namespace fairlead

#endif
