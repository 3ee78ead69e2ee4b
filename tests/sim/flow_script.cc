#include "tests/sim/flow_script.h"

namespace fairlead::sim {
namespace {

// Behind the header, so that a stalled end knows its partner.
constexpr std::uint64_t kStallMin = 16;

// Small amounts are as interesting as large ones: spread over the orders of magnitude.
std::uint64_t draw_bytes(Prng& prng, std::uint64_t bytes_max) {
  switch (prng.below(6)) {
    case 0:
      return prng.below(3);
    case 1:
      return prng.below(200);
    case 2:
      return prng.below(5'000);
    case 3:
      return prng.below(70'000);
    default:
      return prng.below(bytes_max + 1);
  }
}

std::uint32_t draw_piece(Prng& prng, std::uint64_t total) {
  static constexpr std::uint32_t kPieces[] = {100, 1'500, 5'000, 20'000, 70'000, 300'000};
  // A byte at a time only where that ends soon.
  if (total < 500 && prng.below(4) == 0) return 1;
  return kPieces[prng.below(6)];
}

FlowScript draw_common(Prng& prng, std::uint64_t bytes, const FlowSizes& sizes) {
  FlowScript script;
  script.bytes = bytes;
  script.send_bytes_max = draw_piece(prng, bytes);
  script.receive_bytes_max = draw_piece(prng, sizes.bytes_max);
  if (prng.below(3) == 0)
    script.send_pause_max = {static_cast<std::int64_t>(prng.below(static_cast<std::uint64_t>(sizes.pause_max.ns)))};
  if (prng.below(3) == 0)
    script.receive_pause_max = {static_cast<std::int64_t>(prng.below(static_cast<std::uint64_t>(sizes.pause_max.ns)))};
  if (prng.chance(sizes.stall_percent)) script.stalls_at = kStallMin + prng.below(sizes.bytes_max);
  return script;
}

void draw_abort(Prng& prng, FlowScript& script, const FlowSizes& sizes) {
  (prng.below(2) == 0 ? script.aborts_at_sent : script.aborts_at_received) = draw_bytes(prng, sizes.bytes_max);
}

}  // namespace

std::string_view name_of(Behaviour behaviour) noexcept {
  switch (behaviour) {
    case Behaviour::kEcho:
      return "echo";
    case Behaviour::kSink:
      return "sink";
    case Behaviour::kSource:
      return "source";
    case Behaviour::kServerFirst:
      return "server-first";
    case Behaviour::kRespond:
      return "respond";
    case Behaviour::kAbort:
      return "abort";
    case Behaviour::kRefuse:
      return "refuse";
  }
  return "?";
}

FlowScript draw_client(Prng& prng, Behaviour server, const FlowSizes& sizes) {
  const bool asks_little = server == Behaviour::kSource || server == Behaviour::kRespond;
  FlowScript script = draw_common(prng, draw_bytes(prng, asks_little ? 5'000 : sizes.bytes_max), sizes);
  if (prng.chance(sizes.abort_percent)) draw_abort(prng, script, sizes);
  return script;
}

FlowScript draw_server(Prng& prng, Behaviour server, const FlowSizes& sizes) {
  const bool answers = server != Behaviour::kSink && server != Behaviour::kEcho;
  FlowScript script = draw_common(prng, answers ? draw_bytes(prng, sizes.bytes_max) : 0, sizes);
  if (server == Behaviour::kEcho) {
    script.sending = FlowScript::Sending::kFollowing;
    script.send_bytes_max = draw_piece(prng, sizes.bytes_max);
  }
  if (server == Behaviour::kRespond) script.sending = FlowScript::Sending::kAfterPeerFinished;
  // One that reads only when it has sent must not wait for one who does the same.
  if (server == Behaviour::kServerFirst) script.reads_after_sending = true;
  if (server == Behaviour::kAbort) draw_abort(prng, script, sizes);
  return script;
}

}  // namespace fairlead::sim
