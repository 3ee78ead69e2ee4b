#include "router/routing/advertisement.h"

#include "transport/wire/frame.h"

namespace fairlead {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kKindServedKeys = 1;
constexpr std::size_t kHeaderSize = 4;
constexpr std::size_t kKeysMax = UINT16_MAX;

}  // namespace

std::vector<std::uint8_t> encode_advertisement(const ServedKeys& keys) {
  std::vector<std::uint8_t> message{kVersion, kKindServedKeys, 0, 0};
  std::uint16_t count = 0;
  for (const auto& [key, instances] : keys) {
    if (count == kKeysMax) break;
    if (key.empty() || key.size() > kRoutingKeySizeMax) continue;  // OPEN could not name it either
    ++count;
    message.push_back(static_cast<std::uint8_t>(instances >> 8));
    message.push_back(static_cast<std::uint8_t>(instances));
    message.push_back(static_cast<std::uint8_t>(key.size()));
    message.insert(message.end(), key.begin(), key.end());
  }
  wire::store<std::uint16_t>(message.data() + 2, count);
  return message;
}

Result<ServedKeys> decode_advertisement(std::span<const std::uint8_t> message) {
  if (message.size() < kHeaderSize || message[0] != kVersion || message[1] != kKindServedKeys) {
    return fail(ErrorCode::kProtocol, "a router message of an unknown kind");
  }
  const std::uint16_t count = wire::load<std::uint16_t>(message.data() + 2);
  std::size_t at = kHeaderSize;
  ServedKeys keys;
  for (std::uint16_t i = 0; i < count; ++i) {
    if (message.size() - at < 3) return fail(ErrorCode::kProtocol, "an advertisement cut short");
    const std::uint16_t instances = wire::load<std::uint16_t>(message.data() + at);
    const std::size_t size = message[at + 2];
    at += 3;
    if (size == 0 || message.size() - at < size) return fail(ErrorCode::kProtocol, "an advertisement cut short");
    const std::string key(reinterpret_cast<const char*>(message.data() + at), size);
    at += size;
    if (!keys.emplace(key, instances).second) return fail(ErrorCode::kProtocol, "an advertisement that repeats a key");
  }
  return keys;
}

}  // namespace fairlead
