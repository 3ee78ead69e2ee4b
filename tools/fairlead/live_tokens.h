// LiveTokens: the access grants and tokens of a running gateway: serves the former where there are any,
// and redeems the latter, each once. Both over a ring of the main thread's own, so that traffic
// does not notice.
//
// Main thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "router/site/grant_book.h"
#include "router/site/grant_desk.h"
#include "router/site/https_server.h"
#include "router/site/paths.h"
#include "router/site/resources.h"
#include "router/site/token_request.h"
#include "router/site/token_states.h"
#include "router/site/token_store.h"
#include "transport/base/error.h"
#include "transport/resolver.h"
#include "transport/side_loop.h"

namespace fairlead {

class LiveTokens {
 public:
  static Result<std::unique_ptr<LiveTokens>> open(const NamespacePaths& paths);
  // Ends what is under way.
  ~LiveTokens();
  LiveTokens(const LiveTokens&) = delete;
  LiveTokens& operator=(const LiveTokens&) = delete;

  // Those in use from now on, until the next call. Certificates are looked at anew.
  void set_resources(const Resources& resources);

  // Readable when serve() has something to do.
  int fd() noexcept { return loop_->fd(); }

  // serve() has to come again within this time.
  Duration until_next() noexcept { return loop_->until_next(); }

  struct Events {
    bool changed = false;   // something in states()
    bool redeemed = false;  // a token: the input gives one link more
  };

  // Does what can be done without waiting.
  Events serve();

  const TokenStates& states() const noexcept { return states_; }

  // For `token issue`: {"url", "code", "ca", "expirationTime"}, or {"error"}.
  nlohmann::ordered_json describe_grant(const std::string& name) const;

 private:
  // A token that is being redeemed.
  struct Attempt {
    AccessToken token;
    std::string key;
    std::unique_ptr<TokenRequest> request;  // null between attempts
    std::optional<TokenRequest::Outcome> outcome;
    std::optional<TokenRecord> unwritten;  // redeemed, but the disk does not take it
    Instant next{};
    Duration pause{};
  };

  LiveTokens(const NamespacePaths& paths, std::unique_ptr<SideLoop> loop);

  void on_tick(Instant now) noexcept;
  void keep_ticking() noexcept;
  std::int64_t unix_s() const noexcept;

  void serve_grants();
  Result<std::string> issue(RedemptionRequest request);

  void follow_tokens();
  void ask(const std::string& name, Attempt& attempt);
  void settle(const std::string& name, Attempt& attempt);
  void keep(const std::string& name, Attempt& attempt, TokenRecord record);
  void note_failure(const std::string& name, Attempt& attempt, const TokenFailure& failure);
  void end_attempt(Attempt& attempt);

  const NamespacePaths& paths_;
  std::unique_ptr<SideLoop> loop_;
  Resolver resolver_;
  const Resources* resources_ = nullptr;
  GrantBook book_;
  GrantDesk desk_;
  HttpsServer server_;
  std::shared_ptr<const Credentials> credentials_;  // that the server presents
  std::string host_;                                // that its URLs name
  TokenStore store_;
  std::map<std::string, Attempt> attempts_;  // by the token's name
  std::vector<std::unique_ptr<TokenRequest>> ended_requests_;
  TokenStates states_;
  std::ptrdiff_t expired_ = 0;  // grants, when it was looked at last
  Events events_;

  TimerOf<&LiveTokens::on_tick> tick_{*this};
};

}  // namespace fairlead
