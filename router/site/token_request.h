// TokenRequest: redeems an access token once: finds the host, connects (to each of its addresses in turn), asks over
// TLS 1.3 with only the token's CA trusted, and reads the answer, all within one deadline. See grant_desk.h for the
// protocol.
//
// Owner: whoever made it; destroyed once over(). One thread, the loop's.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/site/http_reader.h"
#include "router/site/resources.h"
#include "router/site/token_url.h"
#include "transport/resolver.h"
#include "transport/side_loop.h"
#include "transport/tls/credentials.h"
#include "transport/tls_socket.h"

namespace fairlead {

struct TokenFailure {
  std::string message;
  bool final = false;  // asking again cannot help
};

class TokenRequest final : private TlsSocket::Owner {
 public:
  static constexpr Duration kTimeout = Duration::seconds(10);  // as Skupper's

  using Outcome = std::expected<std::string, TokenFailure>;  // the answer's text

  // `token` is validated; `key` is that of the certificate to be, `subject` who redeems. `done` is called once, from
  // the loop's turn, but for end().
  TokenRequest(SideLoop& loop, Resolver& resolver, const AccessToken& token, std::string key, std::string subject,
               std::function<void(Outcome)> done);
  ~TokenRequest();
  TokenRequest(const TokenRequest&) = delete;
  TokenRequest& operator=(const TokenRequest&) = delete;

  // Tells nobody.
  void end() noexcept;
  bool over() const noexcept;

 private:
  void start() noexcept;
  void connect_to_next();
  void received(TlsSocket& socket, std::string_view text) override;
  void ended(TlsSocket& socket, const std::optional<Error>& error) override;
  void on_start(Instant now) noexcept;
  void on_deadline(Instant now) noexcept;
  void take(const HttpResponse& response);
  void finish(Outcome outcome);
  Result<std::string> request_text() const;
  std::string server() const;

  SideLoop& loop_;
  Resolver& resolver_;
  const std::string name_;
  const std::string code_;
  const std::string ca_;
  const std::string key_;
  const std::string subject_;
  TokenUrl url_;
  std::function<void(Outcome)> done_;
  std::string request_;
  std::shared_ptr<const Credentials> credentials_;
  std::vector<Address> addresses_;
  std::size_t next_ = 0;
  std::optional<HttpAnswerReader> reader_;
  std::vector<std::unique_ptr<TlsSocket>> sockets_;  // the last is in use
  // A name that is being looked up outlives whoever asked.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  TimerOf<&TokenRequest::on_start> start_{*this};
  TimerOf<&TokenRequest::on_deadline> deadline_{*this};
};

}  // namespace fairlead
