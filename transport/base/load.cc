#include "transport/base/load.h"

namespace fairlead {

LoadCounter* LoadCounter::make() {
  return new LoadCounter;
}

void LoadCounter::free(LoadCounter* counter) noexcept {
  delete counter;
}

}  // namespace fairlead
