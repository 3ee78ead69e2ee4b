// Base64 (RFC 4648) as Secrets carry it: padded, white space between lines accepted, everything else refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fairlead {

std::string encode_base64(std::string_view bytes);
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace fairlead
