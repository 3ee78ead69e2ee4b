#include "transport/tls/vaes_gcm.h"

#if defined(__x86_64__)

#include <immintrin.h>

// This file is compiled twice: for registers of 256 bits, and for those of 512 bits (AVX-512). Both know the key alike.

namespace fairlead {
namespace {

// GHASH counts bits the other way round than the multiplier does. With blocks turned over byte by byte and the hash key
// doubled once, products come out right (Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction", figure 7),
// and are reduced by two multiplications with the constant below, as a Montgomery reduction is.

constexpr std::size_t kBlock = 16;

#define ALWAYS_INLINE inline __attribute__((always_inline))

ALWAYS_INLINE __m128i load(const std::uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

ALWAYS_INLINE void store(std::uint8_t* at, __m128i value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at), value);
}

ALWAYS_INLINE __m128i reversal() {
  return _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

ALWAYS_INLINE __m128i turn_over(__m128i block) {
  return _mm_shuffle_epi8(block, reversal());
}

constexpr long long kReduction = static_cast<long long>(0xc200000000000000ULL);

// ---- a register of several blocks

#if defined(__AVX512F__)

using Vector = __m512i;
constexpr std::size_t kLanes = 4;

ALWAYS_INLINE Vector load_vector(const std::uint8_t* at) {
  return _mm512_loadu_si512(at);
}

ALWAYS_INLINE void store_vector(std::uint8_t* at, Vector value) {
  _mm512_storeu_si512(at, value);
}

ALWAYS_INLINE Vector zero() {
  return _mm512_setzero_si512();
}

ALWAYS_INLINE Vector in_all_lanes(__m128i block) {
  return _mm512_broadcast_i32x4(block);
}

ALWAYS_INLINE Vector in_first_lane(__m128i block) {
  return _mm512_zextsi128_si512(block);
}

// `lane` is zero in `blocks`.
ALWAYS_INLINE Vector put_into_lane(Vector blocks, std::size_t lane, __m128i block) {
  return _mm512_mask_broadcast_i32x4(blocks, static_cast<__mmask16>(0xf << (4 * lane)), block);
}

ALWAYS_INLINE Vector plus(Vector a, Vector b) {
  return _mm512_xor_si512(a, b);
}

ALWAYS_INLINE Vector both(Vector a, Vector b) {
  return _mm512_and_si512(a, b);
}

ALWAYS_INLINE Vector count_up(Vector counters, Vector by) {
  return _mm512_add_epi32(counters, by);
}

// 1 in the first lane, 2 in the next, and so on: the counters of blocks that follow one another.
ALWAYS_INLINE Vector first_counts() {
  return _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1);
}

ALWAYS_INLINE Vector turn_over(Vector blocks) {
  return _mm512_shuffle_epi8(blocks, in_all_lanes(reversal()));
}

ALWAYS_INLINE Vector swap_halves(Vector blocks) {
  return _mm512_shuffle_epi32(blocks, _MM_PERM_BADC);
}

ALWAYS_INLINE Vector encrypt_round(Vector blocks, Vector round_key) {
  return _mm512_aesenc_epi128(blocks, round_key);
}

ALWAYS_INLINE Vector encrypt_last_round(Vector blocks, Vector round_key) {
  return _mm512_aesenclast_epi128(blocks, round_key);
}

template <int halves>
ALWAYS_INLINE Vector multiply_halves(Vector a, Vector b) {
  return _mm512_clmulepi64_epi128(a, b, halves);
}

ALWAYS_INLINE __m128i sum_of_lanes(Vector blocks) {
  const __m256i two = _mm256_xor_si256(_mm512_castsi512_si256(blocks), _mm512_extracti64x4_epi64(blocks, 1));
  return _mm_xor_si128(_mm256_castsi256_si128(two), _mm256_extracti128_si256(two, 1));
}

#else

using Vector = __m256i;
constexpr std::size_t kLanes = 2;

ALWAYS_INLINE Vector load_vector(const std::uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

ALWAYS_INLINE void store_vector(std::uint8_t* at, Vector value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
}

ALWAYS_INLINE Vector zero() {
  return _mm256_setzero_si256();
}

ALWAYS_INLINE Vector in_all_lanes(__m128i block) {
  return _mm256_broadcastsi128_si256(block);
}

ALWAYS_INLINE Vector in_first_lane(__m128i block) {
  return _mm256_zextsi128_si256(block);
}

// `lane` is zero in `blocks`, and so is what lies in front of it if it is the first.
ALWAYS_INLINE Vector put_into_lane(Vector blocks, std::size_t lane, __m128i block) {
  return lane == 0 ? in_first_lane(block) : _mm256_inserti128_si256(blocks, block, 1);
}

ALWAYS_INLINE Vector plus(Vector a, Vector b) {
  return _mm256_xor_si256(a, b);
}

ALWAYS_INLINE Vector both(Vector a, Vector b) {
  return _mm256_and_si256(a, b);
}

ALWAYS_INLINE Vector count_up(Vector counters, Vector by) {
  return _mm256_add_epi32(counters, by);
}

// 1 in the first lane, 2 in the next: the counters of blocks that follow one another.
ALWAYS_INLINE Vector first_counts() {
  return _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1);
}

ALWAYS_INLINE Vector turn_over(Vector blocks) {
  return _mm256_shuffle_epi8(blocks, in_all_lanes(reversal()));
}

ALWAYS_INLINE Vector swap_halves(Vector blocks) {
  return _mm256_shuffle_epi32(blocks, 0x4e);
}

ALWAYS_INLINE Vector encrypt_round(Vector blocks, Vector round_key) {
  return _mm256_aesenc_epi128(blocks, round_key);
}

ALWAYS_INLINE Vector encrypt_last_round(Vector blocks, Vector round_key) {
  return _mm256_aesenclast_epi128(blocks, round_key);
}

template <int halves>
ALWAYS_INLINE Vector multiply_halves(Vector a, Vector b) {
  return _mm256_clmulepi64_epi128(a, b, halves);
}

ALWAYS_INLINE __m128i sum_of_lanes(Vector blocks) {
  return _mm_xor_si128(_mm256_castsi256_si128(blocks), _mm256_extracti128_si256(blocks, 1));
}

#endif

constexpr std::size_t kVectorBytes = kLanes * kBlock;
constexpr std::size_t kVectors = 8;  // of a step
constexpr std::size_t kStep = kVectors * kVectorBytes;
constexpr std::size_t kStepBlocks = kVectors * kLanes;
static_assert(kStepBlocks < VaesGcmKey::kPowersMax && kLanes <= VaesGcmKey::kLanesMax);

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
  return load(key.round_keys + std::size_t{round} * kBlock);
}

ALWAYS_INLINE __m128i encrypt_block(const VaesGcmKey& key, __m128i block) {
  block = _mm_xor_si128(block, round_key(key, 0));
  for (unsigned round = 1; round < key.rounds; ++round)
    block = _mm_aesenc_si128(block, round_key(key, round));
  return _mm_aesenclast_si128(block, round_key(key, key.rounds));
}

// ---- several blocks in each register

// The parts of a product that is not reduced yet.
struct Product {
  Vector low = zero();
  Vector middle = zero();
  Vector high = zero();
};

ALWAYS_INLINE void add_product(Product& sum, Vector blocks, Vector powers) {
  sum.low = plus(sum.low, multiply_halves<0x00>(blocks, powers));
  sum.high = plus(sum.high, multiply_halves<0x11>(blocks, powers));
  sum.middle =
      plus(sum.middle, plus(multiply_halves<0x01>(blocks, powers), multiply_halves<0x10>(blocks, powers)));
}

ALWAYS_INLINE __m128i reduce(Product sum) {
  const Vector reduction = in_all_lanes(_mm_set_epi64x(kReduction, 1));
  sum.middle = plus(sum.middle, plus(swap_halves(sum.low), multiply_halves<0x01>(reduction, sum.low)));
  sum.high = plus(sum.high, plus(swap_halves(sum.middle), multiply_halves<0x01>(reduction, sum.middle)));
  return sum_of_lanes(sum.high);
}

ALWAYS_INLINE Vector round_keys(const VaesGcmKey& key, unsigned round) {
  return in_all_lanes(round_key(key, round));
}

// Those that blocks are multiplied with of which the first is followed by `behind` others.
ALWAYS_INLINE Vector powers_at(const VaesGcmKey& key, std::size_t behind) {
  return load_vector(key.powers + (VaesGcmKey::kPowersMax - 1 - behind) * kBlock);
}

// A vector of a step into the hash. The first takes what was hashed before with it.
ALWAYS_INLINE void hash_vector(Product& sum, const VaesGcmKey& key, const std::uint8_t* step, std::size_t vector,
                               __m128i hash) {
  Vector blocks = turn_over(load_vector(step + vector * kVectorBytes));
  if (vector == 0) blocks = plus(blocks, in_first_lane(hash));
  add_product(sum, blocks, powers_at(key, kStepBlocks - 1 - kLanes * vector));
}

// The blocks of a step's key stream, as far as they have come.
struct Stream {
  Vector v0, v1, v2, v3, v4, v5, v6, v7;
};

ALWAYS_INLINE Vector next_counters(Vector& counters, Vector first_key) {
  const Vector blocks = plus(turn_over(counters), first_key);
  counters = count_up(counters, in_all_lanes(_mm_set_epi32(0, 0, 0, kLanes)));
  return blocks;
}

ALWAYS_INLINE Stream begin_stream(const VaesGcmKey& key, Vector& counters) {
  const Vector first = round_keys(key, 0);
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
  const Vector keys = round_keys(key, round);
  s.v0 = encrypt_round(s.v0, keys);
  s.v1 = encrypt_round(s.v1, keys);
  s.v2 = encrypt_round(s.v2, keys);
  s.v3 = encrypt_round(s.v3, keys);
  s.v4 = encrypt_round(s.v4, keys);
  s.v5 = encrypt_round(s.v5, keys);
  s.v6 = encrypt_round(s.v6, keys);
  s.v7 = encrypt_round(s.v7, keys);
}

ALWAYS_INLINE void finish_vector(Vector blocks, Vector last_keys, const std::uint8_t* in, std::uint8_t* out) {
  store_vector(out, plus(encrypt_last_round(blocks, last_keys), load_vector(in)));
}

ALWAYS_INLINE void finish_stream(const Stream& s, const VaesGcmKey& key, const std::uint8_t* in, std::uint8_t* out) {
  const Vector last = round_keys(key, key.rounds);
  finish_vector(s.v0, last, in, out);
  finish_vector(s.v1, last, in + kVectorBytes, out + kVectorBytes);
  finish_vector(s.v2, last, in + 2 * kVectorBytes, out + 2 * kVectorBytes);
  finish_vector(s.v3, last, in + 3 * kVectorBytes, out + 3 * kVectorBytes);
  finish_vector(s.v4, last, in + 4 * kVectorBytes, out + 4 * kVectorBytes);
  finish_vector(s.v5, last, in + 5 * kVectorBytes, out + 5 * kVectorBytes);
  finish_vector(s.v6, last, in + 6 * kVectorBytes, out + 6 * kVectorBytes);
  finish_vector(s.v7, last, in + 7 * kVectorBytes, out + 7 * kVectorBytes);
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

// The next key stream, as much as a text of less than a step needs.
template <std::size_t vectors>
ALWAYS_INLINE void put_stream(const VaesGcmKey& key, Vector counters, std::uint8_t* stream) {
  Vector blocks[vectors];
  const Vector first = round_keys(key, 0);
#pragma GCC unroll 8
  for (std::size_t i = 0; i < vectors; ++i)
    blocks[i] = next_counters(counters, first);
  for (unsigned round = 1; round < key.rounds; ++round) {
    const Vector keys = round_keys(key, round);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < vectors; ++i)
      blocks[i] = encrypt_round(blocks[i], keys);
  }
  const Vector last = round_keys(key, key.rounds);
#pragma GCC unroll 8
  for (std::size_t i = 0; i < vectors; ++i)
    store_vector(stream + i * kVectorBytes, encrypt_last_round(blocks[i], last));
}

// A vector of text and of key stream: gives the output, and the ciphertext to hash.
template <Way way>
ALWAYS_INLINE Vector process_vector(Vector text, const std::uint8_t* stream, Vector& output) {
  output = plus(text, load_vector(stream));
  return way == Way::kSeal ? output : text;
}

// The last of a text, less than a vector, filled up with zeros. No function of a library is called for so little.
ALWAYS_INLINE void copy_few(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
  for (std::size_t part = 32; part > 0; part /= 2) {
    if ((size & part) == 0) continue;
    __builtin_memcpy(to, from, part == 32 ? 32 : part == 16 ? 16 : part == 8 ? 8 : part == 4 ? 4 : part == 2 ? 2 : 1);
    to += part;
    from += part;
  }
}

// The last of the text, less than a vector: out, and its ciphertext for the hash.
template <Way way>
ALWAYS_INLINE Vector process_few(const std::uint8_t* stream, const std::uint8_t* in, std::size_t size,
                                 std::uint8_t* out) {
  alignas(64) std::uint8_t few[kVectorBytes] = {};
  alignas(64) std::uint8_t taken[kVectorBytes] = {};
  copy_few(few, in, size);
  Vector output;
  Vector ciphertext = process_vector<way>(load_vector(few), stream, output);
  store_vector(few, output);
  copy_few(out, few, size);
  // Sealed zeros behind the end are no ciphertext.
  for (std::size_t i = 0; i < size; ++i)
    taken[i] = 0xff;
  ciphertext = both(ciphertext, load_vector(taken));
  store_vector(few, zero());
  __asm__ volatile("" : : "r"(few) : "memory");  // nothing of the plaintext of others stays on the stack
  return turn_over(ciphertext);
}

// What is left of the text, less than a step, and the lengths behind it: into the hash, and out.
template <Way way>
ALWAYS_INLINE __m128i process_rest(const VaesGcmKey& key, const std::uint8_t* stream, const std::uint8_t* in,
                                   std::size_t size, std::uint8_t* out, __m128i lengths, __m128i hash) {
  std::size_t behind = (size + kBlock - 1) / kBlock;  // the first block: so many others follow it, the lengths' as well
  Product sum;
  Vector carried = in_first_lane(hash);
  for (; size >= kVectorBytes; size -= kVectorBytes, behind -= kLanes) {
    Vector output;
    const Vector ciphertext = process_vector<way>(load_vector(in), stream, output);
    store_vector(out, output);
    add_product(sum, plus(turn_over(ciphertext), carried), powers_at(key, behind));
    carried = zero();
    in += kVectorBytes;
    out += kVectorBytes;
    stream += kVectorBytes;
  }
  Vector blocks = zero();
  if (size > 0) {
    blocks = process_few<way>(stream, in, size, out);
    if (behind == kLanes) {
      add_product(sum, plus(blocks, carried), powers_at(key, behind));
      carried = blocks = zero();
      behind = 0;
    }
  }
  blocks = put_into_lane(blocks, behind, lengths);
  add_product(sum, plus(blocks, carried), powers_at(key, behind));
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
  Vector counters = count_up(in_all_lanes(turn_over(load(first))), first_counts());
  __m128i hash = hash_aad(key, aad, aad_size);
  const std::uint8_t* behind = nullptr;  // sealed, and not in the hash yet
  for (; size >= kStep; in += kStep, out += kStep, size -= kStep) {
    Stream stream = begin_stream(key, counters);
    hash = run_rounds(stream, key, way == Way::kOpen ? in : behind, hash);
    finish_stream(stream, key, in, out);
    behind = out;
  }
  if (way == Way::kSeal && behind != nullptr) hash = hash_step(key, behind, hash);
  alignas(64) std::uint8_t stream[kStep];
  if (size > kStep / 2) {
    put_stream<8>(key, counters, stream);
  } else if (size > kStep / 4) {
    put_stream<4>(key, counters, stream);
  } else if (size > kStep / 8) {
    put_stream<2>(key, counters, stream);
  } else if (size > 0) {
    put_stream<1>(key, counters, stream);
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
  store(key.round_keys + std::size_t{round} * kBlock, value);
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

void set_key(VaesGcmKey& key, const std::uint8_t* bytes, std::size_t size) noexcept {
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

bool open(const VaesGcmKey& key, const std::uint8_t* nonce, const std::uint8_t* aad, std::size_t aad_size,
          const std::uint8_t* in, std::size_t size, const std::uint8_t* tag, std::uint8_t* out) noexcept {
  alignas(16) std::uint8_t computed[kBlock];
  process<Way::kOpen>(key, nonce, aad, aad_size, in, size, out, computed);
  const __m128i difference = _mm_xor_si128(load(computed), load(tag));
  return _mm_testz_si128(difference, difference) == 1;
}

}  // namespace

#if defined(__AVX512F__)
constinit const VaesGcm vaes_gcm_512{set_key, process<Way::kSeal>, open};
#else
constinit const VaesGcm vaes_gcm_256{set_key, process<Way::kSeal>, open};
#endif

}  // namespace fairlead

#endif
