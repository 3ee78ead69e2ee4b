// Forwarder: the one question that transport asks the router: where does a new connection for this routing key go?
// The answer is an immutable snapshot, shared by all shards and replaced as a whole, so asking takes no lock.
#pragma once

#include <cstdint>
#include <string_view>

namespace fairlead {

struct Route {
  enum class Kind : std::uint8_t {
    kNone,       // nobody serves the key
    kConnector,  // a connector of this site; index is its connector id
    kLink,       // over a link; index is its link id
  };
  Kind kind = Kind::kNone;
  std::uint32_t index = 0;
};

class Forwarder {
 public:
  virtual ~Forwarder() = default;

  // `arrived_on` is the link that the connection came in on, or kFromListener.
  static constexpr std::uint32_t kFromListener = UINT32_MAX;
  virtual Route route(std::string_view routing_key, std::uint32_t arrived_on) const noexcept = 0;
};

}  // namespace fairlead
