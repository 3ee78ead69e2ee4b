// FlowScript: what one end of an application connection does, drawn from a seed. Behaviour: what a server is like; all
// servers behind one routing key are alike.
#pragma once

#include <cstdint>
#include <string_view>

#include "transport/base/prng.h"
#include "transport/base/time.h"

namespace fairlead::sim {

enum class Behaviour : std::uint8_t {
  kEcho,         // sends as much as it receives
  kSink,         // reads everything, answers with nothing but its end
  kSource,       // sends a lot, finishes, and reads on
  kServerFirst,  // sends before it reads anything
  kRespond,      // answers once the client has finished (half close)
  kAbort,        // resets at some byte
  kRefuse,       // nobody listens
};
inline constexpr Behaviour kBehaviours[] = {Behaviour::kEcho,        Behaviour::kSink,    Behaviour::kSource,
                                            Behaviour::kServerFirst, Behaviour::kRespond, Behaviour::kAbort,
                                            Behaviour::kRefuse};
std::string_view name_of(Behaviour behaviour) noexcept;

struct FlowScript {
  static constexpr std::uint64_t kNever = UINT64_MAX;

  enum class Sending : std::uint8_t {
    kFreely,
    kFollowing,  // never more than was received
    kAfterPeerFinished,
  };

  Sending sending = Sending::kFreely;
  bool reads_after_sending = false;
  std::uint64_t bytes = 0;              // sent behind the header; not with kFollowing
  std::uint32_t send_bytes_max = 1;     // of one send
  std::uint32_t receive_bytes_max = 1;  // of one receive
  Duration send_pause_max{};            // now and then, between two sends
  Duration receive_pause_max{};
  std::uint64_t stalls_at = kNever;  // received bytes; reads on when it is told to
  std::uint64_t aborts_at_sent = kNever;
  std::uint64_t aborts_at_received = kNever;

  bool aborts() const noexcept { return aborts_at_sent != kNever || aborts_at_received != kNever; }
};

struct FlowSizes {
  std::uint64_t bytes_max = 200'000;
  Duration pause_max = Duration::milliseconds(200);
  unsigned stall_percent = 5;
  unsigned abort_percent = 8;
};

FlowScript draw_client(Prng& prng, Behaviour server, const FlowSizes& sizes);
FlowScript draw_server(Prng& prng, Behaviour server, const FlowSizes& sizes);

}  // namespace fairlead::sim
