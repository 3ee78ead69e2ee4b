// Paths, atomic writes with their modes, bounded reads, and the gateway's lock (held by a child process that is killed,
// as a crash would be).

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "router/site/files.h"
#include "router/site/paths.h"
#include "tests/unit/site_fixtures.h"

namespace fairlead {
namespace {

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status {};

  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

// Sets a variable for the life of this object; null unsets it.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    if (value == nullptr) {
      unsetenv(name);
    } else {
      setenv(name, value, 1);
    }
  }

  ~ScopedVariable() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

TEST(Paths, FairleadHomeGoesFirst) {
  const ScopedVariable home("FAIRLEAD_HOME", "/some/where");
  ASSERT_TRUE(data_root());
  EXPECT_EQ(*data_root(), "/some/where");
  const NamespacePaths paths(*data_root(), "west");
  EXPECT_EQ(paths.input_resources(), "/some/where/namespaces/west/input/resources");
  EXPECT_EQ(paths.runtime_certs(), "/some/where/namespaces/west/runtime/certs");
}

TEST(Paths, RelativeHomeIsRefused) {
  const ScopedVariable home("FAIRLEAD_HOME", "some/where");
  ASSERT_FALSE(data_root());
  EXPECT_EQ(data_root().error().code, ErrorCode::kInvalid);
}

TEST(Paths, DefaultsDependOnTheUser) {
  const ScopedVariable home("FAIRLEAD_HOME", nullptr);
  const ScopedVariable data("XDG_DATA_HOME", "/data");
  if (geteuid() == 0) {
    EXPECT_EQ(*data_root(), "/var/lib/fairlead");
    return;
  }
  EXPECT_EQ(*data_root(), "/data/fairlead");
  const ScopedVariable no_data("XDG_DATA_HOME", nullptr);
  const ScopedVariable user_home("HOME", "/users/x");
  EXPECT_EQ(*data_root(), "/users/x/.local/share/fairlead");
}

TEST(Files, WriteReplacesAndSetsTheMode) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "f";
  const mode_t umask_before = umask(0);
  ASSERT_TRUE(write_file(path, "one", kPublicFileMode, Durability::kRename));
  EXPECT_EQ(mode_of(path), 0644U);
  umask(0077);
  ASSERT_TRUE(write_file(path, "two", kPublicFileMode, Durability::kSync));
  EXPECT_EQ(mode_of(path), 0644U);
  ASSERT_TRUE(write_file(path, "three", kPrivateFileMode, Durability::kSync));
  umask(umask_before);
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(read_text(path), "three");
  // Nothing else is left behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(Files, AFailedWriteLeavesTheOldFileAndNoOther) {
  const TemporaryDirectory directory;
  directory.write("d/inside", "x");
  // A directory that is not empty cannot be replaced by a file.
  EXPECT_FALSE(write_file(directory.path() / "d", "new", kPublicFileMode, Durability::kRename));
  EXPECT_EQ(read_text(directory.path() / "d" / "inside"), "x");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
  EXPECT_FALSE(write_file(directory.path() / "none" / "f", "new", kPublicFileMode, Durability::kRename));
}

TEST(Files, ReadsAreBounded) {
  const TemporaryDirectory directory;
  directory.write("f", "12345");
  EXPECT_EQ(read_file(directory.path() / "f", 5).value(), "12345");
  EXPECT_EQ(read_file(directory.path() / "f", 4).error().code, ErrorCode::kLimit);
  EXPECT_EQ(read_file(directory.path() / "g", 4).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(read_file(directory.path(), 4));
  // Endless files end as well.
  EXPECT_EQ(read_file("/dev/zero", 100'000).error().code, ErrorCode::kLimit);
}

TEST(Files, PrivateDirectoriesBecomePrivate) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "a" / "b";
  ASSERT_TRUE(make_directory(path, kPublicDirectoryMode));
  chmod(path.c_str(), 0777);
  ASSERT_TRUE(make_directory(path, kPublicDirectoryMode));
  EXPECT_EQ(mode_of(path), 0777U);
  ASSERT_TRUE(make_directory(path, kPrivateDirectoryMode));
  EXPECT_EQ(mode_of(path), 0700U);
  directory.write("f", "");
  EXPECT_FALSE(make_directory(directory.path() / "f", kPublicDirectoryMode));
}

TEST(GatewayLock, OneHolder) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "gateway.lock";
  EXPECT_FALSE(is_gateway_running(path));
  {
    const auto lock = take_gateway_lock(path);
    ASSERT_TRUE(lock);
    EXPECT_TRUE(is_gateway_running(path));
    const auto second = take_gateway_lock(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kDuplicate);
    EXPECT_NE(second.error().message.find(std::to_string(getpid())), std::string::npos);
  }
  EXPECT_FALSE(is_gateway_running(path));
  EXPECT_TRUE(take_gateway_lock(path));
}

TEST(GatewayLock, EndsWithAKilledProcess) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "gateway.lock";
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = take_gateway_lock(path);
    const char taken = lock ? 'y' : 'n';
    static_cast<void>(!write(ready[1], &taken, 1));
    for (;;)
      pause();
  }
  char taken = 0;
  ASSERT_EQ(read(ready[0], &taken, 1), 1);
  EXPECT_EQ(taken, 'y');
  EXPECT_TRUE(is_gateway_running(path));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(is_gateway_running(path));
  close(ready[0]);
  close(ready[1]);
}

}  // namespace
}  // namespace fairlead
