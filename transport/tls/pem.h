// PEM texts (RFC 7468): finding the blocks in a file and turning certificates into DER. Any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "transport/base/error.h"

namespace fairlead {

// The blocks "-----BEGIN <label>-----" ... "-----END <label>-----" in their order; what stands between blocks is
// skipped.
std::vector<std::string_view> pem_blocks(std::string_view text, std::string_view label);

// One block's certificate.
Result<std::vector<std::uint8_t>> certificate_der(std::string_view pem_block);

}  // namespace fairlead
