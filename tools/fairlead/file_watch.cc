#include "tools/fairlead/file_watch.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <sys/inotify.h>
#include <unistd.h>

namespace fairlead {
namespace {

constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_ATTRIB | IN_ONLYDIR;

}  // namespace

Result<FileWatch> FileWatch::open(std::vector<std::filesystem::path> directories) {
  Fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return std::unexpected(error_from_errno(errno, "cannot watch files"));
  FileWatch result(std::move(fd), std::move(directories));
  result.watch_all();
  return result;
}

// Adding a watch a second time changes nothing, so that this may be repeated whenever something came.
void FileWatch::watch_all() {
  for (const std::filesystem::path& directory : directories_) {
    std::error_code error;
    watch(directory.parent_path());  // where the directory itself may be replaced
    if (!std::filesystem::is_directory(directory, error)) continue;
    watch(directory);
    std::filesystem::recursive_directory_iterator at(directory, error);
    for (const std::filesystem::recursive_directory_iterator end; !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (at->is_directory(ignored)) watch(at->path());
    }
  }
}

// One that is gone, or one too many, is not watched; SIGHUP remains.
void FileWatch::watch(const std::filesystem::path& directory) {
  static_cast<void>(::inotify_add_watch(fd_.get(), directory.c_str(), kEvents));
}

bool FileWatch::take() {
  alignas(inotify_event) char buffer[16 * 1024];
  bool changed = false;
  while (::read(fd_.get(), buffer, sizeof buffer) > 0)
    changed = true;
  if (changed) watch_all();
  return changed;
}

}  // namespace fairlead
