// The memory of a shard: small blocks, queues that hold little, and what happens when blocks run out.
#include <algorithm>
#include <cstring>

#include "transport/session.h"
#include "transport/shard.h"
#include "transport/stream.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kSmallReserve = 16;  // a sixteenth of the small blocks
constexpr Duration kReliefInterval = Duration::milliseconds(5);
// How long sessions may find no block to receive into before whoever holds the most has to go: well below the time
// after which the peers would take us for dead.
constexpr Duration kSessionsStarvingMax = Duration::milliseconds(300);
// The same for what applications send. They may wait for each other for ever (each writes before it reads); who waits
// for a slow link gets a block now and then.
constexpr Duration kEdgesStarvingMax = Duration::seconds(10);
// A queue of at least so many slices packs pieces of at most so many bytes.
constexpr std::uint32_t kPackFrom = 4;
constexpr std::uint32_t kPackBytesMax = 1024;

}  // namespace

Slice Shard::reserve_small(std::uint32_t size) noexcept {
  if (small_ == nullptr || small_->capacity - small_used_ < size) {
    if (size > small_pool_->capacity()) return {};
    Block* fresh = small_pool_->take();
    if (fresh == nullptr) return {};
    if (small_ != nullptr) BlockPool::release(small_);
    small_ = fresh;
    small_used_ = 0;
  } else if (small_->references == 1) {
    small_used_ = 0;  // nobody holds any of it: stay in the cache
  }
  Slice slice = Slice::share(small_, small_->data() + small_used_, size);
  small_used_ += size;
  return slice;
}

Slice Shard::copy_small(std::span<const std::uint8_t> bytes) noexcept {
  if (small_pool_->available() < small_pool_->count() / kSmallReserve) [[unlikely]]
    return {};
  Slice slice = reserve_small(static_cast<std::uint32_t>(bytes.size()));
  if (!slice.empty()) std::memcpy(slice.data(), bytes.data(), bytes.size());
  return slice;
}

bool Shard::append(SliceQueue& queue, Slice&& bytes) noexcept {
  if (!queue.empty()) {
    Slice& back = queue.back();
    if (back.block() == bytes.block() && back.data() + back.size() == bytes.data()) {
      queue.grow_back(bytes.size());
      bytes.reset();
      return true;
    }
    if (queue.count() >= kPackFrom && bytes.size() <= kPackBytesMax) {
      Block* own = back.block();
      const bool fits = own->pool == small_pool_.get() && own->references == 1 &&
                        static_cast<std::size_t>(own->data() + own->capacity - back.data()) >=
                            std::size_t{back.size()} + bytes.size();
      if (fits) {
        std::memcpy(back.data() + back.size(), bytes.data(), bytes.size());
        queue.grow_back(bytes.size());
        bytes.reset();
        return true;
      }
      if (small_pool_->available() > small_pool_->count() / kSmallReserve) {
        Block* fresh = small_pool_->take();
        std::memcpy(fresh->data(), bytes.data(), bytes.size());
        bytes = Slice(fresh, fresh->data(), bytes.size());
      }
    }
  }
  return queue.push(std::move(bytes));
}

bool Shard::holds_large_blocks(SliceQueue& queue) const noexcept {
  for (const SliceNode* node = queue.head(); node != nullptr; node = node->next) {
    if (node->slice.block()->pool != small_pool_.get()) return true;
  }
  return false;
}

bool Shard::compact(SliceQueue& queue) noexcept {
  SliceQueue compacted(slice_nodes_);
  bool room = true;
  while (!queue.empty()) {
    Slice whole = queue.take_front(UINT32_MAX);
    while (room && whole.block()->pool != small_pool_.get() && !whole.empty()) {
      const std::uint32_t piece = std::min(whole.size(), small_pool_->capacity());
      Slice copy = copy_small({whole.data(), piece});
      room = !copy.empty() && append(compacted, std::move(copy));
      if (room) whole.drop_front(piece);
    }
    if (!whole.empty() && !compacted.push(std::move(whole))) return false;
  }
  queue.swap(compacted);
  return true;
}

// ---- pressure

void Shard::relieve_pressure() noexcept {
  const auto low = [](const BlockPool& pool) { return pool.available() * 4 < pool.count(); };
  if (starved_sessions_.empty() || link_pool_->available() > 0) sessions_fed_ = now_;
  // After a turn in which all lent ones were used: whoever waits will have those that are free.
  if (starved_edges_.empty() || buffers_->refill() > 0) edges_fed_ = now_;
  if (now_ - sessions_fed_ > kSessionsStarvingMax || now_ - edges_fed_ > kEdgesStarvingMax) {
    sacrifice_holder();
    sessions_fed_ = edges_fed_ = now_;
  }
  if ((!low(*link_pool_) && !low(*edge_pool_)) || now_ - relieved_ < kReliefInterval) return;
  relieved_ = now_;
  for (auto it = all_edges_.begin(); it != all_edges_.end();) {
    EdgeSocket& edge = *it++;  // relieve() may end the connection, which leaves the list only when it is reaped
    edge.relieve();
  }
  for (const auto& session : sessions_)
    session->relieve_streams();
}

// Stalled readers, here or behind a link that does not take what is sent, hold every block, and there is no room to
// move their bytes to. Whoever has stood still for the longest ends, so that the others and all who do read can go on:
// one that reads may hold more just now.
void Shard::sacrifice_holder() noexcept {
  EdgeSocket* edge = nullptr;
  for (EdgeSocket& candidate : all_edges_) {
    if (candidate.queued_bytes() == 0) continue;
    if (edge == nullptr || candidate.moved_at() < edge->moved_at()) edge = &candidate;
  }
  Stream* stream = nullptr;
  for (const auto& session : sessions_) {
    Stream* candidate = session->stillest_holder();
    if (candidate == nullptr) continue;
    if (stream == nullptr || candidate->moved_at() < stream->moved_at()) stream = candidate;
  }
  if (stream != nullptr && (edge == nullptr || stream->moved_at() < edge->moved_at())) {
    ++counters_.streams_sacrificed;
    return stream->sacrifice();
  }
  if (edge == nullptr) return;
  ++counters_.edges_sacrificed;
  edge->end(ResetCode::kLimit);
}

}  // namespace fairlead
