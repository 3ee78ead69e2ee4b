// RouteTable: where connections for each routing key go: an immutable snapshot that shards ask without a lock.
//
// A key has candidates: the connectors of this site, and every other site that serves it, with the cost of the path.
// The choice among them is the one with the least
//
//     path cost + open connections / instances          (connections that this router opened to it, for this key)
//
// so that a cost is a threshold of load: a site at cost 5 gets its first connection when the nearest has more than five
// for each instance. Ties go to the lower cost, then to the lower router id. With Strategy::kLowestCost only the
// nearest count.
//
// Pure; made by Routing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "router/routing/path.h"
#include "transport/forwarder.h"

namespace fairlead {

// A connector of this site that may be used.
struct LocalConnector {
  std::uint32_t id = 0;
  LoadRef load;
};

// By routing key.
using LocalConnectors = std::map<std::string, std::vector<LocalConnector>, std::less<>>;

// One site that serves a key.
struct Candidate {
  RouterId site = kNoRouter;
  std::uint64_t cost = 0;       // of the path to it
  std::uint32_t instances = 0;
  RouterId via = kNoRouter;     // the interior router that the path leads to; kNoRouter: this site itself
  bool edge = false;            // `site` is an edge site of `via`
  LoadRef load{};
};

// What a link leads to.
enum class LinkKind : std::uint8_t {
  kInterior,  // another interior router
  kEdge,      // an edge site of ours
  kUplink,    // our interior router: we are an edge site
};

class RouteTable final : public Forwarder {
 public:
  struct Parts {
    RouterId self = kNoRouter;
    std::shared_ptr<const PathTree> paths;  // null for an edge site
    LocalConnectors connectors;
    // Without the local one, which follows from `connectors`.
    std::map<std::string, std::vector<Candidate>, std::less<>> candidates;
    std::map<RouterId, std::vector<std::uint32_t>> links;  // the equally cheapest to each neighbour
    std::map<std::uint32_t, std::pair<LinkKind, RouterId>> peers;  // of each link
  };

  explicit RouteTable(Parts parts);

  Route route(const RouteQuery& query, PathBuffer& buffer) const noexcept override;
  bool reachable(std::string_view routing_key) const noexcept override;

  // Cheapest first; the local one is among them. Empty if nobody serves the key.
  const std::vector<Candidate>& candidates(std::string_view routing_key) const noexcept;
  // What balancing goes by, in 2^-16 of a cost unit.
  static std::uint64_t value_of(const Candidate& candidate) noexcept;

  const PathTree* paths() const noexcept { return parts_.paths.get(); }

  // The equally cheapest to a neighbour; none if it is none.
  std::span<const std::uint32_t> links_to(RouterId neighbour) const noexcept;

  std::vector<std::string> keys() const;

 private:
  struct Entry {
    std::vector<LocalConnector> connectors;
    std::vector<Candidate> candidates;
  };

  struct Hash {
    using is_transparent = void;

    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };

  static const LocalConnector* least_loaded(const Entry& entry, const RouteQuery& query) noexcept;
  Route route_along_path(const RouteQuery& query) const noexcept;
  Route route_to_connector(const Entry& entry, const RouteQuery& query) const noexcept;
  Route route_to(const Candidate& candidate, const Entry& entry, const RouteQuery& query,
                 PathBuffer& buffer) const noexcept;
  const Candidate* choose(const Entry& entry, const RouteQuery& query, RouterId arrived_from) const noexcept;

  Parts parts_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> entries_;
};

}  // namespace fairlead
