#include "tests/sim/faults.h"

namespace fairlead::sim {
namespace {

// Most kinds are absent from most seeds; where one is present, its rate spreads over the orders of magnitude.
Rate draw(Prng& prng, Rate most) noexcept {
  if (prng.below(5) < 3) return 0;
  const Rate scale[] = {100, 10, 3, 1};
  return 1 + static_cast<Rate>(prng.below(most / scale[prng.below(4)] + 1));
}

}  // namespace

Faults Faults::swarm(Prng& prng) noexcept {
  Faults faults;
  faults.short_receive = draw(prng, 5'000);
  faults.short_send = draw(prng, 5'000);
  faults.spurious_no_buffers = draw(prng, 1'000);
  faults.accept_failure = draw(prng, 2'000);
  faults.multishot_end = draw(prng, 5'000);
  faults.late_cancel = draw(prng, 5'000);
  faults.submission_refused = draw(prng, 500);
  faults.socket_failure = draw(prng, 500);
  faults.shuffle_completions = prng.below(4) != 0;
  if (prng.below(2) == 0) faults.request_delay_max = Duration::microseconds(static_cast<std::int64_t>(prng.below(300)));
  if (prng.below(5) == 0) faults.completion_queue_entries = 4U << prng.below(5);

  faults.connect_refused = draw(prng, 1'000);
  faults.connect_slow = draw(prng, 1'000);
  faults.connect_lost = draw(prng, 500);
  faults.reset = draw(prng, 1'000);
  faults.silence = draw(prng, 300);
  faults.tiny_send_buffer = draw(prng, 300);
  faults.send_buffer_bytes = std::size_t{2048} << prng.below(9);
  faults.receive_buffer_bytes = std::size_t{2048} << prng.below(9);
  const std::int64_t spread_us[] = {0, 50, 1'000, 20'000, 150'000};
  faults.latency_min = Duration::microseconds(static_cast<std::int64_t>(prng.below(100)));
  faults.latency_max = faults.latency_min + Duration::microseconds(spread_us[prng.below(5)]);
  faults.strike_bytes_max = std::uint64_t{1} << (4 + prng.below(18));

  faults.clock_jump = draw(prng, 20);
  faults.pause = draw(prng, 20);
  faults.late_loop = draw(prng, 1'000);
  return faults;
}

}  // namespace fairlead::sim
