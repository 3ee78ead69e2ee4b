// FileWatch: whether anything changed below some directories (inotify(7)): files written, moved or taken away, at any
// depth, also in directories that come later. What changed is not told: whoever asks reads all of it anew.
//
// One thread.
#pragma once

#include <filesystem>
#include <vector>

#include "transport/base/error.h"
#include "transport/base/fd.h"

namespace fairlead {

class FileWatch {
 public:
  // Directories that do not exist are watched from their parent on, which has to.
  static Result<FileWatch> open(std::vector<std::filesystem::path> directories);

  int fd() const noexcept { return fd_.get(); }

  // Takes what the descriptor has to tell. True if anything changed.
  bool take();

 private:
  FileWatch(Fd fd, std::vector<std::filesystem::path> directories)
      : fd_(std::move(fd)), directories_(std::move(directories)) {}

  void watch_all();
  void watch(const std::filesystem::path& directory);

  Fd fd_;
  std::vector<std::filesystem::path> directories_;
};

}  // namespace fairlead
