#include "transport/uring/tls_diag.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "transport/base/fd.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kAnyState = 0xffffffff;  // of TCP; a bit each

using Bytes = std::span<const std::byte>;

constexpr std::size_t aligned(std::size_t size) noexcept {
  return (size + NLA_ALIGNTO - 1) & ~std::size_t{NLA_ALIGNTO - 1};
}

// The content of the attribute of `type` in a row of them; empty: it is not there.
Bytes find_attribute(Bytes row, unsigned type) noexcept {
  nlattr head;
  while (row.size() >= sizeof head) {
    std::memcpy(&head, row.data(), sizeof head);
    if (head.nla_len < sizeof head || head.nla_len > row.size()) break;
    if ((head.nla_type & NLA_TYPE_MASK) == type) return row.subspan(sizeof head, head.nla_len - sizeof head);
    row = row.subspan(std::min(aligned(head.nla_len), row.size()));
  }
  return {};
}

TlsEngine engine_of(Bytes attribute) noexcept {
  std::uint16_t mode = 0;
  if (attribute.size() < sizeof mode) return TlsEngine::kUnknown;
  std::memcpy(&mode, attribute.data(), sizeof mode);
  switch (mode) {
    case TLS_CONF_SW:
      return TlsEngine::kSoftware;
    case TLS_CONF_HW:
    case TLS_CONF_HW_RECORD:
      return TlsEngine::kNic;
    default:
      return TlsEngine::kUnknown;
  }
}

bool name_connection(const Address& local, const Address& peer, inet_diag_req_v2& request) noexcept {
  request.sdiag_family = static_cast<std::uint8_t>(local.family());
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_ext = 1U << (INET_DIAG_INFO - 1);  // ULP information comes only together with that
  request.idiag_states = kAnyState;
  request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (local.family() == AF_INET) {
    const auto& from = reinterpret_cast<const sockaddr_in&>(local.storage);
    const auto& to = reinterpret_cast<const sockaddr_in&>(peer.storage);
    request.id.idiag_sport = from.sin_port;
    request.id.idiag_dport = to.sin_port;
    request.id.idiag_src[0] = from.sin_addr.s_addr;
    request.id.idiag_dst[0] = to.sin_addr.s_addr;
    return true;
  }
  if (local.family() != AF_INET6) return false;
  const auto& from = reinterpret_cast<const sockaddr_in6&>(local.storage);
  const auto& to = reinterpret_cast<const sockaddr_in6&>(peer.storage);
  request.id.idiag_sport = from.sin6_port;
  request.id.idiag_dport = to.sin6_port;
  request.id.idiag_if = from.sin6_scope_id;
  std::memcpy(request.id.idiag_src, &from.sin6_addr, sizeof from.sin6_addr);
  std::memcpy(request.id.idiag_dst, &to.sin6_addr, sizeof to.sin6_addr);
  return true;
}

TlsEngines read_answer(Bytes answer) noexcept {
  nlmsghdr header;
  constexpr std::size_t kAttributesAt = NLMSG_HDRLEN + sizeof(inet_diag_msg);
  if (answer.size() < kAttributesAt) return {};
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return {};
  if (header.nlmsg_len < kAttributesAt || header.nlmsg_len > answer.size()) return {};
  const Bytes attributes = answer.first(header.nlmsg_len).subspan(kAttributesAt);
  const Bytes tls = find_attribute(find_attribute(attributes, INET_DIAG_ULP_INFO), INET_ULP_INFO_TLS);
  return {engine_of(find_attribute(tls, TLS_INFO_TXCONF)), engine_of(find_attribute(tls, TLS_INFO_RXCONF))};
}

}  // namespace

TlsEngines ask_tls_engines(const Address& local, const Address& peer) noexcept {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 body;
  } request{};
  request.header = {sizeof request, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0};
  if (!name_connection(local, peer, request.body)) return {};
  const Fd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink || ::send(netlink.get(), &request, sizeof request, 0) < 0) return {};
  std::array<std::byte, 4096> bytes;
  const ssize_t size = ::recv(netlink.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (size <= 0) return {};
  return read_answer(Bytes(bytes).first(static_cast<std::size_t>(size)));
}

}  // namespace fairlead
