// Timers: deadlines of one thread, in a hierarchical timing wheel (Varghese and Lauck, 1987) of four levels with 64
// slots and a tick of one millisecond. Arming and cancelling are O(1); a timer fires at or after its deadline, at most
// one tick late plus the length of the turn. Deadlines beyond 4.6 hours wait in the last level and are placed again.
//
//   class Session { void on_probe(Instant now) noexcept;  TimerOf<&Session::on_probe> probe_{*this}; };
//
// A handler may arm and cancel any timer, itself included. A Timer cancels itself when destroyed.
#pragma once

#include <array>
#include <cstdint>

#include <boost/intrusive/list.hpp>

#include "transport/base/time.h"

namespace fairlead {

class Timer : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using Handler = void (*)(Timer& timer, Instant now) noexcept;

  explicit Timer(Handler handler) noexcept : handler_(handler) {}

  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() = default;  // the hook unlinks itself

  bool armed() const noexcept { return is_linked(); }

  Instant deadline() const noexcept { return deadline_; }

  void cancel() noexcept { unlink(); }

 private:
  friend class Timers;

  Handler handler_;
  Instant deadline_{};
};

template <auto Method>
class TimerOf;

template <class Owner, void (Owner::*Method)(Instant) noexcept>
class TimerOf<Method> final : public Timer {
 public:
  explicit TimerOf(Owner& owner) noexcept
      : Timer([](Timer& timer, Instant now) noexcept { (static_cast<TimerOf&>(timer).owner_.*Method)(now); }),
        owner_(owner) {}

 private:
  Owner& owner_;
};

class Timers {
 public:
  explicit Timers(Instant now) noexcept : tick_(tick_of(now)) {}

  // Arms, or moves, a timer. A deadline in the past fires on the next advance.
  void arm(Timer& timer, Instant deadline) noexcept;

  // Fires everything that is due. Returns how many fired.
  unsigned advance(Instant now) noexcept;

  // How long a thread may sleep: a lower bound on the next deadline, Duration::max() if there is none.
  Duration until_next(Instant now) const noexcept;

 private:
  using List = boost::intrusive::list<Timer, boost::intrusive::constant_time_size<false>>;

  static constexpr unsigned kLevels = 4;
  static constexpr unsigned kSlotBits = 6;
  static constexpr unsigned kSlots = 1U << kSlotBits;
  static constexpr std::int64_t kTickNs = 1'000'000;

  // Rounded up for deadlines, so that nothing fires early.
  static std::uint64_t tick_of(Instant t) noexcept { return static_cast<std::uint64_t>(t.ns) / kTickNs; }

  // `next_tick`: the first tick that has not fired.
  void place(Timer& timer, std::uint64_t next_tick) noexcept;
  void cascade(unsigned level) noexcept;

  std::uint64_t tick_;  // all ticks <= tick_ have fired
  std::array<std::array<List, kSlots>, kLevels> wheel_;
  mutable std::array<std::uint64_t, kLevels> occupied_{};  // bit per slot; a set bit may turn out to be stale
};

}  // namespace fairlead
