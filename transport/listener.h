// Listener: where clients enter, on one shard: a listening socket of its own (SO_REUSEPORT spreads
// connections over the shards) with a multishot accept. A Unix socket is shared by all shards: each accepts one client
// at a time, and queues up behind the others again, so that they take turns.
//
// When the process is out of descriptors accepting pauses and is tried again shortly; the clients wait in the backlog.
//
// Owner: Shard. One thread. It ends by close(), and is destroyed once its op is joined (closed()).
#pragma once

#include <cstdint>
#include <utility>

#include "transport/edge_group.h"
#include "transport/forwarder.h"
#include "transport/routing_keys.h"
#include "transport/uring/op.h"
#include "transport/uring/socket.h"
#include "transport/uring/timers.h"

namespace fairlead {

class Shard;

class Listener {
 public:
  // `group` counts its connections, and outlives it.
  Listener(Shard& shard, std::uint32_t id, RoutingKeys routing_keys, Strategy strategy, Socket socket,
           EdgeGroup& group);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint32_t id() const noexcept { return id_; }

  const RoutingKeys& routing_keys() const noexcept { return routing_keys_; }

  Strategy strategy() const noexcept { return strategy_; }

  // For clients from now on.
  void lead_to(RoutingKeys routing_keys, Strategy strategy) {
    routing_keys_ = std::move(routing_keys);
    strategy_ = strategy;
  }

  // The options of its group are other ones.
  void follow_options() noexcept;

  bool closing() const noexcept { return closing_; }

  EdgeGroup& group() noexcept { return group_; }

  void close() noexcept;

  // Nothing refers to it any more.
  bool closed() const noexcept { return closing_ && !accept_.in_flight(); }

 private:
  // Long enough not to burn a core, short enough that a client hardly notices.
  static constexpr Duration kRetry = Duration::milliseconds(50);

  void on_accept(Completion done) noexcept;
  void on_retry(Instant now) noexcept;
  void arm() noexcept;

  Shard& shard_;
  std::uint32_t id_;
  RoutingKeys routing_keys_;
  Strategy strategy_;
  Socket socket_;
  EdgeGroup& group_;
  bool takes_turns_ = false;  // with other shards
  bool closing_ = false;

  OpOf<&Listener::on_accept> accept_{*this};
  TimerOf<&Listener::on_retry> retry_{*this};
};

}  // namespace fairlead
