// What tests of the binary share: the program named by FAIRLEAD_BINARY as a child, free ports of 127.0.0.1,
// and the folder of a site.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "tests/unit/loopback.h"
#include "tests/unit/site_fixtures.h"
#include "transport/base/fd.h"

namespace fairlead {

// No run takes nearly as long; a hang ends the test with a message instead of the runner's.
inline constexpr int kPatienceMs = 30'000;
// A status is asked for again until it is what is waited for; each time costs a process.
inline constexpr int kAttemptsMax = 1000;

// A child with its stdout (or a file instead) and stderr in pipes. Killed, if it still runs, with this object.
class Process {
 public:
  Process(const std::filesystem::path& home, const std::vector<std::string>& arguments,
          const char* stdout_file = nullptr);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Reads on until stderr has the text; false if the process ends before.
  bool wait_for(std::string_view text);

  // The exit code; -1 for a death by signal.
  int wait();

  void send(int signal_number) const;

  const std::string& out() const { return out_text_; }

  const std::string& error() const { return error_text_; }

  pid_t id() const { return pid_; }

 private:
  // False when both pipes are at their end.
  bool read_more();

  pid_t pid_ = -1;
  Fd out_;
  Fd error_;
  std::string out_text_;
  std::string error_text_;
};

// A port that was free a moment ago. It stays bound without listening for the life of this object unless released.
class FreePort {
 public:
  FreePort();

  int number() const { return port_; }

  int release() {
    fd_.reset();
    return port_;
  }

 private:
  Fd fd_;
  int port_ = 0;
};

// What FAIRLEAD_HOME names: the resources of one site.
struct SiteFolder {
  TemporaryDirectory home;

  void write(const std::string& file, std::string_view text) const;
};

// Resources of a site `west` that accepts links at the port.
std::string accepting_site(int port);

}  // namespace fairlead
