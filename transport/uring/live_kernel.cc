#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/uring/kernel.h"
#include "transport/uring/tls_diag.h"

namespace fairlead {
namespace {

// Between two looks: the other thread of the core gets its turn.
constexpr int kPauses = 8;

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

int result_of(int value) noexcept {
  return value < 0 ? -errno : value;
}

const char* path_of(const Address& address) noexcept {
  return reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
}

// The file of a Unix socket whose process is gone: the kernel leaves it there.
bool left_behind(const Address& address) noexcept {
  struct stat found {};
  if (::lstat(path_of(address), &found) < 0 || !S_ISSOCK(found.st_mode)) return false;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool refused = ::connect(fd, address.get(), address.size) < 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

class LiveKernel final : public Kernel {
 public:
  int setup_ring(io_uring& ring, unsigned entries, io_uring_params& params) noexcept override {
    params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_TASKRUN_FLAG;
    params.cq_entries = entries * 4;
    return io_uring_queue_init_params(entries, &ring, &params);
  }

  // By system call: the shared library of liburing 2.3 declares io_uring_enable_rings but does not export it.
  int enable_ring(io_uring& ring) noexcept override {
    return result_of(
        static_cast<int>(::syscall(__NR_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0)));
  }

  void close_ring(io_uring& ring) noexcept override { io_uring_queue_exit(&ring); }

  int enter(io_uring& ring, Duration wait) noexcept override {
    if (wait.ns <= 0) return io_uring_submit_and_get_events(&ring);
    io_uring_cqe* first = nullptr;
    __kernel_timespec timeout{wait.ns / 1'000'000'000, wait.ns % 1'000'000'000};
    const int done =
        io_uring_submit_and_wait_timeout(&ring, &first, 1, wait == Duration::max() ? nullptr : &timeout, nullptr);
    return done == -ETIME ? 0 : done;
  }

  bool spin(io_uring& ring, Duration at_most) noexcept override {
    const Instant end = now() + at_most;
    // Completions come to be when enter() runs what the kernel has put down for us to do, and says so by this flag.
    while ((__atomic_load_n(ring.sq.kflags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN) == 0) {
      if (io_uring_cq_ready(&ring) > 0) return true;
      if (now() >= end) return false;
      for (int i = 0; i < kPauses; ++i)
        pause();
    }
    return true;
  }

  int register_event(io_uring& ring, int event_fd) noexcept override {
    return io_uring_register_eventfd(&ring, event_fd);
  }

  int register_buffer_ring(io_uring& ring, io_uring_buf_reg& registration) noexcept override {
    return io_uring_register_buf_ring(&ring, &registration, 0);
  }

  int unregister_buffer_ring(io_uring& ring, int group) noexcept override {
    return io_uring_unregister_buf_ring(&ring, group);
  }

  int open_socket(int family) noexcept override { return result_of(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

  using Kernel::set_option;

  int set_option(int fd, int level, int name, std::span<const std::byte> value) noexcept override {
    return result_of(::setsockopt(fd, level, name, value.data(), static_cast<socklen_t>(value.size())));
  }

  int bind_and_listen(int fd, const Address& address, int backlog) noexcept override {
    int bound = result_of(::bind(fd, address.get(), address.size));
    const bool local = address.family() == AF_UNIX;
    if (local && bound == -EADDRINUSE && left_behind(address)) {
      unlink_socket(address);
      bound = result_of(::bind(fd, address.get(), address.size));
    }
    if (bound < 0) return bound;
    // As nginx and HAProxy do: who may connect is decided by the folder.
    if (local && ::chmod(path_of(address), 0666) < 0) return -errno;
    return result_of(::listen(fd, backlog));
  }

  int duplicate(int fd) noexcept override { return result_of(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

  void unlink_socket(const Address& address) noexcept override { static_cast<void>(::unlink(path_of(address))); }

  int local_address(int fd, Address& address) noexcept override {
    address.size = sizeof address.storage;
    return result_of(::getsockname(fd, address.get(), &address.size));
  }

  int peer_address(int fd, Address& address) noexcept override {
    address.size = sizeof address.storage;
    return result_of(::getpeername(fd, address.get(), &address.size));
  }

  int milliseconds_since_data(int fd) noexcept override {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) return -errno;
    return static_cast<int>(std::min<std::uint32_t>(info.tcpi_last_data_recv, INT32_MAX));
  }

  TlsEngines tls_engines(int fd) noexcept override {
    Address local;
    Address peer;
    if (local_address(fd, local) < 0 || peer_address(fd, peer) < 0) return {};
    return ask_tls_engines(local, peer);
  }

  int shutdown(int fd, int how) noexcept override { return result_of(::shutdown(fd, how)); }

  void close(int fd) noexcept override { ::close(fd); }

  void close_with_reset(int fd) noexcept override {
    const linger hard{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    ::close(fd);
  }

  int open_event() noexcept override { return result_of(::eventfd(0, EFD_CLOEXEC)); }

  void signal_event(int fd) noexcept override {
    const std::uint64_t one = 1;
    // Can only fail when the counter would overflow, and then the reader is awake anyway.
    [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
  }

  Instant now() noexcept override {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return {t.tv_sec * 1'000'000'000 + t.tv_nsec};
  }

  std::int64_t unix_seconds() noexcept override {
    timespec t;
    ::clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec;
  }

  ThreadUsage thread_usage() noexcept override {
    rusage usage{};
    if (::getrusage(RUSAGE_THREAD, &usage) < 0) return {};
    const auto duration = [](const timeval& t) {
      return Duration::seconds(t.tv_sec) + Duration::microseconds(t.tv_usec);
    };
    return {.user = duration(usage.ru_utime),
            .system = duration(usage.ru_stime),
            .wake_ups = static_cast<std::uint64_t>(usage.ru_nvcsw),
            .preemptions = static_cast<std::uint64_t>(usage.ru_nivcsw)};
  }

  void random(std::span<std::uint8_t> bytes) noexcept override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::getrandom(bytes.data() + done, bytes.size() - done, 0);
      if (n > 0) done += static_cast<std::size_t>(n);
    }
  }
};

}  // namespace

Kernel& live_kernel() noexcept {
  static LiveKernel kernel;
  return kernel;
}

}  // namespace fairlead
