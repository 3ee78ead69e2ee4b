// runtime/gateway.sock: where commands ask the running gateway what no file can tell them. One JSON object a line each
// way: a request, then answers, then the gateway closes the connection. Only the user that runs the gateway, and root,
// may connect.
//
//   {"command": "trace", "routingKey": "db"}
//     {"hop": {…}}     for each router on the path, as its answer comes in
//     {"done": true}, or {"error": "…"} instead
//   {"command": "survey"}
//     {"site": {…}}    what each interior site measures: round trips of its links, connections that it has open
//     {"done": true}
//   {"command": "reload"}
//     {"reload": {"changes": […], "warnings": […], "errors": […], "refusedBundles": […], "earlierChanges": […],
//                 "earlierAgeSeconds": N}}    lines of text, see Reload
//     {"done": true}
//   {"command": "logLevel", "level": "debug"}
//     {"done": true}, or {"error": "…"}
//   {"command": "grant", "name": "for-ams"}
//     {"grant": {"url", "code", "ca", "expirationTime"}}, or {"error": "…"}: what `token issue` writes down
//     {"done": true}
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <poll.h>

#include "router/gateway.h"
#include "tools/fairlead/live_site.h"
#include "tools/fairlead/polled_listener.h"
#include "transport/base/error.h"
#include "transport/base/fd.h"

namespace fairlead {

// What the gateway's process does itself when it is asked.
struct ControlActions {
  std::function<Reload()> reload;  // reads the input anew
  std::function<nlohmann::ordered_json(const std::string& name)> describe_grant;
};

// The gateway's end. Main thread only.
class ControlSocket {
 public:
  // Takes the place of what an earlier gateway left there.
  static Result<std::unique_ptr<ControlSocket>> open(const std::filesystem::path& path);
  ~ControlSocket();
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

  // What to wait for.
  void add_to(std::vector<pollfd>& fds) const;
  // Someone waits for an answer that no descriptor announces: serve() again soon.
  bool waiting() const;
  // Does what can be done without waiting.
  void serve(Gateway& gateway, const ControlActions& actions);

 private:
  struct Client;

  ControlSocket(std::filesystem::path path, Fd listening);
  void accept();

  std::filesystem::path path_;
  PolledListener listening_;
  std::vector<std::unique_ptr<Client>> clients_;
};

// A command's end: sends the request and hands over each answer until the gateway closes the connection. Fails if there
// is no gateway, or it says nothing for `timeout_ms`.
Result<void> ask_gateway(const std::filesystem::path& path, const nlohmann::ordered_json& request, int timeout_ms,
                         const std::function<void(const nlohmann::ordered_json&)>& on_answer);

}  // namespace fairlead
