#include "transport/resolver.h"

#include <charconv>
#include <cstddef>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace fairlead {

std::string to_string(const HostPort& endpoint) {
  if (is_unix_host(endpoint.host)) return endpoint.host;
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return (v6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  if (is_unix_host(text)) return HostPort{std::string(text), 0};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') != host.ends_with(']')) return std::nullopt;
  const bool bracketed = host.starts_with('[');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.contains(':'))) return std::nullopt;
  HostPort endpoint{std::string(host), 0};
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), endpoint.port);
  if (error != std::errc{} || end != digits.end()) return std::nullopt;
  return endpoint;
}

Address parse_literal(const std::string& host, std::uint16_t port) {
  Address address;
  if (is_unix_host(host)) {
    auto* const local = reinterpret_cast<sockaddr_un*>(&address.storage);
    const std::string path = host.substr(kUnixPrefix.size());
    if (path.empty() || path.size() >= sizeof local->sun_path) return {};
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path, path.c_str(), path.size() + 1);
    address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return address;
  }
  if (auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
      inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof *v4;
    return address;
  }
  const std::size_t percent = host.find('%');
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET6, host.substr(0, percent).c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    if (percent != std::string::npos) {
      const std::string scope = host.substr(percent + 1);
      v6->sin6_scope_id = if_nametoindex(scope.c_str());
      // A number is as good as a name (RFC 4007 11.2); what is neither makes this no literal.
      const char* end = scope.data() + scope.size();
      if (v6->sin6_scope_id == 0) {
        const auto parsed = std::from_chars(scope.data(), end, v6->sin6_scope_id);
        if (parsed.ec != std::errc() || parsed.ptr != end) return {};
      }
    }
    address.size = sizeof *v6;
  }
  return address;
}

std::string to_string(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  if (address.family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  if (address.family() == AF_UNIX) {
    const auto* local = reinterpret_cast<const sockaddr_un*>(&address.storage);
    const bool named = address.size > offsetof(sockaddr_un, sun_path) && local->sun_path[0] != '\0';
    return named ? std::string(kUnixPrefix) + local->sun_path : "a program on this machine";
  }
  return "unknown address";
}

// The C library writes to `request` until it is done or cancelled.
struct Resolver::Query {
  HostPort endpoint;
  std::string service;
  addrinfo hints{};
  gaicb request{};
  Done done;

  ~Query() {
    if (request.ar_result != nullptr) freeaddrinfo(request.ar_result);
  }

  Result<std::vector<Address>> result(int error) const {
    if (error != 0) {
      return fail(ErrorCode::kResolve, "host name '" + endpoint.host + "' cannot be resolved: " + gai_strerror(error));
    }
    std::vector<Address> addresses;
    for (const addrinfo* entry = request.ar_result; entry != nullptr; entry = entry->ai_next) {
      Address address;
      std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
      address.size = entry->ai_addrlen;
      addresses.push_back(address);
    }
    if (addresses.empty()) return fail(ErrorCode::kResolve, "host name '" + endpoint.host + "' has no address");
    return addresses;
  }
};

Resolver::Resolver(Timers& timers) noexcept : timers_(timers) {}

Resolver::~Resolver() {
  for (auto& query : queries_) {
    // One that is being worked on cannot be cancelled, and writes to its memory whenever the name server answers or is
    // given up, half a minute later perhaps. Nobody waits for that: the memory is left to it.
    if (gai_cancel(&query->request) == EAI_NOTCANCELED) static_cast<void>(query.release());
  }
}

void Resolver::resolve(const HostPort& endpoint, Instant now, Done done) {
  if (const Address literal = parse_literal(endpoint.host, endpoint.port); literal.size > 0) {
    return done(std::vector<Address>{literal});
  }
  auto query = std::make_unique<Query>();
  query->endpoint = endpoint;
  query->service = std::to_string(endpoint.port);
  query->hints.ai_socktype = SOCK_STREAM;
  query->hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  query->request.ar_name = query->endpoint.host.c_str();
  query->request.ar_service = query->service.c_str();
  query->request.ar_request = &query->hints;
  query->done = std::move(done);
  gaicb* list[] = {&query->request};
  if (const int error = getaddrinfo_a(GAI_NOWAIT, list, 1, nullptr); error != 0)
    return query->done(query->result(error));
  queries_.push_back(std::move(query));
  if (!poll_.armed()) timers_.arm(poll_, now + kPoll);
}

void Resolver::on_poll(Instant now) noexcept {
  std::list<std::unique_ptr<Query>> finished;
  for (auto it = queries_.begin(); it != queries_.end();) {
    auto next = std::next(it);
    if (gai_error(&(*it)->request) != EAI_INPROGRESS) finished.splice(finished.end(), queries_, it);
    it = next;
  }
  if (!queries_.empty()) timers_.arm(poll_, now + kPoll);
  for (auto& query : finished)
    query->done(query->result(gai_error(&query->request)));
}

}  // namespace fairlead
