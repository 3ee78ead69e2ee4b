// Kernel: the operating system as the data plane sees it, and the one seam behind which a simulated kernel can stand.
//
// Ring entries are written with liburing's inline helpers, which touch only shared memory, so a simulated kernel
// executes the same SQEs. The remaining calls are the few that io_uring does worse or not at all: socket set-up,
// shutdown and close (which io_uring hands to a worker thread), clock and entropy.
//
// One Kernel object may be shared by all threads (LiveKernel has no state) or belong to one simulated host.
// Errors: every call returns a value >= 0, or -errno.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <liburing.h>
#include <sys/socket.h>

#include "transport/base/time.h"

namespace fairlead {

// A socket address of any family, by value.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }

  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }

  int family() const noexcept { return storage.ss_family; }
};

// Who does the work of kernel TLS on a socket: the kernel's own code, or the network card.
enum class TlsEngine : std::uint8_t { kUnknown, kSoftware, kNic };

struct TlsEngines {
  TlsEngine send = TlsEngine::kUnknown;
  TlsEngine receive = TlsEngine::kUnknown;
};

// What a thread has used since it began, as the kernel counts it (getrusage).
struct ThreadUsage {
  Duration user{};
  Duration system{};
  std::uint64_t wake_ups = 0;     // times it gave the processor up, nearly always for want of something to do
  std::uint64_t preemptions = 0;  // times the processor was taken from it while it had something to do

  friend bool operator==(const ThreadUsage&, const ThreadUsage&) = default;
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  // Creates a ring for one thread: SINGLE_ISSUER, DEFER_TASKRUN, and disabled until enable_ring is called by the thread
  // that will use it. `params` returns what the kernel offers (features).
  virtual int setup_ring(io_uring& ring, unsigned entries, io_uring_params& params) noexcept = 0;
  virtual int enable_ring(io_uring& ring) noexcept = 0;
  virtual void close_ring(io_uring& ring) noexcept = 0;

  // Submits everything queued; with wait > 0 returns once a completion is there or the time is over (which is no
  // error), with 0 at once. -EINTR, -EAGAIN and -EBUSY are normal life: the caller goes on with its turn.
  virtual int enter(io_uring& ring, Duration wait) noexcept = 0;

  // Looks for so long, without sleeping, whether enter() has something to do that was submitted before. To wake a
  // processor that sleeps takes longer than most answers do.
  virtual bool spin(io_uring& ring, Duration at_most) noexcept = 0;

  // Has the kernel signal a descriptor (an eventfd) whenever there is something for enter() to do: a thread that waits
  // for other things as well cannot poll the ring itself, which with DEFER_TASKRUN says nothing before it is entered.
  virtual int register_event(io_uring& ring, int event_fd) noexcept = 0;

  virtual int register_buffer_ring(io_uring& ring, io_uring_buf_reg& registration) noexcept = 0;
  virtual int unregister_buffer_ring(io_uring& ring, int group) noexcept = 0;

  // Sockets: blocking mode (io_uring waits for them itself), close-on-exec.
  virtual int open_socket(int family) noexcept = 0;
  virtual int set_option(int fd, int level, int name, std::span<const std::byte> value) noexcept = 0;
  // A Unix socket replaces the file of one that nobody listens on any more, and whoever may reach its folder may
  // connect.
  virtual int bind_and_listen(int fd, const Address& address, int backlog) noexcept = 0;
  // Another descriptor of the same socket.
  virtual int duplicate(int fd) noexcept = 0;
  // Takes away the file of a Unix socket that listened.
  virtual void unlink_socket(const Address& address) noexcept = 0;
  virtual int local_address(int fd, Address& address) noexcept = 0;
  virtual int peer_address(int fd, Address& address) noexcept = 0;
  // How long ago bytes of the peer last arrived (TCP_INFO), in milliseconds; read or not.
  virtual int milliseconds_since_data(int fd) noexcept = 0;
  // Unknown where a direction has no key yet, or the process may not ask (CAP_NET_ADMIN).
  virtual TlsEngines tls_engines(int fd) noexcept = 0;
  virtual int shutdown(int fd, int how) noexcept = 0;
  virtual void close(int fd) noexcept = 0;
  // Closes with a reset (RST) instead of an orderly end, so that the other side cannot take a cut stream for a whole
  // one.
  virtual void close_with_reset(int fd) noexcept = 0;

  // An eventfd: how another thread wakes a ring that has a read of 8 bytes pending on it.
  virtual int open_event() noexcept = 0;
  virtual void signal_event(int fd) noexcept = 0;

  int set_option(int fd, int level, int name, int value) noexcept {
    return set_option(fd, level, name, std::as_bytes(std::span(&value, 1)));
  }

  virtual Instant now() noexcept = 0;
  virtual std::int64_t unix_seconds() noexcept = 0;
  // Of the calling thread.
  virtual ThreadUsage thread_usage() noexcept = 0;
  virtual void random(std::span<std::uint8_t> bytes) noexcept = 0;
};

// The real one. Stateless; lives as long as the process.
Kernel& live_kernel() noexcept;

}  // namespace fairlead
