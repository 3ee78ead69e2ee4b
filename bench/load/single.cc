#include "bench/load/single.h"

#include <cerrno>
#include <vector>

#include <sys/socket.h>

#include "bench/load/protocol.h"
#include "bench/load/sockets.h"

namespace fairlead::load {
namespace {

constexpr std::chrono::seconds kDrainMax{10};

class Single {
 public:
  Single(const sockaddr_in& server, unsigned at_a_time) : server_(server), attempts_(at_a_time) {}

  LoadResult run(Clock::duration duration) {
    const Clock::time_point start = Clock::now();
    deadline_ = start + duration;
    for (Attempt& attempt : attempts_) begin(attempt);
    while (active_ > 0 && Clock::now() < deadline_ + kDrainMax) {
      for (const epoll_event& event : epoll_.wait(deadline_ + kDrainMax)) {
        auto& attempt = *static_cast<Attempt*>(event.data.ptr);
        if (attempt.state == State::kConnecting) {
          send_request(attempt);
        } else {
          read_answer(attempt);
        }
      }
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result_.requests = result_.latency.count();
    result_.errors += active_;
    return result_;
  }

 private:
  enum class State {
    kConnecting,
    kWaiting,  // for the answer
    kEnding,   // answered; the server is to close
  };
  struct Attempt {
    Fd fd;
    State state = State::kConnecting;
    Clock::time_point begun;
    std::size_t answered_bytes = 0;
  };

  void begin(Attempt& attempt) {
    // A connect that fails at once is an error too, and must not become a loop without end.
    while (Clock::now() < deadline_) {
      attempt = {start_connect(server_), State::kConnecting, Clock::now(), 0};
      if (attempt.fd) {
        epoll_.add(attempt.fd, EPOLLOUT, &attempt);
        ++active_;
        return;
      }
      ++result_.errors;
    }
  }

  void end(Attempt& attempt, bool ok) {
    if (!ok) ++result_.errors;
    attempt.fd.reset();
    --active_;
    begin(attempt);
  }

  void send_request(Attempt& attempt) {
    static constexpr char kRequest[1 + kRequestBytes] = {kOneRequest};
    if (connect_error(attempt.fd) != 0 || !send_all(attempt.fd, kRequest)) return end(attempt, false);
    attempt.state = State::kWaiting;
    epoll_.change(attempt.fd, EPOLLIN, &attempt);
  }

  void read_answer(Attempt& attempt) {
    char bytes[kRequestBytes + 1];
    const ssize_t got = ::recv(attempt.fd.get(), bytes, sizeof bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end(attempt, got == 0 && attempt.state == State::kEnding);
    attempt.answered_bytes += static_cast<std::size_t>(got);
    if (attempt.answered_bytes > kRequestBytes) return end(attempt, false);
    if (attempt.answered_bytes < kRequestBytes) return;
    attempt.state = State::kEnding;
    result_.latency.add(Clock::now() - attempt.begun);
  }

  sockaddr_in server_;
  std::vector<Attempt> attempts_;
  Epoll epoll_;
  LoadResult result_;
  Clock::time_point deadline_{};
  std::size_t active_ = 0;
};

}  // namespace

LoadResult run_single(const sockaddr_in& server, unsigned at_a_time, std::chrono::duration<double> duration) {
  return Single(server, at_a_time).run(std::chrono::duration_cast<Clock::duration>(duration));
}

}  // namespace fairlead::load
