// What bytes and tasks wait in: blocks and slices, the slice queue of a stream or edge socket, the mailbox between
// threads.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <thread>

#include <benchmark/benchmark.h>

#include "transport/mailbox.h"
#include "transport/uring/slice_queue.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kBlockSize = 64 * 1024;

std::unique_ptr<BlockPool> open_pool(std::uint32_t count) {
  auto pool = BlockPool::open(kBlockSize, count);
  if (!pool) std::abort();
  return std::move(*pool);
}

void take_and_release_block(benchmark::State& state) {
  const auto pool = open_pool(64);
  for (auto _ : state) {
    Block* block = pool->take();
    benchmark::DoNotOptimize(block);
    BlockPool::release(block);
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(take_and_release_block);

// A queue that holds `range` slices: one in at the end, one out at the front.
void push_and_take_slice(benchmark::State& state) {
  const auto pool = open_pool(4);
  SliceNodes nodes(static_cast<std::uint32_t>(state.range(0)) + 1);
  SliceQueue queue(nodes);
  Block* block = pool->take();
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    if (!queue.push(Slice::share(block, block->data(), 1000))) std::abort();
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(queue.push(Slice::share(block, block->data(), 1000)));
    benchmark::DoNotOptimize(queue.take_front(UINT32_MAX));
  }
  state.SetItemsProcessed(state.iterations());
  queue.clear();
  BlockPool::release(block);
}

BENCHMARK(push_and_take_slice)->Arg(1)->Arg(64)->Arg(4'096);

// A buffer of 60 KiB leaves as frames of 16 KiB.
void split_slice(benchmark::State& state) {
  constexpr std::uint32_t kBytes = 60 * 1024;
  const auto pool = open_pool(4);
  SliceNodes nodes(4);
  SliceQueue queue(nodes);
  Block* block = pool->take();
  for (auto _ : state) {
    if (!queue.push(Slice::share(block, block->data(), kBytes))) std::abort();
    while (!queue.empty())
      benchmark::DoNotOptimize(queue.take_front(16'376));
  }
  state.SetBytesProcessed(state.iterations() * kBytes);
  BlockPool::release(block);
}

BENCHMARK(split_slice);

struct Counter {
  std::uint64_t value = 0;
};

// Both sides on one thread: the cost without any waiting. Each post is a write to the eventfd.
void post_and_run_task(benchmark::State& state) {
  Kernel& kernel = live_kernel();
  const int event = kernel.open_event();
  Mailbox<Counter> mailbox;
  mailbox.attach(kernel, event);
  Counter counter;
  for (auto _ : state) {
    mailbox.post(make_task<Counter>([](Counter& target) { ++target.value; }));
    mailbox.take()->run(counter);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(counter.value));
  kernel.close(event);
}

BENCHMARK(post_and_run_task);

// From another thread that posts as fast as it can, a bounded number per iteration.
void post_between_threads(benchmark::State& state) {
  constexpr std::uint64_t kTasks = 10'000;
  Kernel& kernel = live_kernel();
  const int event = kernel.open_event();
  Mailbox<Counter> mailbox;
  mailbox.attach(kernel, event);
  std::uint64_t total = 0;
  for (auto _ : state) {
    Counter counter;
    std::thread producer([&] {
      for (std::uint64_t i = 0; i < kTasks; ++i)
        mailbox.post(make_task<Counter>([](Counter& target) { ++target.value; }));
      while (!mailbox.flush())
        std::this_thread::yield();
    });
    while (counter.value < kTasks) {
      if (auto task = mailbox.take()) {
        task->run(counter);
      } else {
        std::this_thread::yield();
      }
    }
    producer.join();
    total += counter.value;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(total));
  kernel.close(event);
}

BENCHMARK(post_between_threads)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fairlead
