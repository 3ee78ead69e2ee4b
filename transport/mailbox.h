// Mailbox: how one thread asks another to do something: tasks through a bounded single-producer single-consumer ring,
// plus an eventfd that wakes the consumer's ring when it may be asleep. For control, never for bytes.
//
// Producer thread: post(). Consumer thread: take(). Everything a task carries is moved to the consumer with it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "transport/uring/kernel.h"

namespace fairlead {

// Something to be done on the thread that owns Target.
template <class Target>
class Task {
 public:
  virtual ~Task() = default;
  virtual void run(Target& target) noexcept = 0;
};

template <class Target, class Callable>
std::unique_ptr<Task<Target>> make_task(Callable callable) {
  class Concrete final : public Task<Target> {
   public:
    explicit Concrete(Callable c) : callable_(std::move(c)) {}

    void run(Target& target) noexcept override { callable_(target); }

   private:
    Callable callable_;
  };

  return std::make_unique<Concrete>(std::move(callable));
}

template <class Target>
class Mailbox {
 public:
  using TaskPointer = std::unique_ptr<Task<Target>>;

  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Called once, before both threads use it: what to signal after a post.
  void attach(Kernel& kernel, int event_fd) noexcept {
    kernel_ = &kernel;
    event_fd_ = event_fd;
  }

  // Producer. When the ring is full the task waits at the producer and goes out with a later post() or flush().
  void post(TaskPointer task) {
    waiting_.push_back(std::move(task));
    flush();
  }

  // Producer. True when nothing waits any more.
  bool flush() {
    bool any = false;
    std::size_t tail = tail_.load(std::memory_order_relaxed);
    while (!waiting_.empty() && tail - head_.load(std::memory_order_acquire) < kSlots) {
      slots_[tail % kSlots] = std::move(waiting_.front());
      waiting_.pop_front();
      tail_.store(++tail, std::memory_order_release);
      any = true;
    }
    if (any) kernel_->signal_event(event_fd_);
    return waiting_.empty();
  }

  // Consumer. Null when there is nothing.
  TaskPointer take() noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return nullptr;
    TaskPointer task = std::move(slots_[head % kSlots]);
    head_.store(head + 1, std::memory_order_release);
    return task;
  }

 private:
  static constexpr std::size_t kSlots = 1024;

  std::array<TaskPointer, kSlots> slots_;
  alignas(64) std::atomic<std::size_t> head_{0};  // written by the consumer
  alignas(64) std::atomic<std::size_t> tail_{0};  // written by the producer
  std::deque<TaskPointer> waiting_;               // producer only
  Kernel* kernel_ = nullptr;
  int event_fd_ = -1;
};

}  // namespace fairlead
