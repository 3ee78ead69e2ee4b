#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "transport/tls/vaes_gcm.h"

namespace fairlead {
namespace {

#if defined(__x86_64__)

// CPUID (Intel SDM volume 2, CPUID and XGETBV): the instructions, and that the system keeps the upper halves of the
// registers over a switch of threads.
bool processor_has_vaes() noexcept {
  constexpr unsigned kPclmul = 1U << 1, kAes = 1U << 25, kXsave = 1U << 27;  // leaf 1, ECX
  constexpr unsigned kAvx2 = 1U << 5;                                        // leaf 7, EBX
  constexpr unsigned kVaes = 1U << 9, kVpclmul = 1U << 10;                   // leaf 7, ECX
  constexpr unsigned kSseAndAvx = 6;                                         // XCR0
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & (kPclmul | kAes | kXsave)) != (kPclmul | kAes | kXsave)) return false;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & kSseAndAvx) != kSseAndAvx) return false;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return (b & kAvx2) != 0 && (c & (kVaes | kVpclmul)) == (kVaes | kVpclmul);
}

#else

bool processor_has_vaes() noexcept {
  return false;
}

#endif

}  // namespace

bool vaes_gcm_usable() noexcept {
  static const bool usable = [] {
    const char* const wish = std::getenv("FAIRLEAD_VAES");
    return (wish == nullptr || std::string_view(wish) != "off") && processor_has_vaes();
  }();
  return usable;
}

}  // namespace fairlead
