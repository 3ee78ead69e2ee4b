#include "tools/fairlead/top_screen.h"

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string_view>
#include <utility>

#include <curses.h>
#include <unistd.h>

namespace fairlead {

namespace {

constexpr int kEscape = 27;
constexpr int kFailuresMax = 3;
constexpr int kTableTop = 2;  // line of the terminal
constexpr std::string_view kHelp = "q ends, space halts, arrows and page keys scroll";

volatile std::sig_atomic_t g_signal = 0;

void on_signal(int signal) {
  g_signal = signal;
}

// Without SA_RESTART: a wait for keys ends with it.
void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    sigaction(signal, &action, nullptr);
}

}  // namespace

Result<std::unique_ptr<TopScreen>> TopScreen::open() {
  const char* const type = std::getenv("TERM");
  // Bytes beyond ASCII are drawn as the locale says; programs print UTF-8 whatever it is.
  if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) std::setlocale(LC_CTYPE, "");
  if (::isatty(STDOUT_FILENO) == 0 || newterm(type, stdout, stdin) == nullptr) {
    return std::unexpected(Error{ErrorCode::kSystem, "cannot draw on a terminal of type '" +
                                                         std::string(type == nullptr ? "" : type) +
                                                         "'; use --count 1 for plain text, or -o json"});
  }
  catch_signals();
  cbreak();
  noecho();
  keypad(stdscr, TRUE);
  curs_set(0);
  return std::unique_ptr<TopScreen>(new TopScreen());
}

TopScreen::~TopScreen() {
  endwin();
}

void TopScreen::show(std::string summary, std::vector<TitledTable> tables) {
  summary_ = std::move(summary);
  lines_.clear();
  bold_.clear();
  for (const TitledTable& table : tables) {
    if (!lines_.empty()) lines_.emplace_back();
    lines_.push_back(table.title);
    bold_.resize(lines_.size());
    bold_.back() = true;
    std::istringstream text(format_table(table.rows));
    for (std::string line; std::getline(text, line);)
      lines_.push_back(std::move(line));
    bold_.resize(lines_.size());
  }
  draw();
}

void TopScreen::draw() {
  const int room = std::max(LINES - kTableTop - 1, 0);
  const int count = static_cast<int>(lines_.size());
  first_ = std::clamp(first_, 0, std::max(count - room, 0));
  erase();
  attron(A_BOLD);
  mvaddnstr(0, 0, summary_.c_str(), -1);
  attroff(A_BOLD);
  for (int i = 0; i < room && first_ + i < count; ++i) {
    const auto at = static_cast<std::size_t>(first_ + i);
    if (bold_[at]) attron(A_BOLD);
    mvaddnstr(kTableTop + i, 0, lines_[at].c_str(), -1);
    attroff(A_BOLD);
  }
  mvaddnstr(LINES - 1, 0, kHelp.data(), static_cast<int>(kHelp.size()));
  refresh();
}

void TopScreen::scroll_by(int lines) {
  first_ += lines;
  draw();
}

TopScreen::Key TopScreen::wait(std::chrono::milliseconds at_most) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + at_most;
  int failures = 0;  // in a row; a terminal that is gone has no keys any more, and does not keep anybody waiting
  while (g_signal == 0 && failures < kFailuresMax) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() < 0) return Key::kNone;
    timeout(static_cast<int>(left.count()) + 1);
    const int page = std::max(LINES - kTableTop - 2, 1);
    const int key = getch();
    failures = key == ERR && Clock::now() < end ? failures + 1 : 0;
    switch (key) {
      case 'q':
      case 'Q':
      case kEscape:
        return Key::kQuit;
      case ' ':
        return Key::kPause;
      case KEY_UP:
        scroll_by(-1);
        break;
      case KEY_DOWN:
        scroll_by(1);
        break;
      case KEY_PPAGE:
        scroll_by(-page);
        break;
      case KEY_NPAGE:
        scroll_by(page);
        break;
      case KEY_HOME:
        scroll_by(-first_);
        break;
      case KEY_RESIZE:
        draw();
        break;
      default:
        break;
    }
  }
  return Key::kQuit;
}

}  // namespace fairlead
