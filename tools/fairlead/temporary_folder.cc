#include "tools/fairlead/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "router/site/files.h"
#include "tools/fairlead/systemd_service.h"

namespace fairlead {

Result<TemporaryFolder> TemporaryFolder::make() {
  std::string path = (std::filesystem::temp_directory_path() / "fairlead.XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) return std::unexpected(error_from_errno(errno, "cannot make " + path));
  return TemporaryFolder(path);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<void> pack(const std::filesystem::path& folder, const std::filesystem::path& tarball) {
  // Made first, so that it never has another mode.
  if (auto made = write_file(tarball, "", kPrivateFileMode, Durability::kRename); !made) return made;
  const auto packed = run_program({"tar", "-C", folder.string(), "-czf", tarball.string(), "."});
  if (!packed) return std::unexpected(packed.error());
  if (*packed != 0) return fail(ErrorCode::kSystem, "tar could not write " + tarball.string());
  return {};
}

}  // namespace fairlead
