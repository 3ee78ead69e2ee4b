// Shard: one thread's part of the gateway, and everything it touches: ring, memory, sessions of every link, listeners,
// application connections. No byte crosses a shard; commands and reports do, as tasks (mailbox.h).
//
// A turn: one io_uring_enter, all its completions, tasks, timers, then everything that became sendable is sent. What
// the turn queued enters the kernel with the next turn's call.
//
// Owner: Transport. Everything but the mailboxes is touched by the shard's thread only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/intrusive/list.hpp>
#include <sys/uio.h>

#include "transport/base/slab.h"
#include "transport/config.h"
#include "transport/edge_group.h"
#include "transport/edge_socket.h"
#include "transport/figures.h"
#include "transport/forwarder.h"
#include "transport/listener.h"
#include "transport/mailbox.h"
#include "transport/meters.h"
#include "transport/opening.h"
#include "transport/session.h"
#include "transport/stream.h"
#include "transport/uring/buffer_ring.h"
#include "transport/uring/ring.h"
#include "transport/uring/timers.h"

namespace fairlead {

struct LinkTestFindings;
class Transport;

// A connector as a shard knows it.
struct ShardConnector {
  std::uint32_t id = 0;
  std::string routing_key;
  std::vector<Address> addresses;  // of its server, resolved by the control thread; each failure goes on to the next
  EdgeGroup group;
  KeyFigures* key = nullptr;
  bool removed = false;  // nobody is led to it; it goes with its last connection
};

// The connections that came in at a listener, whether or not its port is open now.
struct ListenerGroup {
  std::uint32_t listener = 0;
  EdgeGroup group;
  bool removed = false;  // it goes with its last connection
};

// One for each thing that a limit or the world can do to us. Plain integers of this shard.
struct ShardCounters {
  std::uint64_t edge_bytes_in = 0;  // these two in reports only: the sum of all routing keys'
  std::uint64_t edge_bytes_out = 0;
  std::uint64_t edges_reset = 0;        // application connections that ended by reset
  std::uint64_t edges_idle = 0;         // of those, because they carried nothing for too long
  std::uint64_t edges_relieved = 0;     // times a stalled connection's bytes were moved to small blocks
  std::uint64_t edges_sacrificed = 0;   // stalled connections ended because sessions had no block left to receive into
  std::uint64_t streams_relieved = 0;   // as edges_relieved, of streams whose link or far end takes nothing
  std::uint64_t streams_sacrificed = 0;
  std::uint64_t edges_exhausted = 0;    // connections refused for want of a slot (connections_per_shard_max)
  std::uint64_t streams_exhausted = 0;  // streams refused at streams_per_session_max
  std::uint64_t receive_starved = 0;    // receives that found no lent buffer (-ENOBUFS)
  std::uint64_t session_starved = 0;    // sessions that found no block to receive into
  std::uint64_t slice_nodes_exhausted = 0;
  std::uint64_t control_overflows = 0;  // sessions ended because the peer did not read
  std::uint64_t protocol_errors = 0;
  std::uint64_t descriptors_exhausted = 0;  // accept or socket said EMFILE or ENFILE
  std::uint64_t edge_handshakes_evicted = 0;  // TLS handshakes given up because there were too many
  std::uint64_t no_route = 0;               // connections refused because nobody serves their routing key
  std::uint64_t reopened = 0;               // connections offered to another destination before their client noticed
  std::uint64_t handed_over = 0;            // accepted sockets given to another shard that has a session
  std::uint64_t keys_updated = 0;           // of what sessions send (TLS KeyUpdate)
  std::uint64_t connections_replaced = 0;   // of sessions, by fresh ones
  std::uint64_t gather_exhausted = 0;       // sends put off to the next turn for want of vectors
};

// What a shard reports to the control thread a few times a second.
struct ShardReport {
  struct SessionLine {
    std::uint64_t session_id;
    SessionFigures figures;
  };

  struct GroupLine {
    std::uint32_t id;
    EdgeFigures figures;
    Error news{};  // why a client or server was refused; without a message: none was since the last report
  };

  unsigned shard = 0;
  Instant at{};  // when it was made: the shard was alive then
  std::vector<SessionLine> sessions;
  std::vector<GroupLine> listeners;
  std::vector<GroupLine> connectors;
  std::vector<KeyStatus> keys;  // those whose figures are other ones than in the report before
  ShardUsage usage;
  DurationHistogram turns;
  LoopFigures loop;
  ShardCounters counters;
  Ring::Counters ring;
  std::uint32_t edges_open = 0;
  std::uint32_t streams_open = 0;
  std::uint64_t unsent_bytes = 0;  // of all sessions: what has not been given to the kernel
  bool accepting = true;
};

class Shard {
 public:
  // Reserves everything; the ring is enabled by the thread that calls run() or turn().
  static Result<std::unique_ptr<Shard>> open(Kernel& kernel, const TransportOptions& options, unsigned index,
                                             Transport& transport);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // ---- for the thread that runs it

  Result<void> enable() { return ring_->enable(); }

  // One turn; waits at most `wait_max` if there is nothing to do. Returns false once the shard was stopped and is
  // empty.
  bool turn(Duration wait_max) noexcept;

  // ---- for the control thread

  // Tasks for this shard.
  Mailbox<Shard>& mailbox() noexcept { return mailbox_; }

  ShardUsage usage() const noexcept;

  // ---- tasks, run on the shard's thread

  void adopt_session(SessionSeed seed);
  // A fresh connection for the session of that id.
  void replace_connection(SessionSeed seed);
  void renew_session(std::uint64_t session_id);
  void leave_session(std::uint64_t session_id);
  void close_session(std::uint64_t session_id);
  void fail_session(std::uint64_t session_id, const Error& error);
  void send_control(std::uint64_t session_id, std::span<const std::uint8_t> message);
  void control_handled(std::uint64_t session_id, std::uint64_t bytes);
  void add_listener(std::uint32_t id, RoutingKeys routing_keys, Strategy strategy,
                    std::shared_ptr<const EdgeOptions> options, LoadRef open_anywhere, Socket socket);
  // For clients from now on.
  void set_listener(std::uint32_t id, const RoutingKeys& routing_keys, Strategy strategy,
                    std::shared_ptr<const EdgeOptions> options);
  void close_listener(std::uint32_t id);
  void add_connector(std::uint32_t id, std::string routing_key, const std::string& host,
                     std::shared_ptr<const EdgeOptions> options, LoadRef open_anywhere);
  // For connections from now on.
  void set_connector_options(std::uint32_t id, std::shared_ptr<const EdgeOptions> options);
  void set_connector_addresses(std::uint32_t id, std::vector<Address> addresses);
  // What came in by it, or goes to it, stays.
  void remove_listener(std::uint32_t id);
  void remove_connector(std::uint32_t id);

  // Of those, what takes effect later than the start: see Transport::set_options().
  void set_options(const TransportOptions& options) { options_.take_live(options); }

  void set_forwarder(std::shared_ptr<const Forwarder> forwarder) { forwarder_ = std::move(forwarder); }

  // A client that another shard accepted, which had no session of the link that serves the key chosen for it.
  void adopt_client(std::uint32_t listener_id, const std::string& routing_key, Socket socket);
  void stop_accepting();
  void go_away();
  // Ends everything that is left; turn() returns false once that is done.
  void stop();

  // ---- for the objects on it

  Ring& ring() noexcept { return *ring_; }

  Kernel& kernel() noexcept { return kernel_; }

  Timers& timers() noexcept { return timers_; }

  Instant now() const noexcept { return now_; }

  const TransportOptions& options() const noexcept { return options_; }

  ShardCounters& counters() noexcept { return counters_; }

  LoopFigures& loop() noexcept { return loop_; }

  BufferRing& buffers() noexcept { return *buffers_; }

  BlockPool& edge_pool() noexcept { return *edge_pool_; }

  BlockPool& link_pool() noexcept { return *link_pool_; }

  BlockPool& small_pool() noexcept { return *small_pool_; }

  SliceNodes& slice_nodes() noexcept { return slice_nodes_; }

  Slab<Stream>& streams() noexcept { return streams_; }

  Meters& meters() noexcept { return meters_; }

  Session* find_session(std::uint64_t session_id) noexcept;

  // A client came in at a listener.
  void accept_client(Listener& listener, Socket socket) noexcept;
  // And may now be led to where `opening`, which is taken over, says.
  void lead_client(EdgeSocket& client, Opening& opening) noexcept;
  // A stream came in over a link: gives it its other end, or says why not.
  ResetCode connect_stream(Stream& stream, const OpenFrame& open, Strategy strategy, std::uint32_t arrived_on) noexcept;
  // A destination failed before it was connected. Takes over `opening`; `client` is without a peer, and gets one or is
  // aborted with `code`. `sent` is all that the client has sent, `granted` what it was granted.
  void reopen(Opening& opening, Channel& client, SliceQueue& sent, bool finished, std::uint64_t granted,
              ResetCode code) noexcept;

  // What two connections of this very site grant each other.
  static constexpr std::uint64_t kLocalRoomBytes = 256 * 1024;

  // For the site where the connection ends.
  void describe_client(Opening& opening, const ClientAddresses& addresses) noexcept;

  void release(Opening& opening) noexcept { openings_.destroy(&opening); }

  void report_connect_failed(const EdgeGroup& group, int error) noexcept;

  // `size` bytes of a small block, to be written by the caller; empty when there is none, or not of this size. Copies
  // leave the last blocks of the pool to control frames, without which sessions end.
  static constexpr std::uint32_t kSmallBlockSize = 4096;
  Slice reserve_small(std::uint32_t size) noexcept;
  Slice copy_small(std::span<const std::uint8_t> bytes) noexcept;
  // Adds to a queue that may have to wait for long. Pieces that lie one behind the other become one slice; once there
  // are a few slices, small ones are packed into blocks of the queue's own, so that thousands of tiny pieces that
  // nobody reads take neither a node nor a shared block each. False: no node left, and `bytes` is untouched.
  [[nodiscard]] bool append(SliceQueue& queue, Slice&& bytes) noexcept;
  // Moves what a queue holds to small blocks, as far as there are any. False: no node left, and bytes are lost.
  [[nodiscard]] bool compact(SliceQueue& queue) noexcept;
  bool holds_large_blocks(SliceQueue& queue) const noexcept;
  // The front of a queue as vectors for one send, valid until the end of the turn; empty when the turn's are used up.
  struct Gathered {
    std::span<iovec> vectors;
    std::uint32_t bytes = 0;
  };

  Gathered gather(SliceQueue& queue, std::uint32_t bytes_max) noexcept;
  const msghdr* message(std::span<iovec> vectors) noexcept;

  WindowBudget& window_budget() noexcept { return window_budget_; }

  // Has it dial, now or in one of the next turns.
  void connect(EdgeSocket& edge) noexcept;

  // A TLS handshake began. Of too many the oldest is given up.
  void begin_handshake(EdgeSocket& edge) noexcept;
  void end_handshake(EdgeSocket& edge) noexcept;
  // There is something to compute for it. One is gone on with in a turn, when all else is done: bytes that flow wait
  // for one at most.
  void await_handshake(EdgeSocket& edge) noexcept;
  // For messages.
  std::string peer_of(const Socket& socket) const;

  void mark_dirty(EdgeSocket& edge) noexcept;
  void mark_dirty(Session& session) noexcept;
  // To be resumed when there is memory again.
  void starve(EdgeSocket& edge) noexcept;
  void starve(Session& session) noexcept;

  // Done with: destroyed at the end of the turn.
  void reap(EdgeSocket& edge) noexcept { dead_edges_.push_back(&edge); }

  void reap(Stream& stream) noexcept { dead_streams_.push_back(&stream); }

  void reap(std::unique_ptr<TlsConnection> connection) noexcept { dead_connections_.push_back(std::move(connection)); }

  void session_ended(Session& session, const Error& error) noexcept;
  // It needs a fresh connection, which this end dials.
  void report_renewal(Session& session) noexcept;
  // It went over to the one that this end dialled.
  void report_moved(Session& session) noexcept;
  void report_going_away(Session& session) noexcept;
  void report_control(Session& session, std::vector<std::uint8_t> message);
  void report_link_test(std::uint64_t test, std::uint64_t session_id, LinkTestFindings findings);

 private:
  struct KeyEntry {
    KeyFigures figures;
    KeyFigures reported;
  };

  template <class T, class Tag>
  using ListBy = boost::intrusive::list<
      T, boost::intrusive::base_hook<boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>, edge_hooks::Hook>>,
      boost::intrusive::constant_time_size<false>>;

  Shard(Kernel& kernel, const TransportOptions& options, unsigned index, Transport& transport);

  void on_event(Completion done) noexcept;
  void on_report(Instant now) noexcept;
  void on_stop_deadline(Instant now) noexcept;
  void arm_event() noexcept;
  void drop_replaced_addresses() noexcept;
  void run_tasks() noexcept;
  void start_connects() noexcept;
  void flush_all() noexcept;
  void advance_handshake() noexcept;
  void relieve_pressure() noexcept;
  void sacrifice_holder() noexcept;
  void resume_starved() noexcept;
  void reap_dead() noexcept;
  void reap_closed() noexcept;
  void reap_removed() noexcept;
  EdgeGroup& group_of_listener(std::uint32_t id);
  bool finished() noexcept;
  Session* session_for(std::span<const std::uint32_t> links) noexcept;
  // Takes the socket over, or returns null and leaves it to the caller, who knows how it has to end; where the group
  // has all that it may have, the reason is its news.
  EdgeSocket* make_edge(Socket& socket, EdgeGroup& group, KeyFigures& key) noexcept;
  [[gnu::cold, gnu::noinline]] static void note_full(EdgeGroup& group);
  KeyFigures& figures_of(KeySide side, std::string_view routing_key);
  void report_keys(ShardReport& report);
  ShardConnector* find_connector(std::uint32_t id) noexcept;
  Opening* make_opening(const Opening& opening) noexcept;
  // Leads the client's connection to where `route` says. On success `opening` belongs to the new end.
  ResetCode open_route(const Route& route, Opening& opening, Channel& client, SliceQueue* sent, bool finished,
                       std::uint64_t granted) noexcept;
  void open_client(const Route& route, Opening& opening, EdgeSocket& client) noexcept;
  ResetCode open_edge(const Route& route, Opening& opening, Channel& client, SliceQueue* sent, bool finished,
                      std::uint64_t granted) noexcept;
  ResetCode open_onward(const Route& route, Opening& opening, Channel& client, SliceQueue* sent, bool finished,
                        std::uint64_t granted) noexcept;
  Socket open_edge_socket(int family) noexcept;
  void start_client(Listener& listener, std::string_view routing_key, Socket socket, bool may_hand_over) noexcept;

  Kernel& kernel_;
  TransportOptions options_;
  const unsigned index_;
  Transport& transport_;
  Instant now_;

  std::unique_ptr<Ring> ring_;
  Timers timers_;
  std::unique_ptr<BlockPool> edge_pool_;   // 64 KiB: lent to the kernel for what applications send
  std::unique_ptr<BlockPool> link_pool_;   // 256 KiB: what sessions receive into and seal into
  std::unique_ptr<BlockPool> small_pool_;  // 4 KiB: copies of small pieces, control frames
  std::unique_ptr<BufferRing> buffers_;
  SliceNodes slice_nodes_;
  Slab<EdgeSocket> edges_;
  Slab<Stream> streams_;
  Slab<Opening> openings_;
  PathBuffer path_;  // of the route being looked up
  Block* small_ = nullptr;  // the block that copies go into now
  std::uint32_t small_used_ = 0;

  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::pair<Session*, Error>> ended_sessions_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<ListenerGroup>> listener_groups_;
  std::vector<std::unique_ptr<ShardConnector>> connectors_;
  std::array<std::map<std::string, KeyEntry, std::less<>>, 2> keys_;  // by side; those that were configured ever
  bool some_closing_ = false;  // of listeners_
  bool some_removed_ = false;  // of listener_groups_ and connectors_, and not gone yet
  std::vector<std::vector<Address>> replaced_addresses_;  // connects that are queued may still point into them
  std::shared_ptr<const Forwarder> forwarder_;
  std::uint64_t next_stream_number_ = 0;
  std::uint32_t next_session_ = 0;
  WindowBudget window_budget_;

  ListBy<EdgeSocket, edge_hooks::All> all_edges_;
  ListBy<EdgeSocket, edge_hooks::Dirty> dirty_edges_;
  ListBy<EdgeSocket, edge_hooks::Starved> starved_edges_;
  ListBy<EdgeSocket, edge_hooks::Handshake> handshakes_;  // the oldest first
  ListBy<EdgeSocket, edge_hooks::Waiting> waiting_handshakes_;
  ListBy<EdgeSocket, edge_hooks::Waiting> waiting_connects_;
  unsigned connects_left_ = 0;  // in this turn; while it is above 0, none waits
  std::uint32_t handshake_count_ = 0;
  ListBy<Session, session_hooks::Dirty> dirty_sessions_;
  ListBy<Session, session_hooks::Starved> starved_sessions_;
  std::vector<EdgeSocket*> dead_edges_;
  std::vector<Stream*> dead_streams_;
  std::vector<std::unique_ptr<TlsConnection>> dead_connections_;
  Meters meters_;

  std::vector<iovec> vectors_;  // of this turn's sends
  std::vector<msghdr> messages_;
  std::size_t vectors_used_ = 0;
  std::size_t messages_used_ = 0;

  Mailbox<Shard> mailbox_;
  Socket event_;
  std::uint64_t event_value_ = 0;
  Instant relieved_{};
  Instant sessions_fed_{};  // when no session lacked a block, and no application a buffer
  Instant edges_fed_{};
  bool stopping_ = false;
  ShardCounters counters_;
  DurationHistogram turns_;  // without the time in the kernel
  LoopFigures loop_;

  OpOf<&Shard::on_event> event_read_{*this};
  TimerOf<&Shard::on_report> report_{*this};
  TimerOf<&Shard::on_stop_deadline> stop_deadline_{*this};
};

}  // namespace fairlead
