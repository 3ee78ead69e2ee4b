// TlsConnection: a TCP connection of a test with our handshake and our records on it, blocking; for talking to OpenSSL.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/unit/tls_fixtures.h"
#include "transport/tls/handshake.h"
#include "transport/tls/post_handshake.h"
#include "transport/tls/record.h"

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

class TlsConnection {
 public:
  // Takes the descriptor.
  TlsConnection(int fd, std::unique_ptr<Handshake> handshake, PostHandshake::Role role);
  ~TlsConnection();
  TlsConnection(const TlsConnection&) = delete;
  TlsConnection& operator=(const TlsConnection&) = delete;

  // Runs the handshake; the error that it ended with, if any.
  std::optional<Error> shake_hands();
  const HandshakeResult& result() const { return result_; }

  void send(std::string_view text);
  void request_key_update();
  void send_close_notify();

  // Receives records until the text so far contains `text`. False at the end of the connection.
  bool receive_until(std::string_view text);
  // Receives records until the peer has renewed its key once more.
  bool receive_key_update();
  // Receives records until the peer's close_notify or an error; true for the former.
  bool receive_close();

  const std::string& received() const { return received_; }
  const std::optional<Error>& error() const { return error_; }
  std::uint32_t tickets() const { return post_.tickets(); }
  std::uint64_t tx_generation() const { return sealer_->generation(); }
  std::uint64_t rx_generation() const { return opener_->generation(); }

 private:
  bool receive_bytes();
  bool receive_record();
  bool take_record(std::size_t length);
  bool fault(RecordFault what);
  void send_bytes(const std::uint8_t* data, std::size_t size) const;

  int fd_;
  std::unique_ptr<Handshake> handshake_;
  HandshakeResult result_;
  PostHandshake post_;
  std::optional<RecordSealer> sealer_;
  std::optional<RecordOpener> opener_;
  Bytes input_;
  std::string received_;
  bool closed_ = false;
  std::optional<Error> error_;
};

}  // namespace fairlead
