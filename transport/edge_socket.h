// EdgeSocket: an application's TCP connection as a Channel: a client that a listener accepted, or the connection to the
// server that a connector dials.
//
// Owner: the shard's slab. One thread. Bytes received go straight to the peer Channel, never more than it granted: a
// receive is submitted only while there is a grant, so a peer that stalls stops the reading. Bytes delivered by the
// peer queue as slices and leave together, in one sendmsg at a time; each byte that the kernel took is granted back.
//
//   kConnecting ──► kHandshake (TLS) ──► kOpen ──(both directions finished)──► kClosed
//   kPreface ─────────┘ │    └──(fails)──► kRefusing ──(the alert is out)──► kClosed
//        └──────────────┴──────(abort, error, idle)──► kAborting ──(ops joined)──► kClosed, by RST
//
// A client may have to begin with a header of the PROXY protocol (kPreface), and a server may be sent one; neither is
// seen by the peer Channel (edge_socket_proxy.cc).
//
// With TLS, records are taken off and put on here (edge_records.h); its peer sees the plain bytes. A client is led to
// its destination once its handshake is done. The end of a direction is close_notify: a FIN without one is taken for a
// cut, and becomes a reset.
//
// Memory held: slices of at most what was granted to the peer. Under memory pressure relieve() moves them into small
// blocks of their own, so that a reader who stalls holds its bytes and not the large blocks they came in.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "transport/channel.h"
#include "transport/edge_group.h"
#include "transport/edge_tls.h"
#include "transport/figures.h"
#include "transport/forwarder.h"
#include "transport/uring/op.h"
#include "transport/uring/slice_queue.h"
#include "transport/uring/socket.h"
#include "transport/uring/timers.h"

namespace fairlead {

class Shard;
struct Opening;

namespace edge_hooks {
using Hook = boost::intrusive::link_mode<boost::intrusive::auto_unlink>;
struct All;
struct Dirty;
struct Starved;
struct Handshake;
struct Waiting;
}  // namespace edge_hooks

class EdgeSocket final
    : public Channel,
      public boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::All>, edge_hooks::Hook>,
      public boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::Dirty>, edge_hooks::Hook>,
      public boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::Starved>, edge_hooks::Hook>,
      public boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::Handshake>, edge_hooks::Hook>,
      public boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::Waiting>, edge_hooks::Hook> {
 public:
  // `group` is the listener or connector that the connection counts for, as `place` does on all shards; `key` has the
  // figures of its routing key.
  EdgeSocket(Shard& shard, Socket socket, EdgeGroup& group, KeyFigures& key, LoadShare place) noexcept;
  ~EdgeSocket();

  // An accepted client: reading begins with the first grant.
  void start_accepted() noexcept;

  // An accepted client that has to say first, by the PROXY protocol, who it is.
  void start_preface(Opening& opening) noexcept;

  // An accepted client with TLS: once the handshake is done it is led to where `opening` says.
  void start_handshake(Opening& opening) noexcept;

  // Dials a server; the outcome reaches the peer as opened() or abort(), or another destination is tried, which is what
  // `opening` is for. `address` must live until then.
  void start_connect(const Address& address, Opening& opening, LoadShare load) noexcept;
  // Its turn has come to dial.
  void connect() noexcept;
  // Before the outcome of start_connect: what the client sent to a destination that failed.
  void replay(SliceQueue& sent, bool finished) noexcept;

  void deliver(Slice bytes) noexcept override;
  void grant(std::uint64_t bytes) noexcept override;
  void finish() noexcept override;
  void abort(ResetCode code) noexcept override;

  // Its peer's last send is quiet only if small, so of all the room it was given most is granted.
  bool awaits_grant(std::uint64_t) const noexcept override { return false; }

  void opened() noexcept override {}

  // The shard's end-of-turn work: sends what was delivered.
  void flush() noexcept;

  // Memory is to be had again.
  void resume() noexcept;

  // Goes on with what was received of a handshake. Takes a good part of a millisecond.
  void advance_handshake() noexcept;
  // Too many handshakes are under way, and this one began first.
  void give_up_handshake() noexcept;

  // Gives up the large blocks it holds, if it has any.
  void relieve() noexcept;
  // Ends the connection without a peer (the shard is being stopped, or nobody serves its routing key).
  void end(ResetCode code) noexcept;

  const EdgeGroup& group() const noexcept { return group_; }

  // What waits for the application to read.
  std::uint64_t queued_bytes() const noexcept;

  // When its application last took some of that, or it began.
  Instant moved_at() const noexcept { return moved_at_; }

 private:
  enum class State : std::uint8_t {
    kConnecting,  // connect_ in flight, or it waits for its turn to dial
    kPreface,     // the PROXY header is awaited, or what came with it waits for the first grant
    kHandshake,   // TLS
    kOpen,        // bytes flow
    kRefusing,    // TLS failed: says so, and ends
    kAborting,    // ops in flight are being cancelled; closes by RST when they are joined
    kClosed,      // on the shard's reap list
  };

  void on_receive(Completion done) noexcept;
  void on_send(Completion done) noexcept;
  void on_connect(Completion done) noexcept;
  void on_deadline(Instant now) noexcept;

  void arm_receive() noexcept;
  void take_received(Slice bytes) noexcept;
  void enqueue(Slice bytes) noexcept;
  void compact() noexcept;
  void mark_dirty() noexcept;
  void fail(ResetCode code) noexcept;
  [[gnu::cold, gnu::noinline]] void connect_failed(int error) noexcept;
  void offer_to_another(ResetCode code) noexcept;
  void begin() noexcept;
  void became_open() noexcept;
  void close_when_finished() noexcept;
  Duration idle_limit() const noexcept;
  void check_idle(Instant now) noexcept;
  std::uint64_t waiting_room() noexcept;
  [[gnu::cold, gnu::noinline]] std::uint32_t first_sent(std::uint32_t bytes) noexcept;
  void close() noexcept;
  void join() noexcept;

  // The PROXY protocol (edge_socket_proxy.cc).
  void take_preface(Slice bytes) noexcept;
  void preface_failed(const Error& error) noexcept;
  void preface_timed_out() noexcept;
  void deliver_early() noexcept;
  std::size_t proxy_header(std::span<std::uint8_t, kProxyHeaderSentMax> room) const noexcept;
  [[nodiscard]] bool put_proxy_header() noexcept;

  // With TLS (edge_socket_tls.cc).
  void begin_handshake(std::unique_ptr<Handshake> handshake) noexcept;
  void connect_handshake() noexcept;
  void take_handshake_bytes(Slice bytes) noexcept;
  void handshake_done() noexcept;
  void handshake_failed(const Error& error) noexcept;
  void receive_ended() noexcept;
  void take_sealed(Slice bytes) noexcept;
  void open_sealed() noexcept;
  void open_records(Slice& bytes) noexcept;
  void take_plaintext(Slice bytes) noexcept;
  void take_early() noexcept;
  void read_on() noexcept;
  void relieve_input() noexcept;
  void flush_tls() noexcept;
  void tls_sent(Completion done) noexcept;
  bool send_again(Completion done) noexcept;
  bool may_be_quiet(std::uint64_t bytes) const noexcept;
  std::uint64_t handshake_room() const noexcept;

  bool ending() const noexcept {
    return state_ == State::kRefusing || state_ == State::kAborting || state_ == State::kClosed;
  }

  bool idle() const noexcept { return !receive_.in_flight() && !send_.in_flight() && !connect_.in_flight(); }

  Shard& shard_;
  EdgeGroup& group_;
  KeyFigures& key_;
  Socket socket_;
  SliceQueue out_;
  Instant moved_at_;
  Instant received_at_;
  std::uint64_t granted_bytes_ = 0;  // what the peer still takes
  std::uint32_t header_bytes_ = 0;   // of out_, at its front: our PROXY header, which nobody was granted
  State state_ = State::kConnecting;
  bool sent_any_ = false;       // of what the peer delivered
  bool wait_first_ = true;      // the last receive emptied the socket
  bool full_ = false;           // the socket had no room for the last send
  bool read_finished_ = false;  // the application closed its direction, and the peer knows
  bool finish_wanted_ = false;  // the peer finished; shut down once everything is sent
  bool write_finished_ = false;
  bool dialled_ = false;    // by start_connect
  bool relieving_ = false;  // send_ is cancelled only to move its slices
  Opening* opening_ = nullptr;  // until the outcome of start_connect or start_handshake
  LoadShare load_;
  LoadShare place_;

  OpOf<&EdgeSocket::on_receive> receive_{*this};
  OpOf<&EdgeSocket::on_send> send_{*this};
  OpOf<&EdgeSocket::on_connect> connect_{*this};
  TimerOf<&EdgeSocket::on_deadline> deadline_{*this};  // of connect, preface, handshake or refusal; then of idling
  std::unique_ptr<EdgeTls> tls_;  // null: plain
  std::vector<std::uint8_t> early_;  // of kPreface: what was received and is not delivered yet
};

}  // namespace fairlead
