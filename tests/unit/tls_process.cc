#include "tests/unit/tls_process.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fairlead {

namespace {

// Nothing waits for this long unless something hangs: it bounds a broken test.
constexpr int kHangLimitMs = 20'000;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "fairlead-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) die("mkdtemp");
  path_ = name;
}

TempDir::~TempDir() {
  std::filesystem::remove_all(path_);
}

void TempDir::write(std::string_view name, std::string_view content) const {
  std::ofstream(path(name)) << content;
}

std::string TempDir::read(std::string_view name) const {
  std::ifstream file(path(name));
  return {std::istreambuf_iterator<char>(file), {}};
}

Process::Process(const std::vector<std::string>& command) {
  int to_child[2];
  int from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) die("pipe2");
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  signal(SIGPIPE, SIG_IGN);
  pid_ = fork();
  if (pid_ < 0) die("fork");
  if (pid_ == 0) {
    dup2(to_child[0], 0);
    dup2(from_child[1], 1);
    dup2(from_child[1], 2);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  close(to_child[0]);
  close(from_child[1]);
  input_ = to_child[1];
  from_ = from_child[0];
}

Process::~Process() {
  close_input();
  if (from_ >= 0) close(from_);
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Process::write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t count = ::write(input_, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void Process::close_input() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

bool Process::read_some() {
  pollfd ready{from_, POLLIN, 0};
  if (poll(&ready, 1, kHangLimitMs) <= 0) return false;
  char buffer[4096];
  const ssize_t count = read(from_, buffer, sizeof buffer);
  if (count <= 0) return false;
  output_.append(buffer, static_cast<std::size_t>(count));
  return true;
}

bool Process::wait_for(std::string_view text, std::size_t from) {
  while (output_.find(text, from) == std::string::npos) {
    if (!read_some()) return false;
  }
  return true;
}

int Process::finish() {
  close_input();
  while (read_some()) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Outcome run(const std::vector<std::string>& command) {
  Process process(command);
  const int status = process.finish();
  return {status, process.output()};
}

bool have_openssl() {
  static const bool have = run({"openssl", "version"}).status == 0;
  return have;
}

}  // namespace fairlead
