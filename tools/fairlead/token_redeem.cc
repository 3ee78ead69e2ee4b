// `fairlead token redeem FILE`: redeems an access token for a link, which becomes part of this site's input.

#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/resource_reader.h"
#include "router/site/site_loader.h"
#include "router/site/token_answer.h"
#include "router/site/token_request.h"
#include "router/site/token_store.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/input_change.h"
#include "tools/fairlead/log_sink.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "transport/resolver.h"
#include "transport/side_loop.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kFileBytesMax = 256 * 1024;
constexpr Duration kPauseMin = Duration::milliseconds(500);
constexpr Duration kPauseMax = Duration::seconds(8);

Result<std::string> read_token_file(const std::string& file) {
  if (file != "-") return read_file(file, kFileBytesMax);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

// Nothing after what is wrong was said.
std::optional<AccessToken> read_token(const std::string& file) {
  const auto text = read_token_file(file);
  if (!text) {
    print_error(text.error());
    return std::nullopt;
  }
  Resources resources;
  Diagnostics diagnostics;
  read_resources(*text, file, resources, diagnostics);
  if (resources.access_tokens.size() == 1 && !diagnostics.has_errors()) return resources.access_tokens.front();
  print_diagnostics(diagnostics);
  if (!diagnostics.has_errors()) {
    fmt::print(stderr, "fairlead: {} has {} AccessTokens; needed is one, as 'fairlead token issue' writes it\n", file,
               resources.access_tokens.size());
  }
  return std::nullopt;
}

// Asks until there is an answer that is one, at most for `timeout_s`.
TokenRequest::Outcome redeem(const AccessToken& token, const std::string& key, const std::string& subject,
                             unsigned timeout_s) {
  auto loop = SideLoop::open(live_kernel());
  if (!loop) return std::unexpected(TokenFailure{loop.error().message, true});
  Resolver resolver((*loop)->timers());
  const Instant give_up = live_kernel().now() + Duration::seconds(timeout_s);
  Duration pause = kPauseMin;
  std::string said;
  while (true) {
    std::optional<TokenRequest::Outcome> outcome;
    TokenRequest request(**loop, resolver, token, key, subject,
                         [&](TokenRequest::Outcome result) { outcome = std::move(result); });
    while (!outcome || !request.over())
      (*loop)->turn(Duration::seconds(1));
    const bool again = !*outcome && !outcome->error().final && live_kernel().now() + pause < give_up;
    if (!again) return std::move(*outcome);
    if (std::exchange(said, outcome->error().message) != outcome->error().message) {
      fmt::print(stderr, "fairlead: {}; trying again, for {} s at most\n", said, timeout_s);
    }
    for (const Instant next = live_kernel().now() + pause; live_kernel().now() < next;)
      (*loop)->turn(next - live_kernel().now());
    pause = std::min(pause * 2, kPauseMax);
  }
}

// The link as a resource of this site, redeemed now or before.
Result<std::string> obtain_link(const TokenStore& store, const AccessToken& token, const Site* site,
                                const NamespacePaths& paths, unsigned timeout_s) {
  auto record = store.prepare(token);
  if (!record) return std::unexpected(record.error());
  if (record->redeemed_unix_s != 0) {
    fmt::print(stderr, "fairlead: the token was redeemed before; the link that it gave is put back\n");
    return record->resources;
  }
  const std::string subject = site == nullptr ? paths.name() : site->metadata.name;
  const auto outcome = redeem(token, record->key, subject, timeout_s);
  if (!outcome) return fail(ErrorCode::kRefused, outcome.error().message);
  auto text = make_link_resources({token.metadata.name, token.url, *outcome, record->key, token.link_cost,
                                   site == nullptr ? std::string() : std::string(site->role())});
  if (!text) return text;
  record->redeemed_unix_s = live_kernel().unix_seconds();
  record->resources = *text;
  // Before all else: it cannot be had again.
  if (auto written = store.write(token.metadata.name, *record); !written) print_error(written.error());
  return text;
}

int wait_for_link(const NamespacePaths& paths, const std::string& name, unsigned timeout_s) {
  const Json link = wait_for_resource(paths, Link::kKind, name, timeout_s, [](const Json& document) {
    return text_at(document, "/status/status") == "Ready";
  });
  if (text_at(link, "/status/status") == "Ready") {
    fmt::print("Link {} to site {} is up.\n", name, text_at(link, "/status/remoteSiteName"));
    return kExitOk;
  }
  fmt::print(stderr, "fairlead: Link {} is there, but not up within {} s: {}\n", name, timeout_s,
             link.is_null() ? "the gateway does not know it" : text_at(link, "/status/message"));
  return kExitFailed;
}

}  // namespace

int redeem_token(const CommonArguments& common, const TokenRedeemArguments& arguments) {
  const LogSession log(common.log_level, common.log_format);
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const auto token = read_token(arguments.file);
  if (!token) return kExitInvalid;
  const std::string& name = token->metadata.name;
  const auto site = load_namespace(*paths, {}, false);
  if (site->diagnostics.has_errors()) {
    print_diagnostics(site->diagnostics);
    fmt::print(stderr, "fairlead: nothing was redeemed: the link could not be put to use\n");
    return kExitInvalid;
  }
  const auto same_name = [&](const Link& link) { return link.metadata.name == name; };
  if (const auto link = std::ranges::find_if(site->resources.links, same_name); link != site->resources.links.end()) {
    fmt::print(stderr, "fairlead: there is a Link {} already, at {}; nothing was redeemed\n", name,
               to_string(link->source.position));
    return kExitInvalid;
  }
  const TokenStore store(paths->runtime_tokens());
  const auto text = obtain_link(store, *token, site->resources.site(), *paths, arguments.timeout_s);
  if (!text) {
    print_error(text.error());
    return kExitFailed;
  }
  const auto file = resource_file(*paths, Link::kKind, name);
  if (const int code = change_input(*paths, {{file, *text}}); code != kExitOk) return code;
  if (is_gateway_running(paths->lock())) return wait_for_link(*paths, name, arguments.timeout_s);
  fmt::print("Link {} is in {}.\n", name, file.string());
  print_not_running(*paths);
  return kExitOk;
}

}  // namespace fairlead
