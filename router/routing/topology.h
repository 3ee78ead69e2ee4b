// Topology: the newest LinkState of every interior router that this one has heard of, itself included. Pure.
//
// A link counts only if both its ends tell of it. A router to which no path leads is forgotten after a while: nobody
// vouches for it any more. There is no other ageing, so that a network in which nothing changes is silent.
//
// Owner: Routing. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "router/routing/link_state.h"
#include "router/routing/message.h"
#include "transport/base/time.h"

namespace fairlead {

class Topology {
 public:
  // A peer inside the network that invents routers must not fill the memory.
  static constexpr std::size_t kRoutersMax = 65'536;

  enum class Taken : std::uint8_t {
    kNewer,   // it replaced what was known, if anything was
    kSame,    // ... and says the same
    kKnown,   // this very version is known
    kOlder,   // a newer one is known
    kRefused  // another site has this router id, or there are too many
  };

  Taken take(LinkState state);
  void forget(RouterId router) { states_.erase(router); }

  const LinkState* find(RouterId router) const;
  LinkStateVersion version_of(RouterId router) const;
  SummaryMessage summary() const;

  // By router id, so that everything that follows from it is the same everywhere.
  const std::map<RouterId, LinkState>& states() const noexcept { return states_; }

 private:
  std::map<RouterId, LinkState> states_;
};

}  // namespace fairlead
