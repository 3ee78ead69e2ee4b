// Faults: what a simulated world does to those who live in it, each kind with a rate of its own. A default-constructed
// value is a perfect world without latency, which is what the conformance suite compares with the live kernel.
//
// swarm() draws a value for one seed and switches whole kinds off: a run in which everything fails at once hides the
// failures that need one kind to be frequent and the others to be absent.
#pragma once

#include <cstddef>
#include <cstdint>

#include "transport/base/prng.h"
#include "transport/base/time.h"

namespace fairlead::sim {

// Occasions out of 10,000.
using Rate = unsigned;

struct Faults {
  // Requests.
  Rate short_receive = 0;
  Rate short_send = 0;
  Rate spurious_no_buffers = 0;  // -ENOBUFS while the buffer ring has some
  Rate accept_failure = 0;       // -EMFILE, which ends a multishot accept
  Rate multishot_end = 0;        // a good completion without IORING_CQE_F_MORE
  Rate late_cancel = 0;          // -EALREADY; the request ends a little later, perhaps with data
  Rate submission_refused = 0;   // enter() leaves part of the submission queue where it is
  Rate socket_failure = 0;       // -EMFILE from open_socket
  Rate late_completion = 0;               // seen by the next enter() only, with all behind it: the thread was preempted
  bool shuffle_completions = false;
  Duration request_delay_max{};           // a request is executed up to this much after it was submitted
  unsigned completion_queue_entries = 0;  // 0: four times the submission entries, as the live kernel is asked for

  // Connections, drawn once for each.
  Rate connect_refused = 0;
  Rate connect_slow = 0;      // seconds instead of the latency
  Rate connect_lost = 0;      // no answer ever comes
  Rate reset = 0;             // both ends are reset after a number of bytes
  Rate silence = 0;           // after a number of bytes nothing arrives any more, in either direction
  Rate tiny_send_buffer = 0;  // a send buffer of one byte
  std::size_t send_buffer_bytes = 256 * 1024;
  std::size_t receive_buffer_bytes = 256 * 1024;
  Duration latency_min{};
  Duration latency_max{};
  // Behind how many bytes, at most, a reset or silence strikes.
  std::uint64_t strike_bytes_max = 200'000;

  // Hosts.
  Rate clock_jump = 0;  // per step of the clock
  Duration clock_jump_max = Duration::seconds(3);
  Rate pause = 0;  // per round in which a host might run
  Duration pause_max = Duration::milliseconds(500);

  Rate late_loop = 0;  // per round: one loop (a shard, a control thread, an application) is late by a few

  static Faults swarm(Prng& prng) noexcept;
};

}  // namespace fairlead::sim
