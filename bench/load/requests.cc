#include "bench/load/requests.h"

#include <cerrno>
#include <deque>
#include <vector>

#include <sys/socket.h>

#include "bench/load/protocol.h"
#include "bench/load/sockets.h"

namespace fairlead::load {
namespace {

// How long answers that are under way at the end may take.
constexpr std::chrono::seconds kDrainMax{10};

struct Connection {
  Fd fd;
  std::deque<Clock::time_point> due;  // requests whose answer is not here yet, or that are not sent yet; oldest first
  std::size_t answered_bytes = 0;     // of the oldest
  bool asking = false;                // the oldest is sent
};

class Requests {
 public:
  Requests(const sockaddr_in& server, unsigned count) : connections_(count) {
    for (Connection& connection : connections_) {
      connection.fd = connect_to(server);
      if (!send_all(connection.fd, {&kEcho, 1})) die("a connection broke at its first byte");
      epoll_.add(connection.fd, EPOLLIN, &connection);
    }
  }

  LoadResult run(double rate_per_s, Clock::duration duration) {
    const Clock::time_point start = Clock::now();
    const Clock::time_point deadline = start + duration;
    closed_loop_until_ = rate_per_s > 0 ? start : deadline;
    const auto interval =
        rate_per_s > 0 ? std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate_per_s))
                       : Clock::duration::max();
    Clock::time_point next_due = rate_per_s > 0 ? start : Clock::time_point::max();
    if (rate_per_s <= 0) {
      for (Connection& connection : connections_)
        ask(connection, start);
    }
    std::size_t turn = 0;
    while (true) {
      const Clock::time_point now = Clock::now();
      for (; next_due <= now && next_due < deadline; next_due += interval) {
        ask(connections_[turn++ % connections_.size()], next_due);
      }
      if (now >= deadline && (waiting_ == 0 || now >= deadline + kDrainMax)) break;
      const bool over = now >= deadline;
      for (const epoll_event& event : epoll_.wait(over ? deadline + kDrainMax : std::min(next_due, deadline))) {
        read_answer(*static_cast<Connection*>(event.data.ptr));
      }
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result_.requests = result_.latency.count();
    result_.errors += waiting_;
    return result_;
  }

 private:
  void ask(Connection& connection, Clock::time_point due) {
    if (!connection.fd) {
      ++result_.errors;
      return;
    }
    connection.due.push_back(due);
    ++waiting_;
    if (!connection.asking) send_request(connection);
  }

  void send_request(Connection& connection) {
    static constexpr char kRequest[kRequestBytes] = {'?'};
    connection.asking = true;
    connection.answered_bytes = 0;
    // One request at a time always fits the send buffer.
    if (!send_all(connection.fd, kRequest)) fail(connection);
  }

  void read_answer(Connection& connection) {
    char bytes[kRequestBytes];
    if (!connection.fd) return;
    const ssize_t got = ::recv(connection.fd.get(), bytes, kRequestBytes - connection.answered_bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || !connection.asking) return fail(connection);
    connection.answered_bytes += static_cast<std::size_t>(got);
    if (connection.answered_bytes < kRequestBytes) return;
    const Clock::time_point now = Clock::now();
    result_.latency.add(now - connection.due.front());
    connection.due.pop_front();
    --waiting_;
    connection.asking = false;
    if (!connection.due.empty()) {
      send_request(connection);
    } else if (now < closed_loop_until_) {
      ask(connection, now);
    }
  }

  void fail(Connection& connection) {
    result_.errors += connection.due.size();
    waiting_ -= connection.due.size();
    connection.due.clear();
    connection.fd.reset();
  }

  std::vector<Connection> connections_;
  Epoll epoll_;
  LoadResult result_;
  std::size_t waiting_ = 0;
  Clock::time_point closed_loop_until_{};
};

}  // namespace

LoadResult run_requests(const sockaddr_in& server, unsigned connections, double rate_per_s,
                        std::chrono::duration<double> duration) {
  return Requests(server, connections).run(rate_per_s, std::chrono::duration_cast<Clock::duration>(duration));
}

}  // namespace fairlead::load
