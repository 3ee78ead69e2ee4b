// What `fairlead top` draws on a terminal, by ncurses, and the keys it takes.
//
// Owner: the command. One thread. While there is one, the terminal is its own: nothing else may write to it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tools/fairlead/top_rates.h"
#include "transport/base/error.h"

namespace fairlead {

class TopScreen {
 public:
  // Fails where stdout is no terminal that ncurses can draw on.
  static Result<std::unique_ptr<TopScreen>> open();
  // Gives the terminal back as it was.
  ~TopScreen();
  TopScreen(const TopScreen&) = delete;
  TopScreen& operator=(const TopScreen&) = delete;

  // Draws this from now on, also when the user scrolls or the terminal changes its size.
  void show(std::string summary, std::vector<TitledTable> tables);

  enum class Key { kNone, kQuit, kPause };
  // Waits at most so long for a key that is not about the screen itself. A signal that ends the program is kQuit.
  Key wait(std::chrono::milliseconds at_most);

 private:
  TopScreen() = default;

  void draw();
  void scroll_by(int lines);

  std::string summary_;
  std::vector<std::string> lines_;  // those with a title before them are in bold
  std::vector<bool> bold_;
  int first_ = 0;  // of lines_ that is drawn
};

}  // namespace fairlead
