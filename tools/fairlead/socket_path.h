// SocketPath: the address of a Unix socket whose path may be longer than the 107 bytes that one has room for.
#pragma once

#include <filesystem>

#include <sys/socket.h>
#include <sys/un.h>

#include "transport/base/error.h"
#include "transport/base/fd.h"

namespace fairlead {

class SocketPath {
 public:
  static Result<SocketPath> open(const std::filesystem::path& path);

  const sockaddr* address() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }

  socklen_t size() const noexcept { return sizeof address_; }

 private:
  Fd directory_;  // its path by descriptor is shorter than any, as long as it is open
  sockaddr_un address_{};
};

}  // namespace fairlead
