// SimSocket: a TCP socket of a simulated host, from socket() over bind, listen or connect to its end.
//
//   kFresh ──listen──► kListening ──shutdown──► kClosed
//   kFresh ──connect─► kConnecting ──► kConnected        (or kClosed with a connect error)
//   accept makes a socket that is kConnected from the start.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tests/sim/connection.h"
#include "tests/sim/sim_file.h"
#include "tests/sim/sim_tls.h"
#include "transport/uring/kernel.h"

namespace fairlead::sim {

inline std::size_t size_of(std::span<const iovec> vectors) noexcept {
  std::size_t size = 0;
  for (const iovec& piece : vectors)
    size += piece.iov_len;
  return size;
}

class SimSocket final : public SimFile, public std::enable_shared_from_this<SimSocket> {
 public:
  enum class State : std::uint8_t { kFresh, kListening, kConnecting, kConnected, kClosed };

  SimSocket(SimWorld& world, SimKernel& kernel);
  ~SimSocket() override;

  State state() const noexcept { return state_; }

  SimKernel& kernel() const noexcept { return kernel_; }

  const Address& local() const noexcept { return local_; }

  const Address& peer() const noexcept { return peer_; }

  std::size_t send_buffer_bytes() const noexcept { return send_buffer_bytes_; }

  bool shares_port() const noexcept { return shares_port_; }

  int set_option(int level, int name, std::span<const std::byte> value) noexcept;
  int bind_and_listen(const Address& address, int backlog);
  // Starts connecting; the result is connect_result() once it is no longer -EINPROGRESS.
  int start_connect(const Address& address);
  int connect_result() noexcept;
  int shutdown(int how);

  void reset_on_close() noexcept { reset_on_close_ = true; }

  bool has_client() const noexcept { return !clients_.empty(); }

  std::shared_ptr<SimSocket> take_client();

  int milliseconds_since_data() const noexcept;
  TlsEngines tls_engines() const noexcept { return tls_ ? tls_->engines() : TlsEngines{}; }
  bool readable() const noexcept;
  bool writable() const noexcept;

  bool has_unread() const noexcept {
    return connection_ && (connection_->unread(side_) > 0 || (tls_ && tls_->has_unread()));
  }

  // `type`: with kernel TLS, room for the record's type (which a receive without it may stumble over).
  int receive(std::span<const iovec> to, std::size_t bytes_max, std::uint8_t* type = nullptr);
  bool sends_tls() const noexcept { return tls_ != nullptr && tls_->sends(); }

  // `type`: of the records, with kernel TLS.
  int send(std::span<const iovec> from, std::size_t bytes_max, std::optional<std::uint8_t> type = std::nullopt);

  std::string describe() const override;

 private:
  // SYN retransmissions: Linux gives up after six of them, at 127 s.
  static constexpr Duration kConnectRetry = Duration::seconds(1);
  static constexpr Duration kConnectGiveUp = Duration::seconds(127);

  int attach_tls(std::string_view protocol) noexcept;
  int set_tls_key(int name, std::span<const std::byte> info) noexcept;
  void released() override;
  void stop_listening();
  void send_syn(Instant started, Duration latency);
  void syn_arrives(Instant started, Duration latency);
  void retry_syn(Instant started, Duration latency);
  void end_connect(int error);
  SimSocket* listener_for(const Address& address);
  static bool conflicts(const SimSocket& a, const Address& address);

  SimWorld& world_;
  SimKernel& kernel_;
  State state_ = State::kFresh;
  Address local_;
  Address peer_;
  std::size_t send_buffer_bytes_ = 0;
  bool shares_port_ = false;
  bool reuses_address_ = false;
  bool reset_on_close_ = false;
  int connect_error_ = 0;
  std::size_t backlog_ = 0;
  std::deque<std::shared_ptr<SimSocket>> clients_;  // connected, not yet accepted
  std::shared_ptr<Connection> connection_;
  std::unique_ptr<SimTls> tls_;
  Connection::Side side_ = Connection::kClient;
};

}  // namespace fairlead::sim
