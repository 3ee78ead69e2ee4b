#include "transport/tcp_options.h"

#include <span>
#include <string_view>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "transport/client_addresses.h"

namespace fairlead {
namespace {

constexpr std::string_view kReno = "reno";  // in every kernel, and everybody's to choose

}  // namespace

void set_tcp_options(Socket& socket, const Address& address) noexcept {
  socket.set_option(IPPROTO_TCP, TCP_NODELAY, 1);
  if (is_loopback(address)) socket.set_option(IPPROTO_TCP, TCP_CONGESTION, std::as_bytes(std::span(kReno)));
}

}  // namespace fairlead
