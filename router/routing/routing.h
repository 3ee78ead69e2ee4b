// Routing: the routing protocol of one site as a state machine: what happens goes in with the time, messages for
// neighbours and route tables come out. Pure.
//
// An interior router floods its LinkState when it changes, and passes on what is new to it. When a link comes up, or
// messages on it may have been lost, both ends tell in a summary what they have, and ask for what they lack. An edge
// router offers its keys to the cheapest of its uplinks and is told by each of them what can be reached. When nothing
// changes, nothing is sent.
//
//   link_up ──► summary ──► request ──► updates          change here ──► own LinkState ──► updates to all neighbours
//   change at a neighbour ──► updates ──► (new to us?) ──► updates to the others; new RouteTable
//
// A router that starts again has a higher incarnation (its clock), so its first LinkState replaces the old one at once.
// Should the clock have gone back, it hears its own old LinkState from a neighbour and takes a version above that.
//
// Owner: Router (or a simulation). One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "router/routing/message.h"
#include "router/routing/route_table.h"
#include "router/routing/table_parts.h"
#include "router/routing/topology.h"
#include "transport/base/error.h"
#include "transport/base/time.h"

namespace fairlead {

// Where Routing's messages go. A link carries them in order, or is reset (link_reset) or taken down.
class RoutingOutbox {
 public:
  virtual void send(std::uint32_t link, std::vector<std::uint8_t> message) = 0;

 protected:
  ~RoutingOutbox() = default;
};

struct RoutingIdentity {
  std::string site_id;
  std::string site_name;
  std::uint64_t incarnation = 1;  // higher than in the life before
  bool edge = false;
};

// The site at the other end of a link.
struct LinkPeer {
  std::string site_id;
  std::string site_name;
  LinkKind kind = LinkKind::kInterior;
  std::uint32_t cost = 1;       // as configured here
  std::uint32_t peer_cost = 1;  // as configured there
};

class Routing {
 public:
  struct Counters {
    std::uint64_t messages_sent = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t messages_refused = 0;      // malformed, or of a kind that the peer may not send
    std::uint64_t states_refused = 0;        // of a router id that another site has, or beyond the limit
    std::uint64_t own_states_heard = 0;      // newer than ours: an earlier life, or another site with our id
    std::uint64_t originations = 0;
    std::uint64_t tables = 0;
  };

  Routing(RoutingIdentity identity, RoutingOutbox& outbox);
  Routing(const Routing&) = delete;
  Routing& operator=(const Routing&) = delete;

  // ---- what happens

  void link_up(std::uint32_t link, LinkPeer peer, Instant now);
  void link_down(std::uint32_t link, Instant now);
  // Messages on the link may have been lost.
  void link_reset(std::uint32_t link, Instant now);
  // Configured anew here; told to the peer.
  void set_link_cost(std::uint32_t link, std::uint32_t cost, Instant now);
  void set_connectors(LocalConnectors connectors, Instant now);
  // An error is the peer's fault and changes nothing.
  Result<void> receive(std::uint32_t link, std::span<const std::uint8_t> message, Instant now);
  // To be called at due(), or later.
  void tick(Instant now);
  Instant due() const noexcept;

  // ---- what follows

  // The table after the last event; a new object whenever it may differ.
  std::shared_ptr<const RouteTable> table();

  bool edge() const noexcept { return identity_.edge; }

  RouterId self() const noexcept { return self_; }

  const Topology& topology() const noexcept { return topology_; }

  const Counters& counters() const noexcept { return counters_; }

  // Those that are up.
  std::vector<RouterLink> links() const;

  // The site at the other end of one of them.
  const LinkPeer& peer(std::uint32_t link) const noexcept { return neighbours_.find(link)->second.peer; }

  // The cost of a link that is up, as routing uses it.
  std::uint32_t link_cost(std::uint32_t link) const noexcept;

 private:
  struct Neighbour {
    LinkPeer peer;
    RouterId router = kNoRouter;
    std::set<RouterId> pending;      // LinkStates to be sent
    std::vector<SummaryLine> asked;  // what it had that we had not, by its last summary
    // Of an edge site: what it offers. Of an uplink: what can be reached through it.
    OfferMessage offer;
    ReachableKeys reach;
    // What it was told last.
    std::optional<OfferMessage> offered;
    std::optional<ReachableKeys> told;

    std::uint32_t cost() const noexcept { return std::max(peer.cost, peer.peer_cost); }
  };

  using Neighbours = std::map<std::uint32_t, Neighbour>;  // by link

  void send(std::uint32_t link, std::vector<std::uint8_t> message);
  void take(std::uint32_t link, Neighbour& from, SummaryMessage message);
  void request(std::uint32_t link, const Neighbour& neighbour);
  void take(std::uint32_t link, Neighbour& from, RequestMessage message);
  void take(std::uint32_t link, Neighbour& from, UpdateMessage message, Instant now);
  void take_state(std::uint32_t link, Neighbour& from, LinkState state, Instant now);
  void take_own_state(const LinkState& state, Instant now);
  void changed(Instant now);
  void outdate() noexcept;
  void originate(Instant now);
  LinkState describe_self() const;
  void flood(RouterId router, std::uint32_t except);
  // Sends what neighbours do not know yet, unless it did so just now: then soon.
  void flush();
  void flush_interior(std::uint32_t link, Neighbour& neighbour);
  void choose_uplink(std::uint32_t link);
  void offer_to_uplinks();
  void tell_edges();
  void compute_paths();
  void forget_unreachable(Instant now);
  void find_forget_due();
  std::shared_ptr<const RouteTable> make_table();

  // Between two LinkStates of our own: what changes at the same time travels together, and a link that flaps costs the
  // network a bounded number of messages.
  static constexpr Duration kOriginateInterval = Duration::milliseconds(50);
  // Two sites with one id answer each other for ever: at most as often as this.
  static constexpr Duration kContestedIntervalMax = Duration::seconds(5);
  static constexpr Duration kForgetAfter = Duration::seconds(60);
  static constexpr Duration kLeaveUplinkAfter = Duration::milliseconds(300);
  // Between two rounds of messages that pass on what changed. The first change travels at once; of a storm (a thousand
  // routers that start) much travels together, and what two neighbours tell each other crosses less often. It also
  // bounds how often paths are computed for the edge sites' sake.
  static constexpr Duration kFlushInterval = Duration::milliseconds(5);

  const RoutingIdentity identity_;
  const RouterId self_;
  RoutingOutbox& outbox_;
  Topology topology_;
  Neighbours neighbours_;
  LocalConnectors connectors_;
  LinkStateVersion version_;  // of our own LinkState
  Instant now_{};  // of the last event
  Instant originated_at_{};
  Instant originate_due_ = Instant::max();
  Duration originate_interval_ = kOriginateInterval;
  Instant flushed_at_{};
  Instant flush_due_ = Instant::max();
  std::uint32_t uplink_ = 0;  // of an edge router: the one it uses, and the one that it used before
  std::uint32_t left_uplink_ = 0;
  Instant leave_due_ = Instant::max();
  std::map<RouterId, Instant> unreachable_since_;
  Instant forget_due_ = Instant::max();  // of the first of them
  Loads loads_;
  std::shared_ptr<const PathTree> paths_;
  std::shared_ptr<const RouteTable> table_;
  Instant outdated_at_{};
  bool paths_outdated_ = true;
  bool table_outdated_ = true;
  Counters counters_;
};

}  // namespace fairlead
