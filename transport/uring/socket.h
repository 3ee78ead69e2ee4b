// Socket: unique owner of a socket of one Kernel. Closing does not end requests that the ring holds: an owner shuts
// down, joins its Ops, and only then closes (op.h).
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "transport/uring/kernel.h"

namespace fairlead {

class Socket {
 public:
  Socket() noexcept = default;

  Socket(Kernel& kernel, int fd) noexcept : kernel_(&kernel), fd_(fd) {}

  Socket(Socket&& other) noexcept : kernel_(other.kernel_), fd_(std::exchange(other.fd_, -1)) {}

  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      close();
      kernel_ = other.kernel_;
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  ~Socket() { close(); }

  int fd() const noexcept { return fd_; }

  explicit operator bool() const noexcept { return fd_ >= 0; }

  void close() noexcept {
    if (fd_ >= 0) kernel_->close(std::exchange(fd_, -1));
  }

  void close_with_reset() noexcept {
    if (fd_ >= 0) kernel_->close_with_reset(std::exchange(fd_, -1));
  }

  int shutdown(int how) noexcept { return fd_ >= 0 ? kernel_->shutdown(fd_, how) : 0; }

  int milliseconds_since_data() const noexcept { return kernel_->milliseconds_since_data(fd_); }

  int set_option(int level, int name, int value) noexcept { return kernel_->set_option(fd_, level, name, value); }

  int set_option(int level, int name, std::span<const std::byte> value) noexcept {
    return kernel_->set_option(fd_, level, name, value);
  }

 private:
  Kernel* kernel_ = nullptr;
  int fd_ = -1;
};

}  // namespace fairlead
