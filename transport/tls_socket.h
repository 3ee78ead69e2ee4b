// TlsSocket: one connection under TLS 1.3 that is no link: a redemption of a token, from either end. Its owner gives
// and gets text; handshake, records and the orderly end are done here, over a SideLoop.
//
//   kConnecting ──► kHandshake ──► kOpen ──► kEnding (text and close_notify go out, the peer may close) ──► kOver
//
// Nothing is bounded here but memory: what was received and not taken by the handshake is at most a record, and time is
// the owner's business (end_at_once()). Owner: whoever made it; destroyed once over(). One thread, the loop's.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transport/base/error.h"
#include "transport/side_loop.h"
#include "transport/tls/handshake.h"
#include "transport/tls/post_handshake.h"
#include "transport/tls/record.h"
#include "transport/uring/op.h"
#include "transport/uring/socket.h"

namespace fairlead {

class TlsSocket {
 public:
  class Owner {
   public:
    // Text of the peer, as it comes.
    virtual void received(TlsSocket& socket, std::string_view text) = 0;
    // Nothing more comes: the peer has said so (no error), or why. Not told after finish() or end_at_once().
    virtual void ended(TlsSocket& socket, const std::optional<Error>& error) = 0;

   protected:
    ~Owner() = default;
  };

  // Dials.
  TlsSocket(SideLoop& loop, Owner& owner, Socket socket, const Address& address,
            std::shared_ptr<const Credentials> credentials, ClientHandshakeOptions tls);
  // Accepted.
  TlsSocket(SideLoop& loop, Owner& owner, Socket socket, std::unique_ptr<Handshake> handshake, std::string peer);
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  // Text for the peer; before the handshake is done it waits for that.
  void send(std::string_view text);
  // Nothing more is sent or wanted: what is queued goes out, and then the connection ends in order.
  void finish() noexcept;
  // Without waiting for anything but the kernel.
  void end_at_once() noexcept;

  bool over() const noexcept {
    return state_ == State::kOver && !connect_.in_flight() && !receive_.in_flight() && !send_.in_flight();
  }

  const std::string& peer() const noexcept { return peer_; }

 private:
  enum class State : std::uint8_t { kConnecting, kHandshake, kOpen, kEnding, kOver };

  static constexpr std::size_t kReceiveBytes = 17 * 1024;
  // How long a peer may take to read the last bytes and to close.
  static constexpr Duration kLinger = Duration::seconds(5);

  void on_connect(Completion done) noexcept;
  void on_receive(Completion done) noexcept;
  void on_send(Completion done) noexcept;
  void on_linger(Instant now) noexcept;

  void begin_handshake();
  void take_handshake_bytes(std::span<const std::uint8_t> bytes);
  void read_records();
  void take_message(const RecordOpener::Opened& opened);
  void take_alert(const RecordOpener::Opened& opened);
  void seal_waiting();
  void arm_receive() noexcept;
  void flush() noexcept;
  void begin_ending() noexcept;
  void fail(Error error);
  void tell(const std::optional<Error>& error);

  SideLoop& loop_;
  Owner* owner_;  // null: nothing is told any more
  Socket socket_;
  Address address_;
  std::shared_ptr<const Credentials> credentials_;
  ClientHandshakeOptions tls_;
  std::string peer_;
  State state_;
  bool finishing_ = false;
  std::unique_ptr<Handshake> handshake_;
  std::unique_ptr<RecordSealer> sealer_;
  std::unique_ptr<RecordOpener> opener_;
  PostHandshake post_handshake_;
  std::string waiting_;                // text to seal
  std::vector<std::uint8_t> queued_;   // bytes to send
  std::vector<std::uint8_t> sending_;  // the kernel has these
  std::size_t sent_ = 0;
  std::vector<std::uint8_t> received_;  // not yet a whole record
  std::array<std::uint8_t, kReceiveBytes> buffer_;

  OpOf<&TlsSocket::on_connect> connect_{*this};
  OpOf<&TlsSocket::on_receive> receive_{*this};
  OpOf<&TlsSocket::on_send> send_{*this};
  TimerOf<&TlsSocket::on_linger> linger_{*this};
};

}  // namespace fairlead
