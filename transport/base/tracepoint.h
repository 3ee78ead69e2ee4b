// Static tracepoints (USDT) at the stations of a frame: an instruction that does nothing until a tracer (bpftrace,
// perf, SystemTap) puts a breakpoint there. `bpftrace -l 'usdt:PATH:fairlead:*'` lists them; transport/README.md says
// what each passes, and bench/README.md has recipes.
//
// A name and its arguments stay as they are once they were released: users' scripts hang on them. Arguments are
// integers or addresses that are at hand anyway.
#pragma once

#if __has_include(<sys/sdt.h>)
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
// A macro, because a tracepoint is the place in the code where it stands.
#define TRACEPOINT(name, ...) STAP_PROBEV(fairlead, name, __VA_ARGS__)
#else
// Built without systemtap-sdt-dev: the compiler looks at the arguments, and that is all.
#define TRACEPOINT(name, ...) static_cast<void>(sizeof(::fairlead::tracepoint_arguments(__VA_ARGS__)))

namespace fairlead {
template <class... Arguments>
int tracepoint_arguments(const Arguments&...);
}  // namespace fairlead
#endif
