// TlsConnection: one TCP connection of a session with the protection of its records: what is sent and received over it,
// and the two requests for that. A session has one, and two while one replaces the other (session_move.cc).
//
// Owner: Session. One shard's thread. Destroyed once over(): by the shard, at the end of a turn.
#pragma once

#include <memory>

#include "transport/record_io.h"
#include "transport/uring/op.h"
#include "transport/uring/socket.h"

namespace fairlead {

class Session;
class Shard;
struct SessionSeed;

class TlsConnection {
 public:
  // Null when the link pool has no blocks left for it: then `seed` is untouched.
  static std::unique_ptr<TlsConnection> open(Session& session, Shard& shard, SessionSeed& seed);
  TlsConnection(Session& session, Shard& shard, Socket socket, std::unique_ptr<RecordSender> sender,
                std::unique_ptr<RecordReceiver> receiver) noexcept;
  TlsConnection(const TlsConnection&) = delete;
  TlsConnection& operator=(const TlsConnection&) = delete;

  RecordSender& sender() noexcept { return *sender_; }

  const RecordSender& sender() const noexcept { return *sender_; }

  RecordReceiver& receiver() noexcept { return *receiver_; }

  Socket& socket() noexcept { return socket_; }

  bool early_too_long() const noexcept { return early_too_long_; }

  bool sending() const noexcept { return send_.in_flight(); }

  bool receiving() const noexcept { return receive_.in_flight(); }

  // Submits what is pending, if anything is; `all`: it is all there is to send.
  void send(bool all = false) noexcept;
  // Something waits for that to leave.
  void expect_sent() noexcept;
  // Puts close_notify behind everything else, once. FIN follows when it has left.
  void put_close_notify() noexcept;

  bool close_notify_put() const noexcept { return close_notify_put_; }

  // close_notify left, and FIN behind it: nothing can be sent any more.
  bool write_shut() const noexcept { return write_shut_; }

  // False: no block to receive into.
  bool arm_receive() noexcept;
  // To be called with what a receive or send completed with. False: it failed, or the peer closed the connection.
  bool received(Completion done) noexcept;
  bool sent(Completion done, int& error) noexcept;

  void cancel() noexcept;
  // Ends it whatever is under way.
  void cancel_and_end() noexcept;

  // No request in flight.
  bool over() const noexcept { return !sending() && !receiving(); }

  // Nothing more comes, and all has left.
  bool done() const noexcept { return over() && ended_ && write_shut_; }

  // The peer said all it will ever say here.
  void note_end() noexcept { ended_ = true; }

  bool ended() const noexcept { return ended_; }

 private:
  void on_receive(Completion done) noexcept;
  void on_send(Completion done) noexcept;
  static bool is_passing(int errno_value) noexcept;

  Session& session_;
  Shard& shard_;
  Socket socket_;
  std::unique_ptr<RecordSender> sender_;
  std::unique_ptr<RecordReceiver> receiver_;
  bool wait_first_ = true;
  bool full_ = false;  // the socket had no room for the last send
  bool early_too_long_ = false;
  bool close_notify_put_ = false;
  bool write_shut_ = false;
  bool ended_ = false;

  OpOf<&TlsConnection::on_receive> receive_{*this};
  OpOf<&TlsConnection::on_send> send_{*this};
};

}  // namespace fairlead
