#include "tests/unit/fairlead_fixtures.h"

#include <array>
#include <csignal>
#include <cstdlib>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fairlead {

Process::Process(const std::filesystem::path& home, const std::vector<std::string>& arguments,
                 const char* stdout_file) {
  const char* binary = std::getenv("FAIRLEAD_BINARY");
  std::vector<std::string> words = {binary == nullptr ? "fairlead" : binary};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);

  std::array<int, 2> out{};
  std::array<int, 2> error{};
  EXPECT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(error.data(), O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  if (stdout_file != nullptr) {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, stdout_file, O_WRONLY, 0);
  }
  posix_spawn_file_actions_adddup2(&actions, error[1], STDERR_FILENO);
  setenv("FAIRLEAD_HOME", home.c_str(), 1);
  const int failed = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  EXPECT_EQ(failed, 0) << "cannot run " << words[0] << "; set FAIRLEAD_BINARY";
  if (failed != 0) pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
  out_ = Fd(out[0]);
  error_ = Fd(error[0]);
  close(out[1]);
  close(error[1]);
}

Process::~Process() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

bool Process::wait_for(std::string_view text) {
  while (error_text_.find(text) == std::string::npos) {
    if (!read_more()) return error_text_.find(text) != std::string::npos;
  }
  return true;
}

int Process::wait() {
  while (read_more()) {
  }
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void Process::send(int signal_number) const {
  kill(pid_, signal_number);
}

bool Process::read_more() {
  std::array<pollfd, 2> fds = {{{out_.get(), POLLIN, 0}, {error_.get(), POLLIN, 0}}};
  if (poll(fds.data(), fds.size(), kPatienceMs) <= 0) {
    ADD_FAILURE() << "nothing happened for " << kPatienceMs << " ms; stderr so far: " << error_text_;
    return false;
  }
  for (std::size_t i = 0; i < fds.size(); i++) {
    if (fds[i].revents == 0) continue;
    std::array<char, 4096> chunk{};
    const ssize_t size = read(fds[i].fd, chunk.data(), chunk.size());
    std::string& text = i == 0 ? out_text_ : error_text_;
    if (size > 0) text.append(chunk.data(), static_cast<std::size_t>(size));
    if (size <= 0) (i == 0 ? out_ : error_).reset();
  }
  return static_cast<bool>(out_) || static_cast<bool>(error_);
}

FreePort::FreePort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
}

void SiteFolder::write(const std::string& file, std::string_view text) const {
  home.write("namespaces/default/input/resources/" + file, text);
}

std::string accepting_site(int port) {
  return fmt::format(
      "kind: Site\nmetadata: {{name: west}}\n---\nkind: RouterAccess\nmetadata: {{name: west}}\n"
      "spec: {{bindHost: 127.0.0.1, roles: [{{name: inter-router, port: {}}}]}}\n",
      port);
}

}  // namespace fairlead
