// probe: finds out once, by doing, what this kernel offers. Something we cannot do without is an error that names the
// feature and the cure; something we can work around is named in `lacking` for the log and status.
#pragma once

#include <string>
#include <vector>

#include "transport/base/error.h"
#include "transport/uring/kernel.h"

namespace fairlead {

struct KernelFeatures {
  bool receive_bundles = false;      // Linux 6.10; without it: one buffer a receive
  std::string release;               // uname -r
  std::vector<std::string> lacking;  // sentences, one for each feature that is worked around
};

Result<KernelFeatures> probe_kernel(Kernel& kernel);

}  // namespace fairlead
