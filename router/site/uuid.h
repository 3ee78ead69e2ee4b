// Random UUIDs (RFC 9562, version 4): site ids and the subjects of client certificates.
#pragma once

#include <string>
#include <string_view>

#include "transport/base/error.h"

namespace fairlead {

Result<std::string> make_uuid();

// Lower-case, with dashes, any version.
bool is_uuid(std::string_view text);

}  // namespace fairlead
