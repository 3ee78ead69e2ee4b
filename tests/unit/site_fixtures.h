// What the tests of router/site share: a directory that goes away, and texts of resources.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "router/site/resources.h"

namespace fairlead {

// A directory of its own below the system's place for temporary files, removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  // Makes the directories on the way.
  void write(const std::filesystem::path& relative, std::string_view contents) const;

 private:
  std::filesystem::path path_;
};

std::string read_text(const std::filesystem::path& path);

// Where the files of tests/data are.
std::filesystem::path test_data();

// Only the errors, or only the warnings: "line:column: message".
std::vector<std::string> errors_of(const Diagnostics& diagnostics);
std::vector<std::string> warnings_of(const Diagnostics& diagnostics);

}  // namespace fairlead
