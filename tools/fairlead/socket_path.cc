#include "tools/fairlead/socket_path.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>

namespace fairlead {

Result<SocketPath> SocketPath::open(const std::filesystem::path& path) {
  SocketPath result;
  result.directory_ = Fd(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!result.directory_) return std::unexpected(error_from_errno(errno, path.parent_path().string()));
  const std::string name = fmt::format("/proc/self/fd/{}/{}", result.directory_.get(), path.filename().string());
  result.address_.sun_family = AF_UNIX;
  name.copy(result.address_.sun_path, sizeof result.address_.sun_path - 1);
  return result;
}

}  // namespace fairlead
