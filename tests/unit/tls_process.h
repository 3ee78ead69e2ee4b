// Programs that tests run, and temporary directories: for comparing ourselves with openssl.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace fairlead {

// A directory below the system's place for temporary files; removed with what is in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }
  void write(std::string_view name, std::string_view content) const;
  std::string read(std::string_view name) const;

 private:
  std::string path_;
};

// A running program with its standard input and its output (both streams in one) at hand. Killed at the end of its
// scope if it still runs.
class Process {
 public:
  explicit Process(const std::vector<std::string>& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void write(std::string_view text) const;
  void close_input();
  // Reads until the output contains `text` at or behind `from`; false if it ends first or nothing comes for a long
  // time.
  bool wait_for(std::string_view text, std::size_t from = 0);
  // Reads to the end of the output and returns the exit status (-1: ended by a signal).
  int finish();
  const std::string& output() const { return output_; }

 private:
  bool read_some();

  pid_t pid_ = -1;
  int input_ = -1;
  int from_ = -1;
  std::string output_;
};

struct Outcome {
  int status;
  std::string output;
};

Outcome run(const std::vector<std::string>& command);

bool have_openssl();

}  // namespace fairlead

#define SKIP_WITHOUT_OPENSSL() \
  if (!have_openssl()) GTEST_SKIP() << "the openssl program is not installed"
