#include "tools/fairlead/polled_listener.h"

#include <cerrno>

#include <sys/socket.h>

namespace fairlead {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{100};

}  // namespace

Fd PolledListener::accept() {
  if (again_ && Clock::now() < *again_) return {};
  again_.reset();
  Fd client(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) again_ = Clock::now() + kPause;
  return client;
}

}  // namespace fairlead
