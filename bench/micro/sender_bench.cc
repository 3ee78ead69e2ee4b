// A session's batch: DATA frames of one payload size put into a SealingSender until it is full, as many records as that
// makes; and what the receiver pays to get the frames out again. The payload sizes stand on both sides of kCopyMax.
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "transport/record_io.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kLinkBlockSize = 256 * 1024 + sizeof(Block);
constexpr std::uint32_t kEdgeBlockSize = 64 * 1024;
constexpr std::uint32_t kHeadroom = 64;
constexpr CipherSuite kSuite = CipherSuite::kAes128Gcm;

TrafficSecret secret() {
  return TrafficSecret(std::vector<std::uint8_t>(hash_size(kSuite), 0x42));
}

std::unique_ptr<BlockPool> pool_of(std::uint32_t block_size, std::uint32_t count) {
  auto pool = BlockPool::open(block_size, count);
  if (!pool) std::abort();
  return std::move(*pool);
}

// Fills the sender once; returns the payload bytes put.
std::int64_t fill(SealingSender& sender, Block* payload, std::uint32_t size) {
  std::int64_t bytes = 0;
  while (sender.room()) {
    sender.put_data({static_cast<std::uint16_t>(size), FrameType::kData, 0, 2},
                    Slice::share(payload, payload->data() + kHeadroom, size));
    bytes += size;
  }
  sender.flush();
  return bytes;
}

void put_batch(benchmark::State& state) {
  const auto size = static_cast<std::uint32_t>(state.range(0));
  const auto link_pool = pool_of(kLinkBlockSize, 2);
  const auto edge_pool = pool_of(kEdgeBlockSize, 2);
  SealingSender sender(std::make_unique<RecordSealer>(kSuite, secret(), 0), link_pool->take());
  Block* payload = edge_pool->take();
  std::int64_t bytes = 0;
  for (auto _ : state) {
    bytes += fill(sender, payload, size);
    sender.sent(sender.pending_bytes());
  }
  BlockPool::release(payload);
  state.SetBytesProcessed(bytes);
  state.SetItemsProcessed(bytes / size);
}

BENCHMARK(put_batch)->Arg(64)->Arg(512)->Arg(4096)->Arg(4097)->Arg(kFramePayloadMax);

void take_batch(benchmark::State& state) {
  const auto size = static_cast<std::uint32_t>(state.range(0));
  const auto link_pool = pool_of(kLinkBlockSize, 4);
  const auto edge_pool = pool_of(kEdgeBlockSize, 2);
  SealingSender sender(std::make_unique<RecordSealer>(kSuite, secret(), 0), link_pool->take());
  OpeningReceiver receiver(std::make_unique<RecordOpener>(kSuite, secret(), 0), PostHandshake::Role::kServer,
                           *link_pool, link_pool->take());
  Block* payload = edge_pool->take();
  std::int64_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    bytes += fill(sender, payload, size);
    io_uring_sqe out{};
    sender.prepare_send(&out, -1);
    io_uring_sqe in{};
    if (!receiver.make_room()) std::abort();
    receiver.prepare_receive(&in, -1, false);
    std::memcpy(reinterpret_cast<void*>(in.addr), reinterpret_cast<const void*>(out.addr), out.len);
    sender.sent(out.len);
    state.ResumeTiming();
    receiver.received(out.len);
    RecordReceiver::Run run;
    while (receiver.next(run) == RecordReceiver::Next::kFrames) {
      for (std::uint32_t at = 0; at < run.size;) {
        FrameHeader header;
        benchmark::DoNotOptimize(check_frame({run.data + at, run.size - at}, header));
        at += kFrameHeaderSize + header.length;
      }
    }
  }
  BlockPool::release(payload);
  state.SetBytesProcessed(bytes);
  state.SetItemsProcessed(bytes / size);
}

BENCHMARK(take_batch)->Arg(64)->Arg(512)->Arg(4096)->Arg(4097)->Arg(kFramePayloadMax);

}  // namespace
}  // namespace fairlead
