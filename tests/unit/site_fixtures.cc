#include "tests/unit/site_fixtures.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace fairlead {

namespace {

std::vector<std::string> texts(const Diagnostics& diagnostics, Severity severity) {
  std::vector<std::string> result;
  for (const Diagnostic& item : diagnostics.items()) {
    if (item.severity != severity) continue;
    result.push_back(fmt::format("{}:{}: {}", item.position.line, item.position.column, item.message));
  }
  return result;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "fairlead-test.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryDirectory::write(const std::filesystem::path& relative, std::string_view contents) const {
  const std::filesystem::path path = path_ / relative;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << contents;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.good()) << path;
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::filesystem::path test_data() {
  const char* root = std::getenv("FAIRLEAD_SOURCE_ROOT");
  return std::filesystem::path(root == nullptr ? "." : root) / "tests" / "data";
}

std::vector<std::string> errors_of(const Diagnostics& diagnostics) {
  return texts(diagnostics, Severity::kError);
}

std::vector<std::string> warnings_of(const Diagnostics& diagnostics) {
  return texts(diagnostics, Severity::kWarning);
}

}  // namespace fairlead
