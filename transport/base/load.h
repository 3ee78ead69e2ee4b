// LoadCounter: how many connections are open to one destination of one routing key, or of one listener or connector;
// and who keeps and counts in it.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace fairlead {

// How many connections this router has open to one destination of one routing key: what balancing goes by; or how many
// a listener or connector has, for its limit. Shared by all shards, for the whole site's connections count; touched
// when a connection opens and ends, never for a byte.
class LoadCounter {
 public:
  std::uint32_t open() const noexcept { return open_.load(std::memory_order_relaxed); }

 private:
  friend class LoadRef;
  friend class LoadShare;

  // Apart from their callers, which may be on the byte path.
  static LoadCounter* make();
  static void free(LoadCounter* counter) noexcept;

  std::atomic<std::uint32_t> references_{1};
  std::atomic<std::uint32_t> open_{0};
};

// Keeps a LoadCounter. Any thread; a LoadRef itself belongs to one.
class LoadRef {
 public:
  LoadRef() noexcept = default;

  static LoadRef make() {
    LoadRef ref;
    ref.counter_ = LoadCounter::make();
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
    if (counter_ != nullptr && counter_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      LoadCounter::free(counter_);
    }
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

}  // namespace fairlead
