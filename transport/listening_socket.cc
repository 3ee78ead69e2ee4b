#include "transport/listening_socket.h"

#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

#include "transport/config.h"
#include "transport/peer_watch.h"
#include "transport/resolver.h"
#include "transport/tcp_options.h"

namespace fairlead {
namespace {

constexpr int kBacklog = 4096;

Result<Socket> listen_on_path(Kernel& kernel, Socket socket, const std::string& host, const Address& address) {
  const int r = kernel.bind_and_listen(socket.fd(), address, kBacklog);
  if (r == 0) return socket;
  Error error = error_from_errno(-r, "cannot listen on " + host);
  if (r == -EADDRINUSE) error.message += "; another program listens there, or the file is no socket";
  if (r == -EACCES || r == -EROFS) {
    error.message +=
        "; a service may write to its namespace's runtime folder, and where ReadWritePaths= of its unit says";
  }
  if (r == -ENOENT) error.message += "; make the folder first";
  return std::unexpected(std::move(error));
}

}  // namespace

Result<Socket> open_listening_socket(Kernel& kernel, const std::string& host, std::uint16_t port, bool shared,
                                     std::uint16_t& bound, const ConnectionLimits* limits) {
  const std::string where = host.empty() ? "[::]" : host;
  Address address = parse_literal(where == "[::]" ? "::" : host == "localhost" ? "127.0.0.1" : host, port);
  if (address.size == 0) {
    return fail(ErrorCode::kInvalid, "cannot listen on '" + host +
                                         "': give an IP address of this machine, or leave it out "
                                         "for all interfaces; or unix:/path of at most 107 bytes");
  }
  int fd = kernel.open_socket(address.family());
  if (fd == -EAFNOSUPPORT && host.empty()) {  // a machine without IPv6
    address = parse_literal("0.0.0.0", port);
    fd = kernel.open_socket(address.family());
  }
  if (fd < 0) return std::unexpected(error_from_errno(-fd, "socket"));
  Socket socket(kernel, fd);
  if (address.family() == AF_UNIX) {
    bound = 0;
    return listen_on_path(kernel, std::move(socket), host, address);
  }
  set_tcp_options(socket, address);
  if (limits != nullptr) watch_peer(socket, *limits);
  socket.set_option(SOL_SOCKET, SO_REUSEADDR, 1);
  if (shared) socket.set_option(SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.family() == AF_INET6) socket.set_option(IPPROTO_IPV6, IPV6_V6ONLY, host.empty() ? 0 : 1);
  if (const int r = kernel.bind_and_listen(socket.fd(), address, kBacklog); r < 0) {
    Error error = error_from_errno(-r, "cannot listen on " + to_string(HostPort{host.empty() ? "*" : host, port}));
    if (r == -EADDRINUSE) error.message += "; another program has this port";
    if (r == -EACCES) {
      error.message += "; ports below 1024 need CAP_NET_BIND_SERVICE: a service gets it with 'fairlead system install'";
    }
    if (r == -EADDRNOTAVAIL) error.message += "; it is no address of this machine";
    return std::unexpected(std::move(error));
  }
  Address local;
  kernel.local_address(socket.fd(), local);
  bound = ntohs(local.family() == AF_INET ? reinterpret_cast<sockaddr_in*>(&local.storage)->sin_port
                                          : reinterpret_cast<sockaddr_in6*>(&local.storage)->sin6_port);
  return socket;
}

}  // namespace fairlead
