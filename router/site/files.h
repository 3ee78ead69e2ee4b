// Files of a site: whole reads with a bound, atomic writes with a mode, the gateway's lock. What root makes belongs to
// the owner of the folder that it is in, so that root's commands and a gateway without privileges go together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "transport/base/error.h"
#include "transport/base/fd.h"

namespace fairlead {

inline constexpr mode_t kPublicFileMode = 0644;
inline constexpr mode_t kPrivateFileMode = 0600;  // anything with a key
inline constexpr mode_t kPublicDirectoryMode = 0755;
inline constexpr mode_t kPrivateDirectoryMode = 0700;  // directories of files with keys

// kNotFound if there is none, kLimit if it is larger than `bytes_max`.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);

// Whether it is a file that users other than its owner and group may read; false if that cannot be found out.
bool others_may_read(const std::filesystem::path& path);

// Status is rebuilt after a crash and need not survive a power cut; keys and ids must.
enum class Durability : std::uint8_t { kRename, kSync };

// Readers see the old contents or the new, never a part. The mode holds from the first byte on, whatever the umask.
Result<void> write_file(const std::filesystem::path& path, std::string_view contents, mode_t mode,
                        Durability durability);

// With its parents (which get kPublicDirectoryMode). The mode of a directory that exists is left alone, except that
// kPrivateDirectoryMode takes others' rights away.
Result<void> make_directory(const std::filesystem::path& path, mode_t mode);

// Takes a lock of the file's, waiting for whoever holds it. Released when the Fd closes.
Result<Fd> wait_for_lock(const std::filesystem::path& path);

// Takes the lock that says "a gateway runs here", or fails with kDuplicate naming the holder's process id. Released
// when the Fd closes, so also by kill -9.
Result<Fd> take_gateway_lock(const std::filesystem::path& path);
// Whether somebody holds it.
bool is_gateway_running(const std::filesystem::path& path);

}  // namespace fairlead
