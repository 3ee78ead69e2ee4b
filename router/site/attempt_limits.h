// AttemptLimits: how often somebody may be wrong. Each failure uses up a share of the time that is to pass; who has
// used up more than `window` ahead must wait. Bounded: when too many are known, those who have waited the longest are
// forgotten.
//
// Pure: time is handed in. One thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "transport/base/time.h"

namespace fairlead {

class AttemptLimits {
 public:
  // `failures` at once, and as many again in each further `window`.
  AttemptLimits(unsigned failures, Duration window, std::size_t known_max)
      : share_(window / failures), window_(window), known_max_(known_max) {}

  bool allowed(const std::string& who, Instant now) const { return wait(who, now).ns == 0; }

  // How long until it is allowed.
  Duration wait(const std::string& who, Instant now) const;
  void note_failure(const std::string& who, Instant now);

 private:
  Duration share_;
  Duration window_;
  std::size_t known_max_;
  std::map<std::string, Instant> paid_until_;
};

}  // namespace fairlead
