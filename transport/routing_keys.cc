#include "transport/routing_keys.h"

#include <algorithm>

namespace fairlead {
namespace {

// Spreads numbers that follow each other over the whole range (the finaliser of SplitMix64).
std::uint64_t scatter(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

std::string_view RoutingKeys::choose(const Forwarder& forwarder, std::uint64_t random) const noexcept {
  std::uint64_t weights = 0;
  for (const Key& key : keys) {
    if (!forwarder.reachable(key.name)) continue;
    if (choice == Choice::kPriority) return key.name;
    weights += key.weight;
  }
  if (weights == 0) return {};
  std::uint64_t at = scatter(random) % weights;
  for (const Key& key : keys) {
    if (!forwarder.reachable(key.name)) continue;
    if (at < key.weight) return key.name;
    at -= key.weight;
  }
  return {};
}

bool RoutingKeys::reachable(const Forwarder& forwarder) const noexcept {
  return std::ranges::any_of(keys, [&](const Key& key) { return forwarder.reachable(key.name); });
}

}  // namespace fairlead
