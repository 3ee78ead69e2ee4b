// RoutingKeys: what the clients of a listener ask for: one routing key, or several of which one is chosen for each
// client. Value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transport/forwarder.h"

namespace fairlead {

struct RoutingKeys {
  enum class Choice : std::uint8_t {
    kPriority,  // the first that somebody serves
    kWeighted,  // at random, in proportion to the weights of those that somebody serves
  };

  struct Key {
    std::string name;
    std::uint32_t weight = 1;  // at least 1

    friend bool operator==(const Key&, const Key&) = default;
  };

  RoutingKeys() = default;
  RoutingKeys(std::string only) { keys.push_back({std::move(only), 1}); }
  RoutingKeys(Choice how, std::vector<Key> which) : choice(how), keys(std::move(which)) {}

  Choice choice = Choice::kPriority;
  std::vector<Key> keys;

  // For one client; `random` is any number that differs from client to client. Empty: nobody serves any of them.
  std::string_view choose(const Forwarder& forwarder, std::uint64_t random) const noexcept;
  bool reachable(const Forwarder& forwarder) const noexcept;

  friend bool operator==(const RoutingKeys&, const RoutingKeys&) = default;
};

}  // namespace fairlead
