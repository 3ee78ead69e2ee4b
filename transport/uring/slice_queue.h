// SliceQueue: slices in order, as an intrusive list over nodes of a fixed slab, so that queueing never allocates.
// SliceNodes: that slab, one per shard. When it is empty, push() fails and the caller treats it like a used-up pool.
#pragma once

#include <cstdint>
#include <utility>

#include "transport/base/slab.h"
#include "transport/uring/block_pool.h"

namespace fairlead {

struct SliceNode {
  Slice slice;
  SliceNode* next = nullptr;
};

using SliceNodes = Slab<SliceNode>;

class SliceQueue {
 public:
  explicit SliceQueue(SliceNodes& nodes) noexcept : nodes_(&nodes) {}

  SliceQueue(const SliceQueue&) = delete;
  SliceQueue& operator=(const SliceQueue&) = delete;

  ~SliceQueue() { clear(); }

  // Takes the slice over and returns true, or leaves it alone and returns false when there is no node left.
  [[nodiscard]] bool push(Slice&& slice) noexcept {
    SliceNode* node = nodes_->make();
    if (node == nullptr) [[unlikely]]
      return false;
    bytes_ += slice.size();
    node->slice = std::move(slice);
    (tail_ != nullptr ? tail_->next : head_) = node;
    tail_ = node;
    ++count_;
    return true;
  }

  // The same in front of all others.
  [[nodiscard]] bool push_front(Slice&& slice) noexcept {
    SliceNode* node = nodes_->make();
    if (node == nullptr) [[unlikely]]
      return false;
    bytes_ += slice.size();
    node->slice = std::move(slice);
    node->next = head_;
    head_ = node;
    if (tail_ == nullptr) tail_ = node;
    ++count_;
    return true;
  }

  bool empty() const noexcept { return head_ == nullptr; }

  std::uint64_t bytes() const noexcept { return bytes_; }

  std::uint32_t count() const noexcept { return count_; }

  SliceNode* head() noexcept { return head_; }

  Slice& front() noexcept { return head_->slice; }

  Slice& back() noexcept { return tail_->slice; }

  // Appends to the last slice in place; the caller has written `bytes` right behind it, in its block.
  void grow_back(std::uint32_t bytes) noexcept {
    tail_->slice.grow_back(bytes);
    bytes_ += bytes;
  }

  // Removes the first `bytes` (at most bytes()).
  void drop_front(std::uint64_t bytes) noexcept {
    DCHECK(bytes <= bytes_);
    bytes_ -= bytes;
    while (bytes > 0) {
      if (front().size() > bytes) {
        front().drop_front(static_cast<std::uint32_t>(bytes));
        return;
      }
      bytes -= front().size();
      pop();
    }
  }

  // Takes up to `bytes` of the first slice out of the queue.
  Slice take_front(std::uint32_t bytes) noexcept {
    if (front().size() > bytes) {
      bytes_ -= bytes;
      return front().split_front(bytes);
    }
    Slice whole = std::move(front());
    bytes_ -= whole.size();
    pop();
    return whole;
  }

  // Exchanges the contents of two queues over the same nodes.
  void swap(SliceQueue& other) noexcept {
    std::swap(head_, other.head_);
    std::swap(tail_, other.tail_);
    std::swap(bytes_, other.bytes_);
    std::swap(count_, other.count_);
  }

  void clear() noexcept {
    while (head_ != nullptr)
      pop();
    bytes_ = 0;
  }

 private:
  void pop() noexcept {
    SliceNode* node = head_;
    head_ = node->next;
    if (head_ == nullptr) tail_ = nullptr;
    --count_;
    nodes_->destroy(node);
  }

  SliceNodes* nodes_;
  SliceNode* head_ = nullptr;
  SliceNode* tail_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::uint32_t count_ = 0;  // slices
};

}  // namespace fairlead
