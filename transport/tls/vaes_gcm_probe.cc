#include <algorithm>
#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "transport/tls/vaes_gcm.h"

namespace fairlead {
namespace {

#if defined(__x86_64__)

// CPUID (Intel SDM volume 2, CPUID and XGETBV): the instructions, and that the system keeps the upper parts of the
// registers over a switch of threads.
unsigned offered_bits() noexcept {
  constexpr unsigned kPclmul = 1U << 1, kAes = 1U << 25, kXsave = 1U << 27;               // leaf 1, ECX
  constexpr unsigned kAvx2 = 1U << 5;                                                     // leaf 7, EBX
  constexpr unsigned kAvx512 = 1U << 16 /*F*/ | 1U << 17 /*DQ*/ | 1U << 30 /*BW*/ | 1U << 31 /*VL*/;
  constexpr unsigned kVaes = 1U << 9, kVpclmul = 1U << 10;                                // leaf 7, ECX
  constexpr unsigned kSseAndAvx = 0x06, kAllOfAvx512 = 0xe6;                              // XCR0
  unsigned a = 0, b = 0, c = 0, d = 0;
  const auto has = [](unsigned flags, unsigned wanted) { return (flags & wanted) == wanted; };
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !has(c, kPclmul | kAes | kXsave)) return 0;
  unsigned kept = 0, high = 0;
  __asm__("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
  if (!has(kept, kSseAndAvx) || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return 0;
  if (!has(b, kAvx2) || !has(c, kVaes | kVpclmul)) return 0;
  return has(b, kAvx512) && has(kept, kAllOfAvx512) ? 512 : 256;
}

const VaesGcm* of_bits(unsigned bits) noexcept {
  return bits == 0 ? nullptr : bits < 512 ? &vaes_gcm_256 : &vaes_gcm_512;
}

#else

unsigned offered_bits() noexcept {
  return 0;
}

const VaesGcm* of_bits(unsigned) noexcept {
  return nullptr;
}

#endif

unsigned wanted_bits() noexcept {
  const char* const text = std::getenv("FAIRLEAD_VAES");
  const std::string_view wish = text == nullptr ? "" : text;
  if (wish == "off") return 0;
  return wish == "256" ? std::min(offered_bits(), 256U) : offered_bits();
}

}  // namespace

const VaesGcm* find_vaes_gcm(unsigned bits_max) noexcept {
  static const unsigned found = wanted_bits();
  return of_bits(std::min(found, bits_max));
}

}  // namespace fairlead
