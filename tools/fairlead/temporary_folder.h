// TemporaryFolder: a folder of our own that goes away with all that is in it.
#pragma once

#include <filesystem>
#include <utility>

#include "transport/base/error.h"

namespace fairlead {

class TemporaryFolder {
 public:
  static Result<TemporaryFolder> make();

  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

// Writes all that is in a folder to a compressed tarball of mode 0600.
Result<void> pack(const std::filesystem::path& folder, const std::filesystem::path& tarball);

}  // namespace fairlead
