// LinkEnd: our end of a link as far as TLS goes, blocking: a TCP connection of a test with our handshake, and then the
// senders and receivers that sessions have, in user space or by the kernel; for talking to OpenSSL.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transport/config.h"
#include "transport/record_io.h"
#include "transport/tls/handshake.h"
#include "transport/tls/post_handshake.h"
#include "transport/uring/block_pool.h"
#include "transport/uring/ring.h"
#include "transport/uring/socket.h"

namespace fairlead {

// A listening socket on a free port of 127.0.0.1.
class LoopbackListener {
 public:
  LoopbackListener();
  ~LoopbackListener();
  LoopbackListener(const LoopbackListener&) = delete;
  LoopbackListener& operator=(const LoopbackListener&) = delete;

  std::string address() const;  // "127.0.0.1:port"
  int accept() const;

 private:
  int fd_ = -1;
};

int connect_to_loopback(int port);

class LinkEnd {
 public:
  // Takes the descriptor.
  LinkEnd(int fd, std::unique_ptr<Handshake> handshake, PostHandshake::Role role, RecordProtection protection);
  ~LinkEnd();
  LinkEnd(const LinkEnd&) = delete;
  LinkEnd& operator=(const LinkEnd&) = delete;

  // Runs the handshake, and hands the records to who protects them; the error that it ended with, if any.
  std::optional<Error> shake_hands();

  const HandshakeResult& result() const { return result_; }

  void send(std::string_view text);
  void send_key_update();
  void send_close_notify();

  // Receives until the text so far contains `text`, and does what the peer asks for on the way. False at the end of the
  // connection.
  bool receive_until(std::string_view text);
  // Receives until the peer has asked for a key of ours, and sends it.
  bool answer_key_update();
  // Receives until the peer's close_notify or an error; true for the former.
  bool receive_close();

  const std::string& received() const { return received_; }

  const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<Error> protect();
  bool receive_some();
  bool read_records();
  void flush();
  int run(const std::function<void(io_uring_sqe*)>& prepare);
  bool receive_bytes();
  void send_bytes(const std::uint8_t* data, std::size_t size) const;

  Socket socket_;
  std::unique_ptr<Handshake> handshake_;
  PostHandshake::Role role_;
  RecordProtection protection_;
  HandshakeResult result_;
  std::vector<std::uint8_t> input_;  // of the handshake
  std::unique_ptr<BlockPool> pool_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<RecordSender> sender_;
  std::unique_ptr<RecordReceiver> receiver_;
  std::string received_;
  std::uint32_t answers_ = 0;
  bool closed_ = false;
  std::optional<Error> error_;
};

}  // namespace fairlead
