// ServiceNotify: tells the service manager that started the gateway how it is: sd_notify(3) and its watchdog, by the
// documented protocol (datagrams to the socket of $NOTIFY_SOCKET). Without such a socket nothing happens.
//
// Main thread.
#pragma once

#include <string>
#include <string_view>

#include "transport/base/fd.h"
#include "transport/base/time.h"

namespace fairlead {

class ServiceNotify {
 public:
  // Takes the variables out of the environment, so that no child talks in our name.
  ServiceNotify();

  // Started, or reloaded.
  void ready() { say("READY=1"); }

  void reloading(Instant now);

  void stopping() { say("STOPPING=1"); }

  // A line for `systemctl status`. Sent when it differs from the one before.
  void status(const std::string& line);

  // How often alive() wants to be called; none: never.
  Duration watchdog_interval() const noexcept { return watchdog_interval_; }

  void alive() { say("WATCHDOG=1"); }

 private:
  void say(std::string_view message) const;

  Fd socket_;
  std::string last_status_;
  Duration watchdog_interval_{};
};

}  // namespace fairlead
