#include "router/site/grant_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "router/site/base64.h"
#include "router/site/names.h"
#include "transport/base/log.h"
#include "transport/tls/certificates.h"

namespace fairlead {

namespace {

constexpr Duration kLogInterval = Duration::seconds(1);

// Goes into a certificate and into our status.
bool is_subject(std::string_view text) {
  constexpr std::size_t kMax = 64;
  const auto is_printable = [](char c) { return c >= ' ' && c < 0x7f; };
  return !text.empty() && text.size() <= kMax && std::ranges::all_of(text, is_printable);
}

// "gw.example" of "gw.example:9090", "::1" of "[::1]:9090"; empty if it is none that could be dialled.
std::string host_of_header(std::string_view header) {
  const bool bracketed = header.starts_with('[');
  const std::size_t end = bracketed ? header.find(']') : std::min(header.find(':'), header.size());
  if (end == std::string_view::npos) return {};
  std::string host(bracketed ? header.substr(1, end - 1) : header.substr(0, end));
  return check_host(host) ? std::string() : host;
}

}  // namespace

std::string client_network(const std::string& address) {
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return address;
  std::fill(std::begin(v6.s6_addr) + 8, std::end(v6.s6_addr), std::uint8_t{0});
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(AF_INET6, &v6, text, sizeof text);
  return fmt::format("{}/64", text);
}

HttpResponse GrantDesk::answer(const HttpRequest& request, const std::string& from, std::int64_t now_unix_s,
                               Instant now) {
  HttpResponse response = redeem(request, from, now_unix_s, now);
  if (response.status != 200) log_refusal(from, response, now);
  return response;
}

HttpResponse GrantDesk::redeem(const HttpRequest& request, const std::string& from, std::int64_t now_unix_s,
                               Instant now) {
  if (request.method != "POST") return {405, "only POST\n", kPlainText, {{"Allow", "POST"}}};
  if (!attempts_.allowed(client_network(from), now)) return refuse(GrantBook::Refusal::kTooManyAttempts, from, now);
  const std::string path(request.path());
  const std::string_view uid = std::string_view(path).substr(path.starts_with('/') ? 1 : 0);
  // The code before all else: who does not know it learns nothing, and has nothing parsed.
  const auto grant = book_.find(uid, request.body, now);
  if (!grant) return refuse(grant.error(), from, now);

  RedemptionRequest wanted;
  wanted.name = request.header("name");
  wanted.subject = request.header("subject");
  if (check_bundle_name(wanted.name)) return {400, "the header name is missing, or no name for a link\n"};
  if (wanted.subject.empty()) wanted.subject = wanted.name;
  if (!is_subject(wanted.subject)) return {400, "the header subject is not 1 to 64 printable characters\n"};
  wanted.host = host_of_header(request.header("host"));
  wanted.issuer = (*grant)->issuer;
  if (const std::string_view header = request.header("certificate-request"); !header.empty()) {
    const auto der = decode_base64(header);
    if (!der) return {400, "the header certificate-request is not base64\n"};
    auto key = public_key_of_request(*der);
    if (!key) return {400, key.error().message + "\n"};
    wanted.public_key = std::move(*key);
  }
  Redemption redemption{now_unix_s, wanted.subject, from, encode_base64(wanted.public_key)};
  if (const auto why = book_.why_not_open(**grant, redemption.key, now_unix_s)) return refuse(*why, from, now);
  auto text = issue_(wanted);
  if (!text) {
    log_error("AccessGrant {}: no certificate could be made: {}", (*grant)->name, text.error().message);
    return {500, "no certificate could be made; nothing was redeemed. The site's log says why\n"};
  }
  const std::size_t before = (*grant)->redemptions.size();
  if (auto spent = book_.spend(**grant, redemption); !spent) {
    log_error("AccessGrant {}: {}", (*grant)->name, spent.error().message);
    return {503, "the redemption could not be stored; nothing was redeemed. Try again later\n"};
  }
  log_info("AccessGrant {}: redeemed by {} at {} for a link {}{}", (*grant)->name, wanted.subject, from, wanted.name,
           (*grant)->redemptions.size() == before
               ? ", again with the same key"
               : fmt::format(" ({} of {})", (*grant)->redemptions.size(), (*grant)->redemptions_allowed));
  return {200, std::move(*text)};
}

HttpResponse GrantDesk::refuse(GrantBook::Refusal refusal, const std::string& from, Instant now) {
  switch (refusal) {
    case GrantBook::Refusal::kUnknown:
      attempts_.note_failure(client_network(from), now);
      return {404, "no such grant here: the URL is wrong, or the grant was removed\n"};
    case GrantBook::Refusal::kCode:
      attempts_.note_failure(client_network(from), now);
      return {403, "the code does not match: redemption of the access token is refused\n"};
    case GrantBook::Refusal::kExpired:
      return {404, "the grant has expired: ask for a new token\n"};
    case GrantBook::Refusal::kUsedUp:
      return {404, "all redemptions of the grant are used up: ask for a new token\n"};
    case GrantBook::Refusal::kTooManyAttempts:
      break;
  }
  return {429, "too many wrong attempts: try again in a minute\n", kPlainText, {{"Retry-After", "60"}}};
}

void GrantDesk::log_refusal(const std::string& from, const HttpResponse& response, Instant now) {
  LogLimit& limit = log_limits_[response.status];
  if (now < limit.next) {
    ++limit.unlogged;
    return;
  }
  limit.next = now + kLogInterval;
  std::string_view reason = response.body;
  if (reason.ends_with('\n')) reason.remove_suffix(1);
  log_warning("refused to redeem an access token for {}: {} {}{}", from, response.status, reason,
              limit.unlogged > 0 ? fmt::format(" (and {} others before)", limit.unlogged) : std::string());
  limit.unlogged = 0;
}

}  // namespace fairlead
