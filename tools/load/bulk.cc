#include "tools/load/bulk.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <sys/socket.h>

#include "tools/load/protocol.h"
#include "tools/load/sockets.h"
#include "transport/base/prng.h"

namespace fairlead::load {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;
// How long what is under way may take to arrive.
constexpr std::chrono::seconds kDrainMax{20};
// Of one connection before the others have their turn.
constexpr int kCallsInARow = 4;

struct Stream {
  Fd fd;
  bool up = false;
  bool over = false;
  bool finished = false;  // our direction
  std::uint64_t sent_bytes = 0;
  std::size_t answer_bytes = 0;
  std::uint64_t answer = 0;  // to an upload
};

std::vector<char> noise() {
  std::vector<char> bytes(kPieceBytes);
  Prng prng(1);
  for (char& byte : bytes)
    byte = static_cast<char>(prng.next());
  return bytes;
}

class Bulk {
 public:
  explicit Bulk(const LoadPlan& plan) : plan_(plan), payload_(noise()), received_(kPieceBytes) {
    if (plan.plain && plan.direction != Direction::kUp) {
      throw LoadError("a plain server takes what it gets; only one of ours sends as well (fairlead bench --serve)");
    }
    for (unsigned i = 0; i < plan.streams; ++i) {
      if (plan.direction != Direction::kDown) add(true);
      if (plan.direction != Direction::kUp) add(false);
    }
  }

  LoadResult run() {
    plan_.tell(Phase::kBegin);
    const Clock::time_point start = Clock::now();
    const Clock::time_point deadline = start + plan_.duration;
    const Clock::time_point give_up = deadline + kDrainMax;
    Progress progress(plan_, start);
    left_ = streams_.size();
    bool finishing = false;
    for (Clock::time_point now = start; left_ > 0 && now < give_up; now = Clock::now()) {
      if (!finishing && now >= deadline) {
        finishing = true;
        for (const auto& stream : streams_)
          finish(*stream);
      }
      if (!finishing) progress.tell(result_, now);
      for (const epoll_event& event : epoll_.wait(finishing ? give_up : std::min(deadline, progress.next()))) {
        auto& stream = *static_cast<Stream*>(event.data.ptr);
        if (!stream.over) advance(stream);
      }
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    plan_.tell(Phase::kEnd);
    result_.errors += left_;
    // Until now it was what was sent.
    if (!plan_.plain) result_.bytes_up = confirmed_;
    return result_;
  }

 private:
  void add(bool up) {
    streams_.push_back(std::make_unique<Stream>());
    Stream& stream = *streams_.back();
    stream.up = up;
    stream.fd = open_stream(plan_, up ? kUpload : kDownload);
    epoll_.add(stream.fd, up ? EPOLLOUT : EPOLLIN, &stream);
  }

  void advance(Stream& stream) {
    if (!stream.up) return receive_some(stream);
    return stream.finished ? take_count(stream) : send_some(stream);
  }

  void end(Stream& stream, bool ok) {
    if (!ok) ++result_.errors;
    stream.over = true;
    stream.fd.reset();
    --left_;
  }

  void send_some(Stream& stream) {
    for (int i = 0; i < kCallsInARow; ++i) {
      const ssize_t sent = ::send(stream.fd.get(), payload_.data(), payload_.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (sent < 0) return end(stream, false);
      stream.sent_bytes += static_cast<std::uint64_t>(sent);
      result_.bytes_up += static_cast<std::uint64_t>(sent);
      if (static_cast<std::size_t>(sent) < payload_.size()) return;
    }
  }

  void receive_some(Stream& stream) {
    for (int i = 0; i < kCallsInARow; ++i) {
      const ssize_t got = ::recv(stream.fd.get(), received_.data(), received_.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (got <= 0) return end(stream, got == 0 && stream.finished);
      result_.bytes_down += static_cast<std::uint64_t>(got);
      if (static_cast<std::size_t>(got) < received_.size()) return;
    }
  }

  void finish(Stream& stream) {
    if (stream.over) return;
    stream.finished = true;
    ::shutdown(stream.fd.get(), SHUT_WR);
    if (stream.up) epoll_.change(stream.fd, EPOLLIN, &stream);
  }

  // Of a plain server: its end, whatever it says before.
  void take_count(Stream& stream) {
    if (plan_.plain) {
      const ssize_t got = ::recv(stream.fd.get(), received_.data(), received_.size(), 0);
      if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
      return end(stream, got == 0);
    }
    char* const at = reinterpret_cast<char*>(&stream.answer) + stream.answer_bytes;
    const ssize_t got = ::recv(stream.fd.get(), at, sizeof stream.answer - stream.answer_bytes, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return end(stream, false);
    stream.answer_bytes += static_cast<std::size_t>(got);
    if (stream.answer_bytes < sizeof stream.answer) return;
    confirmed_ += stream.answer;
    end(stream, stream.answer == stream.sent_bytes);
  }

  const LoadPlan& plan_;
  const std::vector<char> payload_;
  std::vector<char> received_;
  std::vector<std::unique_ptr<Stream>> streams_;
  Epoll epoll_;
  LoadResult result_;
  std::uint64_t confirmed_ = 0;
  std::size_t left_ = 0;
};

}  // namespace

LoadResult run_bulk(const LoadPlan& plan) {
  return Bulk(plan).run();
}

}  // namespace fairlead::load
