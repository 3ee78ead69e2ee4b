#include "tools/fairlead/live_tokens.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/conditions.h"
#include "router/site/credentials_store.h"
#include "router/site/token_answer.h"
#include "transport/base/log.h"

namespace fairlead {

namespace {

// What passes with time is looked at so often: grants that expire, what failed and is tried again.
constexpr Duration kTick = Duration::seconds(1);
constexpr Duration kPauseMin = Duration::seconds(1);
constexpr Duration kPauseMax = Duration::seconds(60);
// In which what is under way is given up, at the end.
constexpr Duration kJoin = Duration::milliseconds(100);

bool same_token(const AccessToken& a, const AccessToken& b) {
  return a.url == b.url && a.code == b.code && a.ca == b.ca;
}

}  // namespace

Result<std::unique_ptr<LiveTokens>> LiveTokens::open(const NamespacePaths& paths) {
  auto loop = SideLoop::open(live_kernel());
  if (!loop) return std::unexpected(loop.error());
  return std::unique_ptr<LiveTokens>(new LiveTokens(paths, std::move(*loop)));
}

LiveTokens::LiveTokens(const NamespacePaths& paths, std::unique_ptr<SideLoop> loop)
    : paths_(paths),
      loop_(std::move(loop)),
      resolver_(loop_->timers()),
      book_(paths.runtime_grants()),
      desk_(book_, [this](RedemptionRequest request) { return issue(std::move(request)); }),
      server_(*loop_,
              [this](const HttpRequest& request, const std::string& from) {
                HttpResponse response = desk_.answer(request, from, unix_s(), loop_->now());
                events_.changed |= response.status == 200;
                return response;
              }),
      store_(paths.runtime_tokens()),
      states_{{}, book_.grants(), {}} {}

LiveTokens::~LiveTokens() {
  server_.close();
  for (auto& [name, attempt] : attempts_)
    end_attempt(attempt);
  for (const auto& request : ended_requests_)
    request->end();
  const auto joined = [&] {
    server_.reap();
    return server_.closed() &&
           std::ranges::all_of(ended_requests_, [](const auto& request) { return request->over(); });
  };
  while (!joined())
    loop_->turn(kJoin);
}

std::int64_t LiveTokens::unix_s() const noexcept {
  return loop_->kernel().unix_seconds();
}

void LiveTokens::set_resources(const Resources& resources) {
  resources_ = &resources;
  loop_->turn(Duration{});  // for its clock
  serve_grants();
  follow_tokens();
  keep_ticking();
  loop_->turn(Duration{});
}

LiveTokens::Events LiveTokens::serve() {
  loop_->turn(Duration{});
  for (auto& [name, attempt] : attempts_)
    settle(name, attempt);
  std::erase_if(attempts_, [](const auto& known) {
    const Attempt& attempt = known.second;
    return !attempt.request && attempt.token.url.empty();
  });
  server_.reap();
  std::erase_if(ended_requests_, [](const auto& request) { return request->over(); });
  return std::exchange(events_, {});
}

void LiveTokens::on_tick(Instant now) noexcept {
  const bool to_serve = book_.any_answers(unix_s());
  if (book_.any_failed() || !states_.address.error.empty() || to_serve != server_.listening()) serve_grants();
  const std::int64_t now_unix_s = unix_s();
  const auto expired =
      std::ranges::count_if(book_.grants(), [&](const auto& known) { return known.second.expired(now_unix_s); });
  events_.changed |= std::exchange(expired_, expired) != expired;
  for (auto& [name, attempt] : attempts_) {
    if (attempt.unwritten) {
      keep(name, attempt, *attempt.unwritten);
    } else if (!attempt.request && !states_.tokens[name].final && now >= attempt.next) {
      ask(name, attempt);
    }
  }
  keep_ticking();
}

void LiveTokens::keep_ticking() noexcept {
  const bool grants = book_.any_failed() || book_.any_answers(unix_s()) || !states_.address.error.empty();
  const bool tokens = std::ranges::any_of(
      attempts_, [&](const auto& attempt) { return !states_.tokens[attempt.first].final || attempt.second.unwritten; });
  if (!grants && !tokens && !server_.listening()) return tick_.cancel();
  if (!tick_.armed()) loop_->timers().arm(tick_, loop_->now() + kTick);
}

// ---- grants

// The port is open while somebody may ask for a grant.
void LiveTokens::serve_grants() {
  if (resources_ == nullptr) return;
  const std::int64_t now_unix_s = unix_s();
  book_.set_grants(resources_->access_grants, now_unix_s);
  const GrantAddress before = states_.address;
  const bool was_listening = server_.listening();
  if (!book_.any_answers(now_unix_s)) {
    server_.stop_listening();
    states_.address.error.clear();
  } else {
    const Site& site = *resources_->site();
    const CredentialSource source(*resources_, paths_.input_certs(), paths_.input_issuers());
    CredentialsStore store(paths_, source);
    const auto entry = find_entry(*resources_, store, site.grant_server.host);
    auto credentials = entry ? Credentials::load(entry->bundle) : std::unexpected(entry.error());
    const std::string& bind_host = site.grant_server.bind_host.empty() ? resources_->router_accesses.front().bind_host
                                                                       : site.grant_server.bind_host;
    Result<void> listening = credentials ? server_.listen({bind_host, site.grant_server.port}, *credentials)
                                         : std::unexpected(credentials.error());
    states_.address = {};
    if (listening) {
      credentials_ = *credentials;
      host_ = entry->host;
      states_.address.host_port = to_string(HostPort{entry->host, server_.port()});
      states_.address.ca = entry->bundle.ca;
    } else {
      server_.stop_listening();
      states_.address.error = listening.error().message;
      if (before.error != listening.error().message)
        log_error("access tokens cannot be redeemed: {}", listening.error().message);
    }
  }
  if (server_.listening() != was_listening || states_.address.host_port != before.host_port) {
    if (server_.listening()) log_info("access tokens are redeemed at https://{}", states_.address.host_port);
    if (!server_.listening() && was_listening) log_info("no access grant is left; their port is closed");
    events_.changed = true;
  }
  events_.changed |= states_.address.error != before.error;
}

Result<std::string> LiveTokens::issue(RedemptionRequest request) {
  // Who reached us under a name that we have dials that for links too.
  if (request.host.empty() || !is_valid_for_host(credentials_->certificate(), request.host)) request.host = host_;
  const CredentialSource source(*resources_, paths_.input_certs(), paths_.input_issuers());
  CredentialsStore store(paths_, source);
  return answer_redemption(*resources_, store, request);
}

nlohmann::ordered_json LiveTokens::describe_grant(const std::string& name) const {
  const auto found = book_.grants().find(name);
  if (found == book_.grants().end()) return {{"error", fmt::format("the gateway has no AccessGrant {}", name)}};
  const Grant& grant = found->second;
  if (!grant.error.empty()) return {{"error", grant.error}};
  if (!states_.address.error.empty()) return {{"error", states_.address.error}};
  if (states_.address.host_port.empty()) return {{"error", "the grant has expired"}};
  return {{"url", states_.address.url_of(grant)},
          {"code", grant.code},
          {"ca", states_.address.ca},
          {"expirationTime", format_time(grant.expires_unix_s)}};
}

// ---- tokens

void LiveTokens::end_attempt(Attempt& attempt) {
  if (!attempt.request) return;
  attempt.request->end();
  ended_requests_.push_back(std::move(attempt.request));
}

// Begins to redeem what is new, and forgets what is gone.
void LiveTokens::follow_tokens() {
  std::map<std::string, TokenState> states;
  std::map<std::string, Attempt> attempts;
  for (const AccessToken& token : resources_->access_tokens) {
    const std::string& name = token.metadata.name;
    const auto known = attempts_.find(name);
    if (known != attempts_.end() && same_token(known->second.token, token)) {
      known->second.token = token;
      states[name] = states_.tokens[name];
      attempts.insert(attempts_.extract(known));
      continue;
    }
    const auto record = store_.read(token);
    if (record && *record && (*record)->redeemed_unix_s != 0) {
      states[name].redeemed_unix_s = (*record)->redeemed_unix_s;
      continue;
    }
    attempts[name].token = token;
    states[name] = {};
  }
  for (auto& [name, attempt] : attempts_)
    end_attempt(attempt);
  attempts_ = std::move(attempts);
  states_.tokens = std::move(states);
  for (auto& [name, attempt] : attempts_) {
    if (!attempt.request && attempt.pause.ns == 0) ask(name, attempt);
  }
}

void LiveTokens::ask(const std::string& name, Attempt& attempt) {
  attempt.pause = std::clamp(attempt.pause * 2, kPauseMin, kPauseMax);
  auto record = store_.prepare(attempt.token);
  if (!record) return note_failure(name, attempt, {record.error().message});
  attempt.key = record->key;
  attempt.outcome.reset();
  attempt.request = std::make_unique<TokenRequest>(
      *loop_, resolver_, attempt.token, record->key, resources_->site()->metadata.name,
      [&attempt](TokenRequest::Outcome outcome) { attempt.outcome = std::move(outcome); });
}

void LiveTokens::settle(const std::string& name, Attempt& attempt) {
  if (!attempt.outcome) return;
  const TokenRequest::Outcome outcome = *std::exchange(attempt.outcome, std::nullopt);
  ended_requests_.push_back(std::move(attempt.request));
  if (!outcome) return note_failure(name, attempt, outcome.error());
  const AccessToken& token = attempt.token;
  auto text = make_link_resources(
      {name, token.url, *outcome, attempt.key, token.link_cost, std::string(resources_->site()->role())});
  if (!text) return note_failure(name, attempt, {text.error().message, true});
  log_info("AccessToken {}: redeemed", name);
  keep(name, attempt, {token.url, attempt.key, unix_s(), std::move(*text)});
}

void LiveTokens::keep(const std::string& name, Attempt& attempt, TokenRecord record) {
  TokenState& state = states_.tokens[name];
  events_.changed = true;
  if (auto written = store_.write(name, record); !written) {
    const std::string error = "redeemed, but what it gave cannot be stored: " + written.error().message;
    if (state.error != error) log_error("AccessToken {}: {}", name, error);
    state.error = error;
    attempt.unwritten = std::move(record);
    return keep_ticking();
  }
  state = {record.redeemed_unix_s, {}, false};
  attempt.unwritten.reset();
  attempt.token.url.clear();  // over
  events_.redeemed = true;
}

void LiveTokens::note_failure(const std::string& name, Attempt& attempt, const TokenFailure& failure) {
  TokenState& state = states_.tokens[name];
  if (state.error != failure.message) log_error("AccessToken {}: not redeemed: {}", name, failure.message);
  state.error = failure.message;
  state.final = failure.final;
  attempt.next = loop_->now() + attempt.pause;
  events_.changed = true;
  keep_ticking();
}

}  // namespace fairlead
