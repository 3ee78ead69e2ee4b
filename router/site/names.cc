#include "router/site/names.h"

#include <algorithm>
#include <array>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "router/site/diagnostics.h"
#include "transport/config.h"

namespace fairlead {

namespace {

constexpr std::size_t kNameBytesMax = 63;
constexpr std::size_t kBundleNameBytesMax = 253;
constexpr std::size_t kUnixPathBytesMax = 107;  // sockaddr_un
constexpr std::size_t kHostBytesMax = 253;
constexpr std::size_t kRoutingKeyBytesMax = 255;

bool is_lower_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool has_name_syntax(std::string_view name, std::string_view inner) {
  if (name.empty() || !is_lower_alphanumeric(name.front()) || !is_lower_alphanumeric(name.back())) return false;
  return std::ranges::all_of(
      name, [&](char c) { return is_lower_alphanumeric(c) || inner.find(c) != std::string_view::npos; });
}

// Labels of letters, digits and '-' inside, with '.' between them.
bool has_host_syntax(std::string_view host) {
  for (;;) {
    const std::size_t dot = host.find('.');
    if (!has_name_syntax(host.substr(0, dot), "-")) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

// Restricted Damerau-Levenshtein: insertions, deletions, replacements and swaps of neighbours count one each.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> two_ago(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); j++)
    last[j] = j;
  for (std::size_t i = 1; i <= a.size(); i++) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); j++) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], two_ago[j - 2] + 1);
      }
    }
    std::swap(two_ago, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

// What is meant to be an address and is none.
std::optional<std::string> check_address(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && is_ip_literal(host.substr(1, host.size() - 2))) {
    return fmt::format("found {}; write an IPv6 address without brackets", in_quotes(host));
  }
  const bool looks_like_address =
      std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; }) && !host.empty();
  if (looks_like_address) return fmt::format("found {}, which is not an IPv4 address", in_quotes(host));
  return std::nullopt;
}

std::optional<std::string> check_unix_host(std::string_view host) {
  const std::string_view path = host.substr(kUnixPrefix.size());
  const bool printable = std::ranges::none_of(path, [](unsigned char c) { return c < ' ' || c == 0x7f; });
  if (path.starts_with('/') && path.size() <= kUnixPathBytesMax && !path.ends_with('/') && printable) return {};
  return fmt::format("found {}; allowed is unix: and an absolute path of at most {} bytes", in_quotes(host),
                     kUnixPathBytesMax);
}

}  // namespace

std::string canonical_ip(std::string_view host) {
  const std::string text(host);
  in6_addr address{};
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), &address) != 1) continue;
    inet_ntop(family, &address, canonical.data(), canonical.size());
  }
  return canonical.data();
}

bool is_ip_literal(std::string_view host) {
  return !canonical_ip(host).empty();
}

bool is_any_address(std::string_view host) {
  const std::string address = canonical_ip(host);
  return address == "0.0.0.0" || address == "::";
}

std::optional<std::string> check_name(std::string_view name) {
  if (has_name_syntax(name, "-") && name.size() <= kNameBytesMax) return std::nullopt;
  return fmt::format("found {}; allowed are lower-case letters, digits and '-' inside, at most {} characters",
                     in_quotes(name), kNameBytesMax);
}

std::optional<std::string> check_bundle_name(std::string_view name) {
  if (has_name_syntax(name, "-.") && name.size() <= kBundleNameBytesMax) return std::nullopt;
  return fmt::format("found {}; allowed are lower-case letters, digits, and '-' or '.' inside, at most {} characters",
                     in_quotes(name), kBundleNameBytesMax);
}

std::optional<std::string> check_host(std::string_view host) {
  if (is_ip_literal(host)) return std::nullopt;
  if (auto problem = check_address(host)) return problem;
  if (has_host_syntax(host) && host.size() <= kHostBytesMax) return std::nullopt;
  if (has_host_syntax(lower(host)) && host.size() <= kHostBytesMax) {
    return fmt::format("found {}; write host names in lower case: '{}'", in_quotes(host), lower(host));
  }
  return fmt::format("found {}; allowed is an IP address or a host name of lower-case letters, digits, '-' and '.'",
                     in_quotes(host));
}

std::optional<std::string> check_bind_host(std::string_view host) {
  constexpr std::string_view kMapped = "::ffff:";
  if (host == "localhost") return std::nullopt;
  if (const std::string address = canonical_ip(host); !address.empty()) {
    // A socket for IPv6 alone cannot be bound to one of these.
    if (!address.starts_with(kMapped) || address.find('.') == std::string::npos) return std::nullopt;
    return fmt::format("found {}; write it as the IPv4 address {}", in_quotes(host), address.substr(kMapped.size()));
  }
  if (auto problem = check_address(host)) return problem;
  return fmt::format(
      "found {}; allowed is an IP address of this machine (0.0.0.0 or :: for all interfaces) or localhost",
      in_quotes(host));
}

std::optional<std::string> check_listener_host(std::string_view host) {
  return is_unix_host(host) ? check_unix_host(host) : check_bind_host(host);
}

std::optional<std::string> check_server_host(std::string_view host) {
  return is_unix_host(host) ? check_unix_host(host) : check_host(host);
}

std::optional<std::string> check_routing_key(std::string_view key) {
  const bool printable = std::ranges::all_of(key, [](char c) { return c > ' ' && c < 0x7f; });
  if (!key.empty() && key.size() <= kRoutingKeyBytesMax && printable) return std::nullopt;
  return fmt::format("found {}; allowed are 1 to {} printable ASCII characters without spaces", in_quotes(key),
                     kRoutingKeyBytesMax);
}

std::optional<std::string> check_code(std::string_view code) {
  constexpr std::size_t kMin = 8;
  constexpr std::size_t kMax = 256;
  const bool printable = std::ranges::all_of(code, [](char c) { return c > ' ' && c < 0x7f; });
  if (code.size() >= kMin && code.size() <= kMax && printable) return std::nullopt;
  return fmt::format("is no code; allowed are {} to {} printable ASCII characters without spaces", kMin, kMax);
}

std::string_view closest(std::string_view word, const std::string_view* first, const std::string_view* last) {
  // Longer words are no typing mistake of ours, and the distance costs time for each pair of characters.
  constexpr std::size_t kWordBytesMax = 64;
  if (word.size() > kWordBytesMax) return {};
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view* candidate = first; candidate != last; candidate++) {
    const std::size_t distance = edit_distance(lower(word), lower(*candidate));
    if (distance < best_distance) {
      best_distance = distance;
      best = *candidate;
    }
  }
  return best;
}

}  // namespace fairlead
