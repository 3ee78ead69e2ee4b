// Access: a RouterAccess: a port where other sites' links come in. Accepts, and lets PendingSession do the rest.
//
// Owner: Transport. Control thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "transport/config.h"
#include "transport/pending_session.h"
#include "transport/uring/op.h"
#include "transport/uring/socket.h"
#include "transport/uring/timers.h"

namespace fairlead {

class Transport;

class Access final : public PendingSession::Owner {
 public:
  Access(Transport& transport, AccessConfig config, Socket socket, std::uint16_t port);
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  const AccessConfig& config() const noexcept { return config_; }

  const AccessStatus& status() const noexcept { return status_; }

  // For connections from now on.
  void set_credentials(std::shared_ptr<const Credentials> credentials);
  // Newer ones that are of no use; empty: there are none any more.
  void note_refused_credentials(std::string why);

  void set_allow_anonymous(bool allow) noexcept { config_.allow_anonymous = allow; }

  void close() noexcept;
  // Closes, for nobody is meant to come by it any more; handshakes that came in by it end.
  void remove() noexcept;

  bool removed() const noexcept { return removed_; }

  bool closed() const noexcept { return closing_ && !accept_.in_flight(); }

  Result<Hello> answer_hello(PendingSession& pending) override;
  void pending_ready(PendingSession& pending) override;
  void pending_failed(PendingSession& pending, const Error& error) override;

 private:
  static constexpr Duration kRetry = Duration::milliseconds(50);
  // A scanner or a misconfigured peer must not fill the log.
  static constexpr Duration kLogInterval = Duration::seconds(10);

  void on_accept(Completion done) noexcept;
  void on_retry(Instant now) noexcept;
  void arm() noexcept;
  void accept(Socket socket);

  Transport& transport_;
  AccessConfig config_;
  Socket socket_;
  AccessStatus status_;
  // By reason, so that a new one is logged at once, however often an old one comes.
  struct LogLimit {
    Instant next{};
    std::uint64_t unlogged = 0;
  };
  std::map<ErrorCode, LogLimit> log_limits_;
  bool closing_ = false;
  bool removed_ = false;

  OpOf<&Access::on_accept> accept_{*this};
  TimerOf<&Access::on_retry> retry_{*this};
};

}  // namespace fairlead
