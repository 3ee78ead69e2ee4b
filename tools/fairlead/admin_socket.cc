#include "tools/fairlead/admin_socket.h"

#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/fairlead/socket_path.h"

namespace fairlead {

namespace {

constexpr int kBacklog = 16;
constexpr std::uint64_t kBodyBytesMax = 64 * 1024;

bool is_ours_or_root(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

}  // namespace

AdminSocket::AdminSocket(std::filesystem::path path, Fd listening)
    : path_(std::move(path)), http_(std::move(listening), kBodyBytesMax, is_ours_or_root) {}

AdminSocket::~AdminSocket() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

Result<std::unique_ptr<AdminSocket>> AdminSocket::open(const std::filesystem::path& path) {
  auto place = SocketPath::open(path);
  if (!place) return std::unexpected(place.error());
  Fd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening) return std::unexpected(error_from_errno(errno, "socket"));
  std::error_code ignored;
  std::filesystem::remove(path, ignored);  // of a gateway that was killed; the lock says that it is gone
  // The mode is that of the moment it is bound.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(listening.get(), place->address(), place->size());
  const int error = errno;
  ::umask(before);
  if (bound != 0) return std::unexpected(error_from_errno(error, path.string()));
  if (::listen(listening.get(), kBacklog) != 0) return std::unexpected(error_from_errno(errno, path.string()));
  return std::unique_ptr<AdminSocket>(new AdminSocket(path, std::move(listening)));
}

}  // namespace fairlead
