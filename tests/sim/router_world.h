// RouterWorld: a network of Routing machines, without sockets or bytes of connections: sites, links between them that
// carry messages in order with a random delay, and everything that may go wrong with both. Time moves from event to
// event, in the order of (time, sequence of scheduling), so a seed is replayed exactly.
//
//   a link:   comes up ──► each end sees it, at a time of its own ──► messages ──► goes down ──► each end sees it, up
//             to half a second later. Each time up is an epoch; messages of one epoch are not carried in another. What
//             was under way when it went down arrives in part.
//   a reset:  what one end sends is lost from some message on; after a while that end is told, and later messages are
//             carried (the session that carried them was replaced).
//
// The world knows the truth (which links are up, at which cost, who serves what), which checks hold against the
// machines (router_checks.h). One thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "router/routing/routing.h"
#include "transport/base/prng.h"

namespace fairlead::sim {

struct RouterWorldOptions {
  std::uint64_t seed = 1;
  Duration delay_mean_max = Duration::milliseconds(10);  // each link draws the mean of its own below this
  Duration dial_max = Duration::milliseconds(50);        // from up until an end sees it
  Duration close_max = Duration::milliseconds(5);        // from down until an end sees it, if its socket was closed
  Duration silence_max = Duration::milliseconds(500);    // ... if packets were dropped
  unsigned silence_percent = 50;
  bool eager_tables = false;    // asked for after every event, as the router does
  bool check_versions = true;   // after every event
  std::FILE* log = nullptr;
};

// Keys, and how many connectors there are for each.
using Served = std::map<std::string, unsigned>;

class RouterWorld {
 public:
  struct End {
    std::size_t site = 0;
    std::uint32_t cost = 1;        // as configured
    std::uint32_t hello_cost = 1;  // as told when the link came up
    std::uint32_t local_id = 0;    // of the link, at this site
    std::uint32_t seen_epoch = 0;
    bool seen_up = false;
    Instant up_seen_at{};    // of the newest epoch
    Instant next_seen_at{};  // what happens to a link is seen in order
  };

  struct Message {
    std::vector<std::uint8_t> bytes;
    std::uint32_t epoch = 0;
    bool lost = false;
  };

  // What one end sends.
  struct Direction {
    std::deque<Message> under_way;
    Instant last_arrival{};
    bool losing = false;
  };

  struct Link {
    std::array<End, 2> ends;
    std::array<Direction, 2> directions;
    std::int64_t delay_mean_ns = 1;
    std::uint32_t epoch = 0;
    bool up = false;
    bool failed = false;

    std::uint32_t cost() const noexcept { return std::max(ends[0].cost, ends[1].cost); }
  };

  struct Site final : RoutingOutbox {
    explicit Site(RouterWorld& owner) noexcept : world(owner) {}

    void send(std::uint32_t link, std::vector<std::uint8_t> message) override {
      world.sent(*this, link, std::move(message));
    }

    RouterWorld& world;
    std::size_t number = 0;
    std::string id;
    RouterId router = kNoRouter;
    bool edge = false;
    bool alive = false;
    unsigned side = 0;  // of a partition
    std::uint32_t life = 0;
    std::uint64_t incarnation = 0;
    Served served;
    std::unique_ptr<Routing> routing;
    std::vector<std::size_t> links;
    std::unordered_map<std::uint32_t, std::pair<std::size_t, std::size_t>> by_local_id;  // link and end
    std::uint32_t next_local_id = 100'000;
    Instant tick_at = Instant::max();
    std::map<RouterId, LinkStateVersion> versions;
  };

  explicit RouterWorld(const RouterWorldOptions& options);
  RouterWorld(const RouterWorld&) = delete;
  RouterWorld& operator=(const RouterWorld&) = delete;

  // ---- what there is; sites start at once, links when they are added

  std::size_t add_site(bool edge = false);
  // If one of them is an edge site, it is `a`.
  std::size_t add_link(std::size_t a, std::size_t b, std::uint32_t cost_a = 1, std::uint32_t cost_b = 1);

  // ---- what happens to it

  void fail_link(std::size_t link);
  void repair_link(std::size_t link);
  void crash(std::size_t site);
  void restart(std::size_t site, bool clock_went_back = false);
  void set_cost(std::size_t link, std::size_t end, std::uint32_t cost);
  void serve(std::size_t site, Served served);
  // What `end` sends, until it is told.
  void lose_messages(std::size_t link, std::size_t end);
  // Sites of different sides have no link; all on one side heal it.
  void partition(const std::vector<unsigned>& sides);

  // ---- time

  void run(Duration time);

  Instant now() const noexcept { return now_; }

  // ---- to look at

  const std::deque<Site>& sites() const noexcept { return sites_; }

  const std::deque<Link>& links() const noexcept { return links_; }

  Routing& routing(std::size_t site) { return *sites_[site].routing; }

  Prng& prng() noexcept { return prng_; }

  // As of messages of machines that have ended, too.
  std::uint64_t messages_sent() const noexcept { return messages_sent_; }
  std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  std::uint64_t originations() const;
  std::uint64_t events() const noexcept { return events_done_; }
  std::uint64_t trace_hash() const noexcept { return trace_hash_; }

  // What must never be, and was.
  const std::vector<std::string>& violations() const noexcept { return violations_; }
  void violation(std::string what);
  void log(const std::string& what) const;

 private:
  enum class Kind : std::uint8_t { kDeliver, kSeenUp, kSeenDown, kReset, kTick };

  struct Event {
    Instant at{};
    std::uint64_t sequence = 0;
    Kind kind = Kind::kTick;
    std::uint8_t end = 0;
    std::uint32_t where = 0;  // link, or site
    std::uint32_t epoch = 0;  // of the link
    std::uint32_t life = 0;   // of the site

    // std::priority_queue gives the largest first.
    friend bool operator<(const Event& a, const Event& b) noexcept {
      return std::pair(b.at, b.sequence) < std::pair(a.at, a.sequence);
    }
  };

  void schedule(Instant at, Kind kind, std::size_t where, std::size_t end = 0);
  void handle(const Event& event);
  void deliver(const Event& event);
  void see_up(const Event& event);
  void see_down(const Event& event);
  void reset(const Event& event);
  void start(Site& site);
  void update_links(const std::vector<std::size_t>& links);
  void take_up(std::size_t link);
  void take_down(std::size_t link);
  void sent(Site& site, std::uint32_t local_id, std::vector<std::uint8_t> message);
  // After anything that a machine was told of.
  void after_event(Site& site);
  void check_versions(Site& site);
  Duration random_delay(std::int64_t mean_ns);
  Duration random_below(Duration max);

  const RouterWorldOptions options_;
  Prng prng_;
  Instant now_{1'000'000'000};
  std::deque<Site> sites_;  // they do not move
  std::deque<Link> links_;
  std::priority_queue<Event> events_;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t events_done_ = 0;
  std::uint64_t messages_sent_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t originations_ended_ = 0;
  std::uint64_t trace_hash_ = 0xcbf29ce484222325;
  std::vector<std::string> violations_;
};

}  // namespace fairlead::sim
