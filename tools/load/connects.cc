#include "tools/load/connects.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "tools/load/protocol.h"
#include "tools/load/sockets.h"

namespace fairlead::load {
namespace {

constexpr std::chrono::seconds kDrainMax{10};

class Connects {
 public:
  explicit Connects(const LoadPlan& plan) : plan_(plan), attempts_(plan.streams) {
    if (plan.plain) throw LoadError("to close once the answer is sent takes a server of ours (fairlead bench --serve)");
    const std::uint32_t size = plan.request_bytes;
    request_ = preamble(kOneRequest) + std::string(reinterpret_cast<const char*>(&size), sizeof size);
    request_.resize(request_.size() + size, 'r');
    answer_.resize(size + 1);
    connect_to(plan.server);  // says why, if it cannot be
  }

  LoadResult run() {
    plan_.tell(Phase::kBegin);
    const Clock::time_point start = Clock::now();
    deadline_ = start + plan_.duration;
    Progress progress(plan_, start);
    for (Attempt& attempt : attempts_)
      begin(attempt);
    while (active_ > 0 && Clock::now() < deadline_ + kDrainMax) {
      result_.requests = result_.latency.count();
      progress.tell(result_, Clock::now());
      for (const epoll_event& event : epoll_.wait(std::min(deadline_ + kDrainMax, progress.next()))) {
        auto& attempt = *static_cast<Attempt*>(event.data.ptr);
        if (attempt.state == State::kConnecting) {
          send_request(attempt);
        } else {
          read_answer(attempt);
        }
      }
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    plan_.tell(Phase::kEnd);
    result_.requests = result_.latency.count();
    result_.errors += active_;
    return result_;
  }

 private:
  enum class State {
    kConnecting,  // or sending its request
    kWaiting,     // for the answer
    kEnding,      // answered; the server is to close
  };

  struct Attempt {
    Fd fd;
    State state = State::kConnecting;
    Clock::time_point begun;
    std::size_t sent_bytes = 0;
    std::size_t answered_bytes = 0;
  };

  void begin(Attempt& attempt) {
    // A connect that fails at once is an error too, and must not become a loop without end.
    while (Clock::now() < deadline_) {
      attempt = {start_connect(plan_.server), State::kConnecting, Clock::now()};
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

  // The rest goes out once there is room.
  void send_request(Attempt& attempt) {
    if (attempt.sent_bytes == 0 && connect_error(attempt.fd) != 0) return end(attempt, false);
    const ssize_t sent = ::send(attempt.fd.get(), request_.data() + attempt.sent_bytes,
                                request_.size() - attempt.sent_bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return end(attempt, false);
    attempt.sent_bytes += static_cast<std::size_t>(sent < 0 ? 0 : sent);
    if (attempt.sent_bytes < request_.size()) return;
    attempt.state = State::kWaiting;
    epoll_.change(attempt.fd, EPOLLIN, &attempt);
  }

  void read_answer(Attempt& attempt) {
    const ssize_t got = ::recv(attempt.fd.get(), answer_.data(), answer_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end(attempt, got == 0 && attempt.state == State::kEnding);
    attempt.answered_bytes += static_cast<std::size_t>(got);
    if (attempt.answered_bytes > plan_.request_bytes) return end(attempt, false);
    if (attempt.answered_bytes < plan_.request_bytes) return;
    attempt.state = State::kEnding;
    result_.latency.add(Clock::now() - attempt.begun);
  }

  const LoadPlan& plan_;
  std::string request_;  // with its preamble
  std::vector<char> answer_;
  std::vector<Attempt> attempts_;
  Epoll epoll_;
  LoadResult result_;
  Clock::time_point deadline_{};
  std::size_t active_ = 0;
};

}  // namespace

LoadResult run_connects(const LoadPlan& plan) {
  return Connects(plan).run();
}

}  // namespace fairlead::load
