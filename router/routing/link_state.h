// LinkState: what one interior router says of itself: its neighbours with the cost of the links to them, the routing
// keys it serves, and the edge sites that hang on it with theirs. Flooded to every interior router. Pure value.
//
// A record replaces another of the same router if its version is higher: the incarnation of the router's process first,
// then a sequence within it, then a digest of the contents. Without the last one, two lives of a router (after clocks
// that went back, or from one copied disk) could give one version to two contents, and whoever has the wrong one would
// keep it.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "router/routing/bytes.h"
#include "router/routing/router_id.h"
#include "transport/base/error.h"

namespace fairlead {

// Routing keys and how many instances serve each; ordered, so that equal contents are equal bytes.
using ServedKeys = std::map<std::string, std::uint16_t, std::less<>>;

struct LinkStateVersion {
  std::uint64_t incarnation = 0;
  std::uint64_t sequence = 0;
  std::uint64_t digest = 0;  // not sent with a record: whoever receives one works it out

  // Above this one, even at the end of the range, where a forged link state may have brought us.
  constexpr LinkStateVersion next() const noexcept {
    if (sequence == UINT64_MAX) return {incarnation + 1, 1, 0};
    return {incarnation, sequence + 1, 0};
  }

  friend auto operator<=>(const LinkStateVersion&, const LinkStateVersion&) = default;
};

// To another interior router; `cost` is the larger of what both ends configured, of the cheapest link if there are
// several.
struct Adjacency {
  RouterId router = kNoRouter;
  std::uint32_t cost = 1;

  friend bool operator==(const Adjacency&, const Adjacency&) = default;
};

// An edge site that has its active uplink here (or a stand-by one: then without keys).
struct EdgeSite {
  std::string site_id;
  std::string site_name;
  std::uint32_t cost = 1;
  ServedKeys keys;

  friend bool operator==(const EdgeSite&, const EdgeSite&) = default;
};

struct LinkState {
  std::string site_id;
  std::string site_name;
  LinkStateVersion version;
  std::vector<Adjacency> neighbours;  // by router id, each once
  ServedKeys keys;
  std::vector<EdgeSite> edges;  // by site id, each once

  RouterId router() const noexcept { return router_id_of(site_id); }

  // Whether it says the same, in whatever version.
  bool same_content(const LinkState& other) const;
};

void put_keys(ByteWriter& writer, const ServedKeys& keys);
// False: keys that are empty, repeated or not in order.
bool take_keys(ByteReader& reader, ServedKeys& keys);

void put_link_state(ByteWriter& writer, const LinkState& state);
// What it is put as is what it was taken from.
Result<LinkState> take_link_state(ByteReader& reader);

// As of a record that was received.
std::uint64_t digest_of(const LinkState& state);

}  // namespace fairlead
