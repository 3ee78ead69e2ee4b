// StreamState: how far the two directions of a stream have come. Pure.
//
//                 finish / FIN sent                    FIN received
//   sending:   kOpen ------------> kFinished   receiving:  kOpen -----------> kFinished
//
//   reset (either way, any time): both directions kReset.
//
// A stream is over on the wire once both directions left kOpen. From then on its id may name another stream; frames
// that still come for it are told apart by the id's generation (stream_id.h).
#pragma once

#include <cstdint>

namespace fairlead {

class StreamState {
 public:
  enum class Half : std::uint8_t {
    kOpen,      // bytes may flow
    kFinished,  // ended in order, by FIN
    kReset,     // ended by RESET, sent or received
  };

  Half sending() const noexcept { return sending_; }

  Half receiving() const noexcept { return receiving_; }

  bool can_send() const noexcept { return sending_ == Half::kOpen; }

  bool can_receive() const noexcept { return receiving_ == Half::kOpen; }

  bool over() const noexcept { return sending_ != Half::kOpen && receiving_ != Half::kOpen; }

  // Each returns false where the event is not allowed in the present state, which then stays.
  bool fin_sent() noexcept { return leave_open(sending_, Half::kFinished); }

  bool fin_received() noexcept { return leave_open(receiving_, Half::kFinished); }

  bool reset() noexcept {
    if (over()) return false;
    sending_ = receiving_ = Half::kReset;
    return true;
  }

 private:
  static bool leave_open(Half& half, Half to) noexcept {
    if (half != Half::kOpen) return false;
    half = to;
    return true;
  }

  Half sending_ = Half::kOpen;
  Half receiving_ = Half::kOpen;
};

}  // namespace fairlead
