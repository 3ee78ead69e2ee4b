// PendingSession: a TCP connection on its way to becoming a session: connect (if we dial), TLS handshake, HELLO both
// ways. It lives on the control thread, so that the computing of a handshake never delays a shard's traffic; the
// finished connection is then handed to its shard, once.
//
//   kConnecting ──► kHandshake ──► kHello ──► kDone   (handed over)
//        └───────────────┴───────────┴──────► kFailed (the alert, if any, is sent first)
//
// Until HELLO the peer is bounded: in time by one deadline, in memory by what Handshake takes and one record, in number
// by Transport. Owner: Transport's list; destroyed there once joined. Control thread only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "transport/base/error.h"
#include "transport/tls/handshake.h"
#include "transport/tls/post_handshake.h"
#include "transport/tls/record.h"
#include "transport/uring/op.h"
#include "transport/uring/socket.h"
#include "transport/uring/timers.h"
#include "transport/wire/hello.h"

namespace fairlead {

class Transport;

class PendingSession {
 public:
  // Who wants the outcome: a Link that dials, or an Access that accepted.
  class Owner {
   public:
    // The peer's HELLO is in `peer_hello()`. An acceptor answers what to say in ours, or why the peer is refused.
    virtual Result<Hello> answer_hello(PendingSession& pending) = 0;
    // Ready: call take_…. Each of the two is called once; `pending` is destroyed afterwards.
    virtual void pending_ready(PendingSession& pending) = 0;
    virtual void pending_failed(PendingSession& pending, const Error& error) = 0;

   protected:
    ~Owner() = default;
  };

  // Dials. `hello` is what we say.
  PendingSession(Transport& transport, Owner& owner, Socket socket, const Address& address,
                 std::shared_ptr<const Credentials> credentials, ClientHandshakeOptions tls, Hello hello);
  // Accepted.
  PendingSession(Transport& transport, Owner& owner, Socket socket, std::unique_ptr<Handshake> handshake,
                 std::shared_ptr<const Credentials> credentials, std::string peer);
  PendingSession(const PendingSession&) = delete;
  PendingSession& operator=(const PendingSession&) = delete;

  // Forgets the owner and ends.
  void abandon() noexcept;
  // Ends with an error that the owner is told.
  void fail(Error error);

  bool over() const noexcept {
    return (state_ == State::kDone || state_ == State::kFailed) && !connect_.in_flight() && !receive_.in_flight() &&
           !send_.in_flight();
  }

  // On its way out: refused, timed out or abandoned.
  bool failed() const noexcept { return state_ == State::kFailed; }

  bool dialled() const noexcept { return dialled_; }

  bool owned_by(const Owner& owner) const noexcept { return owner_ == &owner; }

  const std::string& peer() const noexcept { return peer_; }

  // That the handshake was made with.
  const std::shared_ptr<const Credentials>& credentials() const noexcept { return credentials_; }

  const Hello& hello() const noexcept { return hello_; }

  const Hello& peer_hello() const noexcept { return peer_hello_; }

  bool peer_said_hello() const noexcept { return peer_hello_seen_; }

  const HandshakeResult& tls() const noexcept { return tls_; }

  Socket take_socket() noexcept { return std::move(socket_); }

  std::unique_ptr<RecordSealer> take_sealer() noexcept { return std::move(sealer_); }

  std::unique_ptr<RecordOpener> take_opener() noexcept { return std::move(opener_); }

  std::vector<std::uint8_t> take_early() noexcept { return std::move(received_); }

 private:
  enum class State : std::uint8_t {
    kConnecting,  // connect_ in flight
    kHandshake,   // TLS
    kHello,       // records flow; the peer's HELLO is awaited, or ours being sent
    kDone,        // handed over
    kFailed,      // ops are being joined; an alert may still be under way
  };

  // Enough for the largest record, and for a usual handshake flight at once.
  static constexpr std::size_t kReceiveBytes = 17 * 1024;
  // How long a peer may take to read our alert and to close.
  static constexpr Duration kLinger = Duration::seconds(1);

  void on_connect(Completion done) noexcept;
  void on_receive(Completion done) noexcept;
  void on_send(Completion done) noexcept;
  void on_deadline(Instant now) noexcept;

  std::size_t receive_size() const noexcept;
  void arm_receive() noexcept;
  void send_queued() noexcept;
  void start_handshake();
  void feed_handshake(std::span<const std::uint8_t> bytes);
  void finish_handshake();
  void queue_frame(std::vector<std::uint8_t> frame);
  void queue_hello();
  void queue_close_notify();
  void queue_go_away(const Error& error);
  void process_records();
  void process_hello(const RecordOpener::Opened& opened);
  void finish_when_sent();
  void linger() noexcept;
  void end() noexcept;

  Transport& transport_;
  Owner* owner_;
  Socket socket_;
  Address address_;
  State state_;
  bool dialled_;
  bool hello_queued_ = false;
  bool peer_hello_seen_ = false;
  bool lingering_ = false;  // failed; the alert is out, and the peer's close is awaited
  std::string peer_;
  std::shared_ptr<const Credentials> credentials_;
  ClientHandshakeOptions client_tls_;
  std::unique_ptr<Handshake> handshake_;
  HandshakeResult tls_;
  Hello hello_;
  Hello peer_hello_;
  std::unique_ptr<RecordSealer> sealer_;
  std::unique_ptr<RecordOpener> opener_;
  PostHandshake post_handshake_;
  std::vector<std::uint8_t> received_;  // not yet consumed, after the handshake
  std::vector<std::uint8_t> queued_;    // to be sent after what is being sent
  std::vector<std::uint8_t> sending_;
  std::size_t sent_ = 0;
  std::array<std::uint8_t, kReceiveBytes> buffer_;

  OpOf<&PendingSession::on_connect> connect_{*this};
  OpOf<&PendingSession::on_receive> receive_{*this};
  OpOf<&PendingSession::on_send> send_{*this};
  TimerOf<&PendingSession::on_deadline> deadline_{*this};
};

}  // namespace fairlead
