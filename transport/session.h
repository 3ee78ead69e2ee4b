// Session: frames and streams over one TLS connection of a link, after its handshake, or over one after the other: a
// fresh connection can take the place of the old one without any stream noticing (session_move.cc).
//
// Owner: the shard (a link has one or more on each). One thread. Everything the session may send now leaves in one send
// per turn: control frames first, then streams by deficit round robin, sealed into one block. While that send is in
// flight nothing more is sealed, so that a small request never waits behind more than one batch and the kernel's queue.
//
//   kUp ──close()──► kClosing (close_notify and FIN, then the peer's) ──► kEnding ──(ops joined)──► kEnded, reported
//    └──────────────(any error)─────────────────────────────┘
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "transport/base/error.h"
#include "transport/figures.h"
#include "transport/record_io.h"
#include "transport/scheduler.h"
#include "transport/stream.h"
#include "transport/stream_table.h"
#include "transport/tls_connection.h"
#include "transport/uring/slice_queue.h"
#include "transport/uring/socket.h"
#include "transport/uring/timers.h"

namespace fairlead {

class Shard;

// What a connection that went through its handshake brings along to become a session.
struct SessionSeed {
  std::uint64_t session_id = 0;  // unique in this process
  std::uint32_t link = 0;        // link id, as in Route
  std::uint16_t index = 0;       // session index within the link
  bool dialled = false;          // we are the TLS client; decides the side bit of stream ids
  Socket socket;
  std::unique_ptr<RecordSealer> sealer;
  std::unique_ptr<RecordOpener> opener;
  std::vector<std::uint8_t> early;  // received behind the peer's HELLO
  bool kernel_sends = false;        // the socket has the key of this direction, and makes the records
  bool kernel_receives = false;
  bool kernel_rekeys = false;
  bool peer_takes_key_updates = true;
  bool peer_moves = true;  // knows MOVE and RENEW
  std::uint32_t peer_initial_window_bytes = 0;
  std::uint32_t peer_streams_max = 0;
};

// For status: the shard copies them to the control thread a few times a second.
struct SessionFigures {
  std::uint64_t streams_open = 0;
  std::uint64_t streams_total = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::int64_t rtt_ns = 0;
  std::int64_t rtt_min_ns = 0;
  ResetCounts resets;  // of streams, sent and received
  DurationHistogram round_trips;
  // How long bytes of a stream waited to be sent, from when they came, or the last of it were sent: for their turn, for
  // credit, or for the connection.
  DurationHistogram queueing;
};

namespace session_hooks {
using Hook = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;
struct Dirty;
struct Starved;
}  // namespace session_hooks

class Session final
    : public boost::intrusive::list_base_hook<boost::intrusive::tag<session_hooks::Dirty>, session_hooks::Hook>,
      public boost::intrusive::list_base_hook<boost::intrusive::tag<session_hooks::Starved>, session_hooks::Hook> {
 public:
  // Null when there is no memory left for its tables, or the link pool has no blocks.
  static std::unique_ptr<Session> open(Shard& shard, SessionSeed seed);
  // Another connection to the same end, for this session to go over to.
  void replace_connection(SessionSeed seed) noexcept;
  // Asks for one: the dialling end dials, the other asks the peer to. kAnew: one that is under way does not count.
  enum class Renewal : std::uint8_t { kOnce, kAnew };
  void ask_for_renewal(Renewal renewal = Renewal::kOnce) noexcept;
  // Once the shard has it in its list: takes what came early, and begins to receive.
  void start() noexcept;
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::uint64_t id() const noexcept { return id_; }

  std::uint32_t link() const noexcept { return link_; }

  const SessionFigures& figures() const noexcept { return figures_; }

  // Whether new streams may be opened on it.
  bool takes_streams() const noexcept { return state_ == State::kUp && !peer_going_away_ && !leaving_; }

  // A new stream to the far end; null at the limit of either end.
  Stream* open_stream(const OpenFrame& open, std::uint8_t flags) noexcept;

  // Sends a router message to the peer.
  void send_control(std::span<const std::uint8_t> message) noexcept;
  // The control thread has handled so many bytes of the peer's router messages.
  void control_handled(std::uint64_t bytes) noexcept { router_bytes_unhandled_ -= bytes; }
  // What is on its way out of here, sealed or not.
  std::uint64_t unsent_bytes() const noexcept;
  // Tells the peer to open no more streams.
  void go_away(ResetCode code) noexcept;
  // Takes no new streams, tells the peer so, and closes once the last stream has ended.
  void leave() noexcept;
  // Under memory pressure: what the streams hold moves to small blocks.
  void relieve_streams() noexcept;
  // Of the streams that hold something, the one that moved last the longest ago; null if there is none.
  Stream* stillest_holder() noexcept;
  // Ends in order: close_notify, then FIN. Streams still open are reset.
  void close() noexcept;
  // Ends at once.
  [[gnu::cold, gnu::noinline]] void fail(Error error) noexcept;

  // End-of-turn work of the shard.
  void flush() noexcept;

  void resume_receive() noexcept;

  // For its connections.
  void on_received(TlsConnection& connection, Completion done) noexcept;
  void on_sent(TlsConnection& connection, Completion done) noexcept;

  // For streams.
  void activate(Stream& stream) noexcept;
  void queue_credit(Stream& stream) noexcept;
  void send_opened(const Stream& stream) noexcept;
  void reset_stream(Stream& stream, ResetCode code) noexcept;
  void forget(Stream& stream) noexcept;
  std::uint64_t stream_backlog_bytes() const noexcept;
  Instant now() const noexcept;
  std::uint32_t window_bytes_max() const noexcept;
  WindowBudget& window_budget() noexcept;
  [[nodiscard]] bool append(SliceQueue& queue, Slice&& bytes) noexcept;
  void release(Opening& opening) noexcept;
  void reopen(Opening& opening, Channel& client, SliceQueue& sent, bool finished, std::uint64_t granted,
              ResetCode code) noexcept;

 private:
  enum class State : std::uint8_t {
    kUp,       // frames flow
    kClosing,  // close_notify is to be sent or was sent; what the peer still says is read and dropped until it closes
    kEnding,   // ops in flight are being joined
    kEnded,    // handed to the shard for destruction
  };

  // Router messages that wait to be sent, and those of the peer that the control thread has not come to yet.
  static constexpr std::uint64_t kRouterBytesMax = 16 * 1024 * 1024;

  Session(Shard& shard, const SessionSeed& seed);

  void on_probe(Instant now) noexcept;
  // When a peer that remains silent is dead. A long way takes longer to send a lost probe again.
  Instant give_up_at() const noexcept;

  template <class Visit>
  void for_each_connection(Visit visit) {
    if (connection_) visit(*connection_);
    if (next_) visit(*next_);
    for (const auto& retired : retired_)
      visit(*retired);
  }

  bool alive() const noexcept { return state_ == State::kUp || state_ == State::kClosing; }

  void arm_receive(TlsConnection& connection) noexcept;
  void process_received() noexcept;
  bool process_run(const RecordReceiver::Run& run) noexcept;
  bool process_frame(const FrameHeader& header, std::uint8_t* payload, Block* block) noexcept;
  bool process_open(const FrameHeader& header, std::span<const std::uint8_t> payload) noexcept;
  bool process_stream_frame(const FrameHeader& header, std::uint8_t* payload, Block* block) noexcept;
  bool process_control(const FrameHeader& header, std::span<const std::uint8_t> payload) noexcept;
  bool process_move() noexcept;
  bool process_renew() noexcept;

  // session_move.cc
  bool open_next() noexcept;
  void move_sender() noexcept;
  void move_receiver() noexcept;
  void finish_move() noexcept;
  void process_retired(TlsConnection& connection, Completion done) noexcept;
  void drain_retired(TlsConnection& connection) noexcept;
  void drop_done() noexcept;
  void drop_overdue(Instant now) noexcept;
  void process_pong(std::uint64_t sent_ns) noexcept;

  void put_frame(FrameType type, std::uint8_t flags, std::uint32_t stream,
                 std::span<const std::uint8_t> payload) noexcept;
  [[gnu::cold, gnu::noinline]] void fail_unread() noexcept;
  void put_reset(StreamId id, ResetCode code) noexcept;
  void renew_key() noexcept;
  void fill_batch() noexcept;
  void put_credits() noexcept;
  bool put_control_frames() noexcept;
  bool put_queue(SliceQueue& queue) noexcept;
  void put_streams() noexcept;
  void mark_dirty() noexcept;

  Stream* find(StreamId id) noexcept;
  Stream* make_stream(StreamId id, const StreamName& name) noexcept;
  // Apart from their callers, which run for every byte: these make strings, at the end of a session.
  [[gnu::cold, gnu::noinline]] void protocol_error(std::string_view what) noexcept;
  [[gnu::cold, gnu::noinline]] void fail(ErrorCode code, std::string_view message) noexcept;
  [[gnu::cold, gnu::noinline]] void fail_with_errno(int errno_value) noexcept;
  [[gnu::cold, gnu::noinline]] void fail_with_received() noexcept;
  [[gnu::cold, gnu::noinline]] void fail_with_receive(int errno_value) noexcept;
  [[gnu::cold, gnu::noinline]] void fail_silent(Duration silence) noexcept;
  void end() noexcept;
  void join() noexcept;

  using CreditList = boost::intrusive::list<
      Stream,
      boost::intrusive::base_hook<boost::intrusive::list_base_hook<
          boost::intrusive::tag<stream_hooks::Credit>, boost::intrusive::link_mode<boost::intrusive::auto_unlink>>>,
      boost::intrusive::constant_time_size<false>>;

  Shard& shard_;
  std::unique_ptr<TlsConnection> connection_;
  std::unique_ptr<TlsConnection> next_;  // takes over direction by direction; then it is connection_
  TlsConnection* sends_ = nullptr;       // either of the two
  TlsConnection* receives_ = nullptr;
  std::unique_ptr<SessionSeed> next_seed_;                // of a next_ that has to wait
  std::vector<std::unique_ptr<TlsConnection>> retired_;   // replaced; their ends are still under way
  Instant retired_at_{};
  Scheduler scheduler_;
  SliceQueue control_;          // control frames, whole ones in each slice
  SliceQueue router_messages_;  // CONTROL frames: behind the others, and with a limit of their own
  CreditList credits_;
  StreamTable ours_;    // streams that we opened
  StreamTable theirs_;  // streams that the peer opened

  State state_ = State::kUp;
  bool dialled_;
  bool peer_going_away_ = false;
  bool leaving_ = false;
  bool key_update_wanted_ = false;
  bool peer_takes_key_updates_;
  bool peer_moves_;
  bool renewal_asked_ = false;
  bool renewal_again_ = false;  // asked for anew while one is under way
  bool move_seen_ = false;      // the peer's MOVE: what follows comes over next_
  Instant move_seen_at_{};
  std::uint64_t id_;
  std::uint32_t link_;
  std::uint32_t peer_initial_window_bytes_;
  SessionFigures figures_;
  Instant last_heard_;
  Instant last_interactive_{};  // when a small frame was last sent: batches stay short for a while after
  Error error_{ErrorCode::kClosing, "closed"};
  std::vector<std::uint8_t> control_message_;     // parts of a router message received so far
  std::uint64_t router_bytes_unhandled_ = 0;      // reported to the control thread, which has not taken them yet

  TimerOf<&Session::on_probe> probe_{*this};
};

}  // namespace fairlead
