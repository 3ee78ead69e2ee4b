// Codes of access grants.
#pragma once

#include <string>

#include "transport/base/error.h"

namespace fairlead {

// Letters and digits, as hard to guess as a key of 190 bits.
Result<std::string> make_random_code();

}  // namespace fairlead
