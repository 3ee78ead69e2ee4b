// The admin API: what the running gateway tells and does for whoever may use its socket (admin_socket.h): the command
// line, and scripts (curl --unix-socket). Answers are JSON; those to errors are {"error": "…"} with a status of 4xx or
// 5xx. The fields of resources, status and network are those of the files below runtime/.
//
//   GET  /v1/version               {"version"}
//   GET  /v1/health                {"status": "ok" | "draining", "connections"}; 503 while draining
//   GET  /v1/status                all of it: what runtime/status.json holds, as of now
//   GET  /v1/resources             {"resources": […]}
//   GET  /v1/resources/KIND        {"resources": […]} of that kind
//   GET  /v1/resources/KIND/NAME   the resource
//   GET  /v1/network               sites, links with cost, what is served
//   GET  /v1/metrics               for Prometheus
//   GET  /v1/figures               what was counted since the start (router/site/figures_document.h): twice, for rates
//   GET  /v1/log-level             {"level"}
//   PUT  /v1/log-level             {"level": "debug"}, until the gateway ends
//   POST /v1/reload                reads the input anew: {"changes": […], "warnings": […], "errors": […],
//                                  "refusedBundles": […], "earlierChanges": […], "earlierAgeSeconds": N}, lines of text
//   GET  /v1/grants/NAME           {"url", "code", "ca", "expirationTime"}: what `token issue` writes down
//   POST /v1/trace                 {"routingKey"}: a probe on the way of the next connection; one line {"hop": {…}} for
//                                  each router on the path, as its answer comes in, then {"done": true} or {"error"}
//   POST /v1/link-test             {"name", "seconds"}: measures the link of that name, or to the site of that name;
//                                  lines {"progress": {…}}, then {"result": {…}} and {"done": true} or {"error"}
//   POST /v1/survey                one line {"site": {…}} for what each interior site measures, then {"done": true}
//
// Main thread only.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "router/gateway.h"
#include "tools/fairlead/live_site.h"
#include "tools/fairlead/polled_http.h"

namespace fairlead {

// What the gateway's process does and knows itself.
struct AdminActions {
  std::function<Reload()> reload;  // reads the input anew
  std::function<nlohmann::ordered_json(const std::string& name)> describe_grant;  // or {"error"}
  std::function<nlohmann::ordered_json()> status;
};

class AdminApi {
 public:
  AdminApi(Gateway& gateway, AdminActions actions) : gateway_(gateway), actions_(std::move(actions)) {}

  HttpAnswer answer(const HttpRequest& request);

 private:
  HttpAnswer answer_get(const std::string& path);
  HttpAnswer answer_post(const std::string& path, const nlohmann::ordered_json& body);

  Gateway& gateway_;
  AdminActions actions_;
};

}  // namespace fairlead
