// Frames: what looking at one costs the receiver, and what a record full of small ones costs.
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "transport/wire/frame.h"

namespace fairlead {
namespace {

// One record's plaintext, filled with DATA frames of a given payload.
std::vector<std::uint8_t> record_of(std::size_t payload_bytes) {
  constexpr std::size_t kRecordBytes = kFrameHeaderSize + kFramePayloadMax;
  std::vector<std::uint8_t> record;
  while (record.size() + kFrameHeaderSize + payload_bytes <= kRecordBytes) {
    const std::size_t at = record.size();
    record.resize(at + kFrameHeaderSize + payload_bytes);
    encode_header({static_cast<std::uint16_t>(payload_bytes), FrameType::kData, 0, 2}, record.data() + at);
  }
  return record;
}

void check_frames(benchmark::State& state) {
  const std::vector<std::uint8_t> record = record_of(static_cast<std::size_t>(state.range(0)));
  std::int64_t frames = 0;
  for (auto _ : state) {
    std::span<const std::uint8_t> left(record);
    while (!left.empty()) {
      FrameHeader header;
      benchmark::DoNotOptimize(check_frame(left, header));
      left = left.subspan(kFrameHeaderSize + header.length);
      ++frames;
    }
  }
  state.SetItemsProcessed(frames);
}
BENCHMARK(check_frames)->Arg(64)->Arg(1024)->Arg(kFramePayloadMax);

void encode_headers(benchmark::State& state) {
  std::uint8_t bytes[kFrameHeaderSize];
  std::uint32_t stream = 2;
  for (auto _ : state) {
    encode_header({64, FrameType::kData, 0, stream++}, bytes);
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(encode_headers);

void open_frame(benchmark::State& state) {
  std::uint8_t payload[OpenFrame::kEncodedMax];
  const OpenFrame open{{1, 2}, 255, {}, "backend:8080"};
  for (auto _ : state) {
    open.encode(payload);
    OpenFrame decoded;
    benchmark::DoNotOptimize(OpenFrame::decode({payload, open.encoded_size()}, decoded));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(open_frame);

}  // namespace
}  // namespace fairlead
