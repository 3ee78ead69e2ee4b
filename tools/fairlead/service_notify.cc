#include "tools/fairlead/service_notify.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "router/site/field_reader.h"
#include "transport/base/error.h"
#include "transport/base/log.h"

namespace fairlead {

namespace {

std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);
  return text;
}

// A path, or a name in the abstract namespace behind an '@'.
std::optional<sockaddr_un> address_of(const std::string& name, socklen_t& size) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() < 2 || name.size() >= sizeof address.sun_path || (name[0] != '/' && name[0] != '@')) {
    return std::nullopt;
  }
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return address;
}

}  // namespace

ServiceNotify::ServiceNotify() {
  const std::string name = take_variable("NOTIFY_SOCKET");
  const std::string timeout = take_variable("WATCHDOG_USEC");
  const std::string process = take_variable("WATCHDOG_PID");
  if (name.empty()) return;
  socklen_t size = 0;
  const auto address = address_of(name, size);
  Fd made(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!address || !made || ::connect(made.get(), reinterpret_cast<const sockaddr*>(&*address), size) != 0) {
    log_warning("the service manager is not told how the gateway is: {}",
                address ? error_from_errno(errno, name).message : "NOTIFY_SOCKET is no address: " + name);
    return;
  }
  socket_ = std::move(made);
  const auto microseconds = parse_number(timeout, 1, 0x7fffffff);
  const bool ours = process.empty() || process == std::to_string(::getpid());
  // Three times as often as it has to be.
  if (microseconds && ours) watchdog_interval_ = Duration::microseconds(*microseconds) / 3;
}

void ServiceNotify::reloading(Instant now) {
  say(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.ns / 1000));
}

void ServiceNotify::status(const std::string& line) {
  if (last_status_ == line) return;
  last_status_ = line;
  say("STATUS=" + line);
}

// A manager that does not listen is no reason to wait.
void ServiceNotify::say(std::string_view message) const {
  if (socket_) static_cast<void>(::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

}  // namespace fairlead
