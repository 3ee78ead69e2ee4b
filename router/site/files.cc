#include "router/site/files.h"

#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fairlead {

namespace {

Error system_error(const char* doing, const std::filesystem::path& path, int errno_value) {
  return error_from_errno(errno_value, fmt::format("cannot {} {}", doing, path.string()));
}

Result<void> write_all(int fd, std::string_view contents, const std::filesystem::path& path) {
  while (!contents.empty()) {
    const ssize_t written = ::write(fd, contents.data(), contents.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(system_error("write", path, errno));
    }
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> sync_directory(const std::filesystem::path& path) {
  const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return std::unexpected(system_error("open", path, errno));
  if (::fsync(directory.get()) != 0) return std::unexpected(system_error("sync", path, errno));
  return {};
}

// The file that is renamed into place. `temporary` gets its name.
// What root's commands make belongs to whoever the folder belongs to: a gateway that runs as another user has to read
// it. Where that is not allowed, it stays root's.
void give_to_owner_of(const std::filesystem::path& directory, int fd) {
  struct stat status {};

  if (::geteuid() != 0 || ::stat(directory.c_str(), &status) != 0 || status.st_uid == 0) return;
  static_cast<void>(!::fchown(fd, status.st_uid, status.st_gid));
}

Result<void> write_temporary(std::string& temporary, const std::filesystem::path& path, std::string_view contents,
                             mode_t mode, Durability durability) {
  // mkostemp makes it 0600, so that nobody else can open it before the mode is set.
  const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return std::unexpected(system_error("write", path, errno));
  if (auto written = write_all(fd.get(), contents, path); !written) return written;
  if (::fchmod(fd.get(), mode) != 0) return std::unexpected(system_error("set the mode of", path, errno));
  give_to_owner_of(std::filesystem::path(temporary).parent_path(), fd.get());
  if (durability == Durability::kSync && ::fsync(fd.get()) != 0) {
    return std::unexpected(system_error("sync", path, errno));
  }
  return {};
}

// A lock of the open file description: it ends with the process, and asking about it (F_OFD_GETLK) does not take it, so
// that a `status` command can never be in the way of a gateway that starts.
struct flock whole_file_lock() {
  struct flock lock {};

  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return fail(ErrorCode::kNotFound, fmt::format("there is no file {}", path.string()));
    }
    return std::unexpected(system_error("read", path, errno));
  }
  std::string contents;
  char chunk[16 * 1024];
  for (;;) {
    const ssize_t size = ::read(fd.get(), chunk, sizeof(chunk));
    if (size < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(system_error("read", path, errno));
    }
    if (size == 0) return contents;
    contents.append(chunk, static_cast<std::size_t>(size));
    if (contents.size() > bytes_max) {
      return fail(ErrorCode::kLimit, fmt::format("{} is larger than {} bytes", path.string(), bytes_max));
    }
  }
}

bool others_may_read(const std::filesystem::path& path) {
  struct stat status {};

  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0;
}

Result<void> write_file(const std::filesystem::path& path, std::string_view contents, mode_t mode,
                        Durability durability) {
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  std::string temporary = fmt::format("{}/.{}.XXXXXX", directory.string(), path.filename().string());
  auto written = write_temporary(temporary, path, contents, mode, durability);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = std::unexpected(system_error("write", path, errno));
  }
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  if (durability == Durability::kSync) return sync_directory(directory);
  return {};
}

Result<void> make_directory(const std::filesystem::path& path, mode_t mode) {
  struct stat status {};

  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return std::unexpected(system_error("make", path, errno));
    const std::filesystem::path parent = path.parent_path();
    if (!parent.empty() && parent != path) {
      if (auto made = make_directory(parent, kPublicDirectoryMode); !made) return made;
    }
    if (::mkdir(path.c_str(), mode) == 0) {
      const Fd made(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (made) give_to_owner_of(parent, made.get());
      return {};
    }
    // Somebody else may have been faster.
    if (errno != EEXIST || ::stat(path.c_str(), &status) != 0)
      return std::unexpected(system_error("make", path, errno));
  }
  if (!S_ISDIR(status.st_mode)) {
    return fail(ErrorCode::kInvalid, fmt::format("{} is not a directory", path.string()));
  }
  constexpr mode_t kOthers = 0077;
  if (mode == kPrivateDirectoryMode && (status.st_mode & kOthers) != 0 && ::chmod(path.c_str(), mode) != 0) {
    return std::unexpected(system_error("set the mode of", path, errno));
  }
  return {};
}

Result<Fd> wait_for_lock(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kPrivateFileMode));
  if (!fd) return std::unexpected(system_error("open", path, errno));
  give_to_owner_of(path.parent_path(), fd.get());
  struct flock lock = whole_file_lock();
  while (::fcntl(fd.get(), F_OFD_SETLKW, &lock) != 0) {
    if (errno != EINTR) return std::unexpected(system_error("lock", path, errno));
  }
  return fd;
}

Result<Fd> take_gateway_lock(const std::filesystem::path& path) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kPublicFileMode));
  if (!fd) return std::unexpected(system_error("open", path, errno));
  struct flock lock = whole_file_lock();
  if (::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES) return std::unexpected(system_error("lock", path, errno));
    constexpr std::size_t kPidBytesMax = 32;
    const auto holder = read_file(path, kPidBytesMax);
    return fail(ErrorCode::kDuplicate, fmt::format("a gateway runs here already (process {})",
                                                   holder && !holder->empty() ? *holder : "unknown"));
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd.get(), 0) != 0) return std::unexpected(system_error("write", path, errno));
  if (auto written = write_all(fd.get(), pid, path); !written) return std::unexpected(written.error());
  return fd;
}

bool is_gateway_running(const std::filesystem::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  struct flock lock = whole_file_lock();
  return ::fcntl(fd.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace fairlead
