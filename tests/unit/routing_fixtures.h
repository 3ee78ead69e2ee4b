// What the tests of routing share: sites named by numbers, link states of small graphs, and Routing machines that are
// wired to each other by hand.
#pragma once

#include <cstdint>
#include <algorithm>
#include <deque>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "router/routing/routing.h"

namespace fairlead {

inline std::string site_of(std::size_t number) {
  return "site-" + std::to_string(number);
}

inline RouterId router_of(std::size_t number) {
  return router_id_of(site_of(number));
}

// Of a router whose neighbours are these: number and cost.
inline LinkState state_of(std::size_t number, LinkStateVersion version,
                          std::vector<std::pair<std::size_t, std::uint32_t>> neighbours, ServedKeys keys = {}) {
  LinkState state;
  state.site_id = site_of(number);
  state.site_name = "name-" + std::to_string(number);
  state.version = version;
  for (const auto& [neighbour, cost] : neighbours)
    state.neighbours.push_back({router_of(neighbour), cost});
  std::sort(state.neighbours.begin(), state.neighbours.end(),
            [](const Adjacency& a, const Adjacency& b) { return a.router < b.router; });
  state.keys = std::move(keys);
  return state;
}

inline RouteQuery query_of(std::string_view key, std::uint32_t arrived_on = RouteQuery::kFromListener) {
  RouteQuery query;
  query.routing_key = key;
  query.arrived_on = arrived_on;
  return query;
}

// As many connectors for each key.
inline LocalConnectors connectors_of(std::initializer_list<std::pair<const char*, unsigned>> keys) {
  LocalConnectors connectors;
  std::uint32_t id = 1;
  for (const auto& [key, count] : keys) {
    for (unsigned i = 0; i < count; ++i)
      connectors[key].push_back({id++, LoadRef::make()});
  }
  return connectors;
}

// Routing machines, and wires between them that carry messages when told to.
class Bench {
 public:
  struct Sent {
    std::size_t wire = 0;
    std::size_t from = 0;
    std::vector<std::uint8_t> message;
  };

  // Returns its number.
  std::size_t add(bool edge = false, std::uint64_t incarnation = 1) {
    nodes_.push_back(std::make_unique<Node>(*this, nodes_.size(), edge, incarnation));
    return nodes_.size() - 1;
  }

  // The process ends and starts anew, without its links.
  void restart(std::size_t node, std::uint64_t incarnation) {
    for (std::size_t wire = 0; wire < wires_.size(); ++wire) {
      if (wires_[wire].up && (wires_[wire].a == node || wires_[wire].b == node)) disconnect(wire);
    }
    const bool edge = nodes_[node]->routing->edge();
    nodes_[node] = std::make_unique<Node>(*this, node, edge, incarnation);
  }

  // A wire with both ends up; its number plus one is the link's id at both of them.
  std::size_t connect(std::size_t a, std::size_t b, std::uint32_t cost_a = 1, std::uint32_t cost_b = 1) {
    wires_.push_back({a, b, cost_a, cost_b, false, false, {}});
    reconnect(wires_.size() - 1);
    return wires_.size() - 1;
  }

  void reconnect(std::size_t wire) {
    Wire& w = wires_[wire];
    w.up = true;
    routing(w.a).link_up(link_of(wire), peer_of(w.a, w.b, w.cost_a, w.cost_b), now);
    routing(w.b).link_up(link_of(wire), peer_of(w.b, w.a, w.cost_b, w.cost_a), now);
  }

  void disconnect(std::size_t wire) {
    Wire& w = wires_[wire];
    w.up = false;
    w.queue.clear();
    routing(w.a).link_down(link_of(wire), now);
    routing(w.b).link_down(link_of(wire), now);
  }

  // What goes over it is lost from here on, or carried again.
  void lose(std::size_t wire, bool lost) {
    wires_[wire].lost = lost;
    if (lost) wires_[wire].queue.clear();
  }

  void set_cost(std::size_t wire, std::size_t node, std::uint32_t cost) {
    Wire& w = wires_[wire];
    (node == w.a ? w.cost_a : w.cost_b) = cost;
    routing(node).set_link_cost(link_of(wire), cost, now);
  }

  // Carries messages until there are none.
  std::size_t carry() {
    std::size_t count = 0;
    for (bool any = true; any;) {
      any = false;
      for (std::size_t i = 0; i < wires_.size(); ++i) {
        if (wires_[i].queue.empty()) continue;
        const Sent sent = std::move(wires_[i].queue.front());
        wires_[i].queue.pop_front();
        const std::size_t to = sent.from == wires_[i].a ? wires_[i].b : wires_[i].a;
        if (!routing(to).receive(link_of(i), sent.message, now)) ++refused;
        any = true;
        ++count;
      }
    }
    return count;
  }

  // Lets time pass, with all that falls due on the way. Returns how many messages were carried.
  std::size_t pass(Duration time) {
    const Instant until = now + time;
    std::size_t count = carry();
    for (;;) {
      Instant due = until;
      for (const auto& node : nodes_)
        due = std::min(due, node->routing->due());
      now = std::max(now, due);
      for (const auto& node : nodes_)
        node->routing->tick(now);
      count += carry();
      if (now == until) return count;
    }
  }

  Routing& routing(std::size_t node) { return *nodes_[node]->routing; }

  static std::uint32_t link_of(std::size_t wire) { return static_cast<std::uint32_t>(wire + 1); }

  // All that was sent since it was looked at last.
  std::vector<Sent> take_log() { return std::exchange(log_, {}); }

  Instant now{1'000'000'000};
  std::size_t refused = 0;

 private:
  struct Node final : RoutingOutbox {
    Node(Bench& owner, std::size_t own_number, bool edge, std::uint64_t incarnation)
        : bench(owner),
          number(own_number),
          routing(std::make_unique<Routing>(
              RoutingIdentity{site_of(number), "name-" + std::to_string(number), incarnation, edge}, *this)) {}

    void send(std::uint32_t link, std::vector<std::uint8_t> message) override {
      bench.sent(link - 1, number, std::move(message));
    }

    Bench& bench;
    std::size_t number;
    std::unique_ptr<Routing> routing;
  };

  struct Wire {
    std::size_t a;
    std::size_t b;
    std::uint32_t cost_a;
    std::uint32_t cost_b;
    bool up;
    bool lost;
    std::deque<Sent> queue;
  };

  LinkPeer peer_of(std::size_t self, std::size_t other, std::uint32_t cost, std::uint32_t peer_cost) {
    const LinkKind kind = routing(self).edge()    ? LinkKind::kUplink
                          : routing(other).edge() ? LinkKind::kEdge
                                                  : LinkKind::kInterior;
    return {site_of(other), "name-" + std::to_string(other), kind, cost, peer_cost};
  }

  void sent(std::size_t wire, std::size_t from, std::vector<std::uint8_t> message) {
    log_.push_back({wire, from, message});
    if (wire >= wires_.size()) return;  // a link of which the test itself plays the other end
    if (wires_[wire].up && !wires_[wire].lost) wires_[wire].queue.push_back({wire, from, std::move(message)});
  }

  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Wire> wires_;
  std::vector<Sent> log_;
};

// What machines beside Routing say to each other over Bench's wires: kept apart from its messages, carried in order.
class SideWires {
 public:
  struct Sent {
    std::size_t from = 0;
    std::uint32_t link = 0;
    std::vector<std::uint8_t> message;
  };

  explicit SideWires(Bench& bench) : bench_(bench) {}

  void connect(std::size_t a, std::size_t b) {
    ends_.emplace_back(a, b);
    bench_.connect(a, b);
  }

  void send(std::size_t from, std::uint32_t link, std::vector<std::uint8_t> message) {
    sent_.push_back({from, link, std::move(message)});
  }

  // Each message takes `time`; deliver(to, link, message).
  template <class Deliver>
  void carry(Deliver deliver, Duration time = {}) {
    for (; !sent_.empty(); ++carried) {
      const Sent sent = std::move(sent_.front());
      sent_.pop_front();
      bench_.now = bench_.now + time;
      const auto& [a, b] = ends_[sent.link - 1];
      deliver(sent.from == a ? b : a, sent.link, sent.message);
    }
  }

  // Messages that are under way.
  std::size_t waiting() const { return sent_.size(); }

  std::size_t carried = 0;

 private:
  Bench& bench_;
  std::vector<std::pair<std::size_t, std::size_t>> ends_;  // by link id minus one
  std::deque<Sent> sent_;
};

inline std::vector<std::uint8_t> path_to(std::initializer_list<std::size_t> routers) {
  ByteWriter writer;
  for (const std::size_t router : routers)
    writer.put(value_of(router_of(router)));
  return writer.take();
}

inline std::vector<std::uint8_t> update_of(const LinkState& state) {
  const LinkState* states[] = {&state};
  return encode_updates(states).front();
}

// Each of them knows exactly what the others say of themselves.
inline void expect_agreement(Bench& bench, std::initializer_list<std::size_t> nodes) {
  for (const std::size_t node : nodes) {
    for (const std::size_t other : nodes) {
      const LinkState* told = bench.routing(other).topology().find(router_of(other));
      const LinkState* known = bench.routing(node).topology().find(router_of(other));
      ASSERT_NE(known, nullptr) << node << " of " << other;
      EXPECT_TRUE(known->version == told->version && known->same_content(*told)) << node << " of " << other;
    }
  }
}

}  // namespace fairlead
