// One line on a terminal's stderr, written over again and again, and gone at the end. Nothing where stderr is no
// terminal.
#pragma once

#include <string_view>

namespace fairlead {

class ProgressLine {
 public:
  ProgressLine() noexcept;
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  bool on_terminal() const noexcept { return on_terminal_; }

  void show(std::string_view text);
  // Before anything else is printed.
  void clear();

 private:
  const bool on_terminal_;
};

}  // namespace fairlead
