#include "transport/peer_watch.h"

#include <algorithm>
#include <limits>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace fairlead {
namespace {

constexpr int kProbes = 5;

}  // namespace

void watch_peer(Socket& socket, const ConnectionLimits& limits, bool anew) noexcept {
  if (limits.keepalive.ns > 0) {
    // The kernel takes whole seconds, at most 32,767.
    const std::int64_t seconds = limits.keepalive.ns / Duration::seconds(1).ns;
    const int idle = static_cast<int>(std::clamp<std::int64_t>(seconds, 1, 32'767));
    socket.set_option(SOL_SOCKET, SO_KEEPALIVE, 1);
    socket.set_option(IPPROTO_TCP, TCP_KEEPIDLE, idle);
    socket.set_option(IPPROTO_TCP, TCP_KEEPINTVL, std::max(idle / kProbes, 1));
    socket.set_option(IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  } else if (anew) {
    socket.set_option(SOL_SOCKET, SO_KEEPALIVE, 0);
  }
  if (limits.user_timeout.ns > 0 || anew) {
    const std::int64_t ms = std::min<std::int64_t>(limits.user_timeout.ns / Duration::milliseconds(1).ns,
                                                   std::numeric_limits<int>::max());
    socket.set_option(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(ms));
  }
}

}  // namespace fairlead
