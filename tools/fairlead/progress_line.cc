#include "tools/fairlead/progress_line.h"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace fairlead {

ProgressLine::ProgressLine() noexcept : on_terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  clear();
}

void ProgressLine::show(std::string_view text) {
  if (!on_terminal_) return;
  fmt::print(stderr, "\r\033[K{}", text);
  std::fflush(stderr);
}

void ProgressLine::clear() {
  show({});
}

}  // namespace fairlead
