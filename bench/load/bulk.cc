#include "bench/load/bulk.h"

#include <cerrno>
#include <vector>

#include <sys/socket.h>

#include "bench/load/protocol.h"
#include "bench/load/sockets.h"
#include "transport/base/prng.h"

namespace fairlead::load {
namespace {

constexpr std::size_t kSendBytes = 256 * 1024;
// How long what is under way may take to arrive.
constexpr std::chrono::seconds kDrainMax{20};

struct Stream {
  Fd fd;
  std::uint64_t sent_bytes = 0;
  bool finished = false;  // our direction
  bool over = false;
};

std::vector<char> noise() {
  std::vector<char> bytes(kSendBytes);
  Prng prng(1);
  for (char& byte : bytes) byte = static_cast<char>(prng.next());
  return bytes;
}

class Bulk {
 public:
  Bulk(const sockaddr_in& server, unsigned count) : payload_(noise()), streams_(count) {
    for (Stream& stream : streams_) {
      stream.fd = connect_to(server);
      if (!send_all(stream.fd, {&kUpload, 1})) die("a connection broke at its first byte");
      epoll_.add(stream.fd, EPOLLOUT, &stream);
    }
  }

  LoadResult run(Clock::duration duration) {
    const Clock::time_point start = Clock::now();
    const Clock::time_point deadline = start + duration;
    const Clock::time_point give_up = deadline + kDrainMax;
    std::size_t left = streams_.size();
    bool finishing = false;
    while (left > 0 && Clock::now() < give_up) {
      if (!finishing && Clock::now() >= deadline) {
        finishing = true;
        for (Stream& stream : streams_) finish(stream);
      }
      for (const epoll_event& event : epoll_.wait(finishing ? give_up : deadline)) {
        auto& stream = *static_cast<Stream*>(event.data.ptr);
        if (stream.over) continue;
        if (stream.finished) {
          take_count(stream);
        } else {
          send_some(stream);
        }
        if (stream.over) --left;
      }
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result_.errors += left;
    return result_;
  }

 private:
  void fail(Stream& stream) {
    ++result_.errors;
    stream.over = true;
    stream.fd.reset();
  }

  void send_some(Stream& stream) {
    const ssize_t sent = ::send(stream.fd.get(), payload_.data(), payload_.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      stream.sent_bytes += static_cast<std::uint64_t>(sent);
    } else if (errno != EAGAIN && errno != EINTR) {
      fail(stream);
    }
  }

  void finish(Stream& stream) {
    if (stream.over) return;
    stream.finished = true;
    ::shutdown(stream.fd.get(), SHUT_WR);
    epoll_.change(stream.fd, EPOLLIN, &stream);
  }

  void take_count(Stream& stream) {
    std::uint64_t count = 0;
    const ssize_t got = ::recv(stream.fd.get(), &count, sizeof count, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got != static_cast<ssize_t>(sizeof count) || count != stream.sent_bytes) return fail(stream);
    result_.bytes += count;
    stream.over = true;
    stream.fd.reset();
  }

  std::vector<char> payload_;
  std::vector<Stream> streams_;
  Epoll epoll_;
  LoadResult result_;
};

}  // namespace

LoadResult run_bulk(const sockaddr_in& server, unsigned streams, std::chrono::duration<double> duration) {
  return Bulk(server, streams).run(std::chrono::duration_cast<Clock::duration>(duration));
}

}  // namespace fairlead::load
