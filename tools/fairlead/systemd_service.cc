#include "tools/fairlead/systemd_service.h"

#include <cerrno>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/fairlead/systemd_unit.h"

extern char** environ;

namespace fairlead {

namespace {

bool is_root() {
  return ::geteuid() == 0;
}

}  // namespace

std::filesystem::path unit_file(const std::string& namespace_name) {
  if (is_root()) return std::filesystem::path("/etc/systemd/system") / unit_name(namespace_name);
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  const char* const home = std::getenv("HOME");
  const std::filesystem::path base = config != nullptr && *config == '/'
                                         ? std::filesystem::path(config)
                                         : std::filesystem::path(home == nullptr ? "/" : home) / ".config";
  return base / "systemd" / "user" / unit_name(namespace_name);
}

bool is_unit_installed(const std::string& namespace_name) {
  std::error_code ignored;
  return std::filesystem::exists(unit_file(namespace_name), ignored);
}

bool has_systemd() {
  std::error_code ignored;
  return std::filesystem::is_directory("/run/systemd/system", ignored);
}

Result<int> run_program(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words)
    argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (const int error = ::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ); error != 0) {
    return std::unexpected(error_from_errno(error, "cannot run " + words[0]));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return std::unexpected(error_from_errno(errno, words[0]));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

Result<void> systemctl(std::initializer_list<std::string> words) {
  std::vector<std::string> all = {"systemctl"};
  if (!is_root()) all.emplace_back("--user");
  all.insert(all.end(), words.begin(), words.end());
  const auto code = run_program(all);
  if (!code) return std::unexpected(code.error());
  if (*code == 0) return {};
  return fail(ErrorCode::kSystem, fmt::format("'{}' failed with exit code {}", fmt::join(all, " "), *code));
}

}  // namespace fairlead
