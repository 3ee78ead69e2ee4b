// Stream: one application connection on a session, as a Channel.
//
//   peer ──deliver──► out_ (≤ backlog) ──pull, by the session's scheduler──► DATA frames      credit: send_
//   peer ◄──deliver── DATA frames (in place in the session's block)                           credit: receive_
//
// An EdgeSocket is granted only what the far end granted us, so everything in out_ may be sent as soon as the stream's
// turn comes. On a transit router out_ holds at most the window of the stream it came from. A stream leaves its session
// once both directions ended on the wire; its peer may still be writing then.
//
// Owner: the shard's slab. One thread.
#pragma once

#include <cstdint>

#include <boost/intrusive/list.hpp>

#include "transport/base/time.h"
#include "transport/channel.h"
#include "transport/forwarder.h"
#include "transport/scheduler.h"
#include "transport/uring/slice_queue.h"
#include "transport/wire/stream_id.h"
#include "transport/wire/stream_state.h"
#include "transport/wire/window.h"

namespace fairlead {

class Session;
class Shard;
class RecordSender;
struct Opening;

namespace stream_hooks {
struct Credit;
}

class Stream final
    : public Channel,
      public ScheduleEntry,
      public boost::intrusive::list_base_hook<boost::intrusive::tag<stream_hooks::Credit>,
                                              boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  // What a peer may put into out_ beyond what was sent: enough for one large batch.
  static constexpr std::uint64_t kBacklogBytes = 256 * 1024;
  static constexpr std::uint64_t kBacklogBytesMin = 16 * 1024;

  Stream(Session& session, SliceNodes& nodes, StreamId id, StreamName name, std::uint64_t send_limit,
         std::uint32_t receive_window, Instant now) noexcept
      : session_(&session),
        id_(id),
        name_(name),
        out_(nodes),
        send_(send_limit),
        receive_(receive_window, now),
        kept_(nodes),
        moved_at_(now) {}

  ~Stream() = default;

  StreamId id() const noexcept { return id_; }

  const Session& session() const noexcept { return *session_; }

  const StreamName& name() const noexcept { return name_; }

  bool over() const noexcept { return state_.over(); }

  // Called after pair(). An EdgeSocket is granted its first bytes, beyond those that it was `granted` already; a Stream
  // (we are a transit router) has its window to begin with and is granted what was sent on.
  void start_with_edge(std::uint64_t granted) noexcept {
    transit_ = false;
    allowed_ = granted;
    update_allowance();
  }

  void start_transit() noexcept { transit_ = true; }

  // Before anything is delivered: until OPENED, another destination may be tried.
  void keep_opening(Opening& opening, LoadShare load) noexcept;
  // What the client sent to a destination that failed.
  void replay(SliceQueue& sent, bool finished) noexcept;

  // So many bytes of what will be granted were granted before.
  void owe(std::uint64_t bytes) noexcept { granted_before_ += bytes; }

  void deliver(Slice bytes) noexcept override;
  void grant(std::uint64_t bytes) noexcept override;
  void finish() noexcept override;
  void abort(ResetCode code) noexcept override;

  bool awaits_grant(std::uint64_t bytes) const noexcept override {
    return state_.can_receive() && receive_.grant_due(bytes);
  }

  void opened() noexcept override;

  // From the session, for frames of this stream. receive_data returns false when the peer overran its credit.
  [[nodiscard]] bool receive_data(Slice bytes, bool fin) noexcept;
  void receive_credit(std::uint64_t limit) noexcept;
  void receive_opened() noexcept;
  void receive_reset(ResetCode code) noexcept;

  // The stream's turn to send: puts one frame, as large as may be. Returns how many payload bytes it put; `more` says
  // whether the stream has something left.
  std::uint32_t pull(RecordSender& sender, bool& more) noexcept;
  // The new limit to tell the far end; called while the stream is on the session's credit list.
  std::uint64_t take_credit(Instant now, Duration round_trip) noexcept;
  // The session is gone: nothing can be sent any more.
  void lose_session(ResetCode code) noexcept;

  using CreditHook = boost::intrusive::list_base_hook<boost::intrusive::tag<stream_hooks::Credit>,
                                                      boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

  bool waits_for_credit_frame() const noexcept { return CreditHook::is_linked(); }

  void unlink_credit() noexcept { CreditHook::unlink(); }

  // What waits to be sent, and what is kept until OPENED.
  std::uint64_t queued_bytes() const noexcept { return out_.bytes() + kept_.bytes(); }

  // When it last sent on some of that, or the first of it came, or the stream began.
  Instant moved_at() const noexcept { return moved_at_; }

  void note_moved(Instant now) noexcept { moved_at_ = now; }

  // Under memory pressure: that moves to small blocks.
  void relieve(Shard& shard) noexcept;
  // Ends at both ends, because there is no memory for what it holds.
  void sacrifice() noexcept;

  std::uint32_t window_growth() const noexcept { return window_growth_bytes_; }

 private:
  void update_allowance() noexcept;
  void leave_when_over() noexcept;
  void established() noexcept;
  [[gnu::cold, gnu::noinline]] bool try_another(ResetCode code) noexcept;
  Slice take_piece() noexcept;

  Session* session_;
  StreamId id_;
  StreamState state_;
  bool finish_wanted_ = false;
  bool transit_ = false;
  StreamName name_;
  SliceQueue out_;
  SendWindow send_;
  ReceiveWindow receive_;
  std::uint64_t allowed_ = 0;              // absolute offset up to which the peer may deliver
  std::uint32_t window_growth_bytes_ = 0;  // taken from the shard's budget, given back at the end
  std::uint64_t granted_before_ = 0;       // granted to the far end once already, and to be left out
  Opening* opening_ = nullptr;             // until OPENED
  SliceQueue kept_;                        // until OPENED: what was sent
  LoadShare load_;
  Instant moved_at_;
};

}  // namespace fairlead
