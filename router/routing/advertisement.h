// Advertisement: what a site tells its neighbour that it serves: routing keys with the number of connectors behind
// each. The payload of a CONTROL frame. Pure.
//
//   version (1) = 1, kind (1) = 1, count (2), then for each key: instances (2), key length (1), key
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "transport/base/error.h"

namespace fairlead {

// Routing keys and how many instances serve each; ordered, so that equal contents are equal bytes.
using ServedKeys = std::map<std::string, std::uint16_t, std::less<>>;

std::vector<std::uint8_t> encode_advertisement(const ServedKeys& keys);
// Refuses what is cut short, empty keys and repeated ones.
Result<ServedKeys> decode_advertisement(std::span<const std::uint8_t> message);

}  // namespace fairlead
