// An HTTP server in the main thread's poll loop: takes requests, gives answers, and never waits for a client. Clients
// are bounded in number, time and memory: one too many takes the place of the one that has been idle for the longest.
//
// Main thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <poll.h>

#include "router/site/http_reader.h"
#include "tools/fairlead/polled_listener.h"
#include "transport/base/fd.h"

namespace fairlead {

// An answer that is known piece by piece: a JSON object on each line (application/x-ndjson). It ends with the
// connection.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  // Appends what there is to say since the last time; false: that was all.
  virtual bool advance(std::string& out) = 0;
};

using HttpAnswer = std::variant<HttpResponse, std::unique_ptr<HttpStream>>;
using HttpHandler = std::function<HttpAnswer(const HttpRequest&)>;

class PolledHttp {
 public:
  // `listening` does not block. `admits`: whether the client of that descriptor may ask; null: everybody may. Whoever
  // may not is answered 403.
  PolledHttp(Fd listening, std::uint64_t body_bytes_max, std::function<bool(int fd)> admits = nullptr);
  ~PolledHttp();
  PolledHttp(const PolledHttp&) = delete;
  PolledHttp& operator=(const PolledHttp&) = delete;

  // What to wait for.
  void add_to(std::vector<pollfd>& fds) const;

  // Then serve() has to come again within a second or so, whatever happens.
  bool waiting() const noexcept { return !clients_.empty() || listening_.paused(); }

  // Then it has to come again soon: what a stream has to say, no descriptor announces.
  bool streaming() const noexcept;

  // Parts from all clients: what their answers come from is about to end.
  void drop_clients() noexcept;

  // Does what can be done without waiting.
  void serve(const HttpHandler& handler);

 private:
  class Client;

  void accept(std::chrono::steady_clock::time_point now);

  PolledListener listening_;
  const std::uint64_t body_bytes_max_;
  const std::function<bool(int fd)> admits_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace fairlead
