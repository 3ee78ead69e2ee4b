// Forwarder: the one question that transport asks the router: where does this connection go? The answer comes from an
// immutable snapshot, shared by all shards and replaced as a whole, so asking takes no lock.
//
// The router where a client came in, or the interior router of an edge site, decides the whole path: a route is found
// once, and cannot loop. Everybody behind it only looks up the next hop of the path that OPEN carries.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace fairlead {

// How many connections this router has open to one destination of one routing key: what balancing goes by. Shared by
// all shards, for the whole site's streams count; touched when a connection opens and ends, never for a byte.
class LoadCounter {
 public:
  std::uint32_t open() const noexcept { return open_.load(std::memory_order_relaxed); }

 private:
  friend class LoadRef;
  friend class LoadShare;

  ~LoadCounter() = default;

  std::atomic<std::uint32_t> references_{1};
  std::atomic<std::uint32_t> open_{0};
};

// Keeps a LoadCounter. Any thread; a LoadRef itself belongs to one.
class LoadRef {
 public:
  LoadRef() noexcept = default;

  static LoadRef make() {
    LoadRef ref;
    ref.counter_ = new LoadCounter;
    return ref;
  }

  // Of somebody who keeps it.
  explicit LoadRef(LoadCounter* counter) noexcept : counter_(counter) {
    if (counter_ != nullptr) counter_->references_.fetch_add(1, std::memory_order_relaxed);
  }

  LoadRef(const LoadRef& other) noexcept : LoadRef(other.counter_) {}

  LoadRef(LoadRef&& other) noexcept : counter_(std::exchange(other.counter_, nullptr)) {}

  LoadRef& operator=(LoadRef other) noexcept {
    std::swap(counter_, other.counter_);
    return *this;
  }

  ~LoadRef() {
    if (counter_ != nullptr && counter_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete counter_;
  }

  LoadCounter* get() const noexcept { return counter_; }

  std::uint32_t open() const noexcept { return counter_ == nullptr ? 0 : counter_->open(); }

  // Nobody else keeps it.
  bool unique() const noexcept {
    return counter_ != nullptr && counter_->references_.load(std::memory_order_acquire) == 1;
  }

 private:
  LoadCounter* counter_ = nullptr;
};

// One connection that counts.
class LoadShare {
 public:
  LoadShare() noexcept = default;

  explicit LoadShare(LoadCounter* counter) noexcept : ref_(counter) {
    if (counter != nullptr) counter->open_.fetch_add(1, std::memory_order_relaxed);
  }

  LoadShare(LoadShare&& other) noexcept = default;

  LoadShare& operator=(LoadShare&& other) noexcept {
    std::swap(ref_, other.ref_);
    return *this;
  }

  LoadShare(const LoadShare&) = delete;
  LoadShare& operator=(const LoadShare&) = delete;

  ~LoadShare() {
    if (LoadCounter* counter = ref_.get()) counter->open_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  LoadRef ref_;
};

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
