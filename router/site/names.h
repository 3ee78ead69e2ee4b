// Syntax of what users name: resources, hosts, routing keys. Each check returns what is wrong as the end of a sentence
// ("found 'West'; allowed are lower-case letters, …"), or nothing if all is well.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fairlead {

// Resources and namespaces: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$, at most 63 characters.
std::optional<std::string> check_name(std::string_view name);
// Credential bundles and Secrets: the same with dots inside, at most 253 characters. Never escapes a directory.
std::optional<std::string> check_bundle_name(std::string_view name);
// An IPv4 or IPv6 literal (no brackets), or a lower-case host name.
std::optional<std::string> check_host(std::string_view host);
// What a socket can be bound to: an IPv4 or IPv6 literal, or localhost. Of a name's addresses, which change, nobody
// could say which one is meant.
std::optional<std::string> check_bind_host(std::string_view host);
// The same, or unix:/path, an absolute path of at most 107 bytes.
std::optional<std::string> check_listener_host(std::string_view host);
std::optional<std::string> check_server_host(std::string_view host);
// 1 to 255 bytes of printable ASCII without spaces: it travels in a frame with a one-byte length.
std::optional<std::string> check_routing_key(std::string_view key);

// The secret of a grant: 8 to 256 bytes of printable ASCII without spaces, so that it travels as it is. Never repeats
// it.
std::optional<std::string> check_code(std::string_view code);

bool is_ip_literal(std::string_view host);
// In inet_ntop's spelling ("0:0::1" is "::1"); empty if it is no literal.
std::string canonical_ip(std::string_view host);
// 0.0.0.0 or ::, in any spelling.
bool is_any_address(std::string_view host);

// The candidate closest to `word` if it is close enough to be a typing mistake, else empty.
std::string_view closest(std::string_view word, const std::string_view* first, const std::string_view* last);

template <class Container>
std::string_view closest(std::string_view word, const Container& candidates) {
  return closest(word, candidates.data(), candidates.data() + candidates.size());
}

}  // namespace fairlead
