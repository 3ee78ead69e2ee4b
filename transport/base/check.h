// CHECK, DCHECK, UNREACHABLE: what must hold because our own code says so. CHECK stays in release builds and ends the
// process: it means "we have a bug". Nothing that a peer, a user or the kernel can cause may reach one (return an
// Error).
#pragma once

#include <cstdio>
#include <cstdlib>

namespace fairlead {

[[noreturn]] inline void check_failed(const char* what, const char* file, int line) noexcept {
  std::fprintf(stderr, "fairlead: internal error: %s (%s:%d)\n", what, file, line);
  std::abort();
}

}  // namespace fairlead

#define CHECK(condition)                                        \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::fairlead::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)

#ifdef NDEBUG
#define DCHECK(condition) \
  do {                    \
  } while (false && (condition))
#else
#define DCHECK(condition) CHECK(condition)
#endif

#define UNREACHABLE() ::fairlead::check_failed("unreachable", __FILE__, __LINE__)
