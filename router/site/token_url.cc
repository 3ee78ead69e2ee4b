#include "router/site/token_url.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "router/site/diagnostics.h"
#include "router/site/field_reader.h"
#include "router/site/names.h"

namespace fairlead {

namespace {

constexpr std::string_view kScheme = "https://";
constexpr std::uint16_t kHttpsPort = 443;
constexpr std::size_t kUrlMax = 2048;

// "host", "host:port", "[::1]:port".
std::optional<HostPort> parse_authority(std::string_view text) {
  HostPort result{{}, kHttpsPort};
  const bool bracketed = text.starts_with('[');
  const std::size_t end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == std::string_view::npos) return std::nullopt;
  result.host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  if (bracketed && result.host.find(':') == std::string::npos) return std::nullopt;
  text.remove_prefix(bracketed ? end + 1 : end);
  if (check_host(result.host)) return std::nullopt;
  if (text.empty()) return result;
  const auto port = text.starts_with(':') ? parse_number(text.substr(1), 1, 65535) : std::nullopt;
  if (!port) return std::nullopt;
  result.port = static_cast<std::uint16_t>(*port);
  return result;
}

bool is_path(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

}  // namespace

Result<TokenUrl> parse_token_url(std::string_view text) {
  const auto bad = fail(ErrorCode::kInvalid, fmt::format("found {}; needed is https://HOST[:PORT]/PATH",
                                                         in_quotes(std::string(text.substr(0, kUrlMax)))));
  if (text.size() > kUrlMax || !text.starts_with(kScheme)) return bad;
  text.remove_prefix(kScheme.size());
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto endpoint = parse_authority(text.substr(0, slash));
  const std::string_view path = text.substr(slash);
  if (!endpoint || !is_path(path)) return bad;
  return TokenUrl{*endpoint, path.empty() ? "/" : std::string(path)};
}

std::string to_string(const TokenUrl& url) {
  return fmt::format("{}{}{}", kScheme, to_string(url.endpoint), url.target);
}

}  // namespace fairlead
