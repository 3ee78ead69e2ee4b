// Forwarder: the one question that transport asks the router: where does this connection go? The answer comes from an
// immutable snapshot, shared by all shards and replaced as a whole, so asking takes no lock.
//
// The router where a client came in, or the interior router of an edge site, decides the whole path: a route is found
// once, and cannot loop. Everybody behind it only looks up the next hop of the path that OPEN carries.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "transport/base/load.h"

namespace fairlead {

// Among several destinations of a routing key.
enum class Strategy : std::uint8_t {
  kBalanced,    // path cost plus open connections for each instance: a cost is a threshold of load
  kLowestCost,  // only the nearest, for as long as there is one
};

struct RouteQuery {
  // Not a link: a client of this site.
  static constexpr std::uint32_t kFromListener = UINT32_MAX;

  std::string_view routing_key;
  std::uint32_t arrived_on = kFromListener;  // link id
  Strategy strategy = Strategy::kBalanced;
  std::span<const std::uint8_t> path;       // as OPEN carried it: 8 bytes for each further router
  std::span<const std::uint64_t> tried;     // destinations that this connection was refused by
  std::uint64_t choice = 0;                 // which of several equal paths; any number
};

struct Route {
  enum class Kind : std::uint8_t {
    kNone,       // nobody serves the key
    kConnector,  // a connector of this site
    kLink,       // over a link
  };
  Kind kind = Kind::kNone;
  bool decided_here = false;            // and not by the path: if it fails, another one may be asked for
  std::uint32_t connector = 0;          // its id
  std::span<const std::uint32_t> links;  // equally good; any of them. Valid as long as the snapshot
  std::span<const std::uint8_t> path;    // for OPEN on that link. Points into the query's path, or the buffer
  std::uint64_t destination = 0;         // for `tried`
  LoadCounter* load = nullptr;           // where the connection counts; may be null. Valid as long as the snapshot
};

// Room for the longest path.
using PathBuffer = std::array<std::uint8_t, 8 * 255>;

class Forwarder {
 public:
  virtual ~Forwarder() = default;

  virtual Route route(const RouteQuery& query, PathBuffer& buffer) const noexcept = 0;
  // Whether a client of this site has anywhere to go.
  virtual bool reachable(std::string_view routing_key) const noexcept = 0;
};

}  // namespace fairlead
