// RouterId: names a router in messages and paths: a hash of its site id, so that it is the same after a restart and has
// a fixed size. Two site ids that hash alike are found out when the second one is heard of, and it is refused
// (topology.h). Pure value.
#pragma once

#include <cstdint>
#include <string_view>

namespace fairlead {

enum class RouterId : std::uint64_t {};

inline constexpr RouterId kNoRouter{};

// FNV-1a, then mixed so that ids which differ in their last letter differ everywhere. Never kNoRouter.
constexpr RouterId router_id_of(std::string_view site_id) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : site_id) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  }
  hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93;
  hash ^= hash >> 32;
  return RouterId{hash == 0 ? 1 : hash};
}

constexpr std::uint64_t value_of(RouterId id) noexcept {
  return static_cast<std::uint64_t>(id);
}

}  // namespace fairlead
