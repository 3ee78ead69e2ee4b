#include "version.h"

#include <cstdio>

#include <fmt/format.h>

#include "tools/fairlead/commands.h"

namespace fairlead {

int print_version() {
  fmt::print("fairlead {}\n", FAIRLEAD_VERSION);
  return kExitOk;
}

}  // namespace fairlead
