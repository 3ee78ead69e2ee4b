#include "tools/load/requests.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include "tools/load/protocol.h"
#include "tools/load/sockets.h"

namespace fairlead::load {
namespace {

// How long answers that are under way at the end may take.
constexpr std::chrono::seconds kDrainMax{10};
// How long it may take until all connections reach the server. Some gateways take milliseconds for each.
constexpr std::chrono::seconds kWarmUpMax{10};
constexpr std::chrono::milliseconds kWarmUpMaxEach{10};

struct Connection {
  Fd fd;
  std::deque<Clock::time_point> due;  // requests whose answer is not here yet, or that are not sent yet; oldest first
  std::size_t sent_bytes = 0;         // of the oldest
  std::size_t answered_bytes = 0;
  bool asking = false;   // the oldest is being sent, or is
  bool blocked = false;  // it waits for room
};

class Requests {
 public:
  explicit Requests(const LoadPlan& plan)
      : plan_(plan), request_(plan.request_bytes, 'r'), answer_(plan.request_bytes), connections_(plan.streams) {
    for (std::size_t number = 0; Connection& connection : connections_) {
      connection.fd = open_stream(plan, kEcho, number++);
      epoll_.add(connection.fd, EPOLLIN, &connection);
    }
  }

  LoadResult run() {
    if (!warm_up()) return result_;
    plan_.tell(Phase::kBegin);
    const Clock::time_point start = Clock::now();
    const Clock::time_point deadline = start + plan_.duration;
    const double rate = plan_.rate_per_s;
    Progress progress(plan_, start);
    closed_loop_until_ = rate > 0 ? start : deadline;
    const auto interval = rate > 0
                              ? std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate))
                              : Clock::duration::max();
    Clock::time_point next_due = rate > 0 ? start : Clock::time_point::max();
    if (rate <= 0) {
      for (Connection& connection : connections_) {
        if (connection.fd) ask(connection, start);
      }
    }
    std::size_t turn = 0;
    while (true) {
      const Clock::time_point now = Clock::now();
      for (; next_due <= now && next_due < deadline; next_due += interval)
        ask(connections_[turn++ % connections_.size()], next_due);
      const bool over = now >= deadline;
      if (over && (waiting_ == 0 || now >= deadline + kDrainMax)) break;
      if (!over) tell(progress, now);
      take_events(over ? deadline + kDrainMax : std::min({next_due, deadline, progress.next()}));
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    plan_.tell(Phase::kEnd);
    result_.requests = result_.latency.count();
    result_.errors += waiting_;
    return result_;
  }

 private:
  // One request on each connection, which is not counted: how long its way to the server takes to be made is no part of
  // what is measured. False: none reached it.
  bool warm_up() {
    const Clock::time_point start = Clock::now();
    const Clock::time_point give_up = start + kWarmUpMax + connections_.size() * kWarmUpMaxEach;
    Progress progress(plan_, start);
    for (Connection& connection : connections_)
      ask(connection, start);
    for (Clock::time_point now = start; waiting_ > 0 && now < give_up; now = Clock::now()) {
      tell(progress, now);
      take_events(std::min(give_up, progress.next()));
    }
    for (Connection& connection : connections_) {
      if (connection.asking) fail(connection);
    }
    result_.requests = 0;
    result_.latency = {};
    return std::ranges::any_of(connections_, [](const Connection& connection) { return bool(connection.fd); });
  }

  void take_events(Clock::time_point until) {
    for (const epoll_event& event : epoll_.wait(until)) {
      auto& connection = *static_cast<Connection*>(event.data.ptr);
      if (connection.blocked) send_rest(connection);
      read_answer(connection);
    }
  }

  void tell(Progress& progress, Clock::time_point now) {
    result_.requests = result_.latency.count();
    progress.tell(result_, now);
  }

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
    connection.asking = true;
    connection.sent_bytes = connection.answered_bytes = 0;
    send_rest(connection);
  }

  void send_rest(Connection& connection) {
    if (!connection.fd) return;
    const ssize_t sent = ::send(connection.fd.get(), request_.data() + connection.sent_bytes,
                                request_.size() - connection.sent_bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return fail(connection);
    connection.sent_bytes += static_cast<std::size_t>(sent < 0 ? 0 : sent);
    const bool blocked = connection.sent_bytes < request_.size();
    if (blocked == std::exchange(connection.blocked, blocked)) return;
    epoll_.change(connection.fd, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, &connection);
  }

  void read_answer(Connection& connection) {
    if (!connection.fd) return;
    const ssize_t got =
        ::recv(connection.fd.get(), answer_.data(), answer_.size() - connection.answered_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || !connection.asking) return fail(connection);
    connection.answered_bytes += static_cast<std::size_t>(got);
    if (connection.answered_bytes < answer_.size()) return;
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

  const LoadPlan& plan_;
  const std::vector<char> request_;
  std::vector<char> answer_;
  std::vector<Connection> connections_;
  Epoll epoll_;
  LoadResult result_;
  std::size_t waiting_ = 0;
  Clock::time_point closed_loop_until_{};
};

}  // namespace

LoadResult run_requests(const LoadPlan& plan) {
  return Requests(plan).run();
}

}  // namespace fairlead::load
