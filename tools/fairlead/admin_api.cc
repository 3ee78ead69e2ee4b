#include "tools/fairlead/admin_api.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "router/site/metrics.h"
#include "tools/fairlead/log_sink.h"
#include "transport/base/log.h"
#include "version.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr char kJson[] = "application/json";

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

HttpResponse json_response(const Json& json, unsigned status = 200) {
  return {status, to_line(json), kJson};
}

HttpResponse error_response(unsigned status, const std::string& message) {
  return json_response({{"error", message}}, status);
}

// The methods of each path; those that end with '/' have something behind it.
struct Endpoint {
  std::string_view path;
  std::string_view methods;  // as in Allow
};

constexpr std::array kEndpoints = std::to_array<Endpoint>({
    {"/v1/version", "GET, HEAD"},
    {"/v1/health", "GET, HEAD"},
    {"/v1/status", "GET, HEAD"},
    {"/v1/resources", "GET, HEAD"},
    {"/v1/resources/", "GET, HEAD"},
    {"/v1/network", "GET, HEAD"},
    {"/v1/metrics", "GET, HEAD"},
    {"/v1/log-level", "GET, HEAD, PUT"},
    {"/v1/grants/", "GET, HEAD"},
    {"/v1/reload", "POST"},
    {"/v1/trace", "POST"},
    {"/v1/survey", "POST"},
});

const Endpoint* find_endpoint(std::string_view path) {
  const auto found = std::ranges::find_if(kEndpoints, [&](const Endpoint& endpoint) {
    return endpoint.path.ends_with('/') ? path.starts_with(endpoint.path) : path == endpoint.path;
  });
  return found == kEndpoints.end() ? nullptr : &*found;
}

// A method is one of the words, and not a part of one.
bool takes(const Endpoint& endpoint, std::string_view method) {
  return fmt::format(", {},", endpoint.methods).find(fmt::format(", {},", method)) != std::string::npos;
}

HttpResponse no_such_path(std::string_view path) {
  std::vector<std::string_view> paths;
  for (const Endpoint& endpoint : kEndpoints)
    paths.push_back(endpoint.path);
  return error_response(404, fmt::format("there is no {}; there are {}", path, fmt::join(paths, ", ")));
}

std::string text_of(const Json& object, const char* name) {
  const auto at = object.is_object() ? object.find(name) : object.end();
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Json to_json(const TraceHop& hop) {
  const TraceAnswer& answer = hop.answer;
  Json json;
  json["hop"] = answer.hop;
  json["siteId"] = answer.site_id;
  json["siteName"] = answer.site_name;
  json["time"] = {{"microseconds", hop.round_trip.microseconds()}};
  if (answer.state == TraceAnswer::State::kArrived) {
    json["server"] = {{"address", answer.server}, {"connectMicroseconds", answer.connect.microseconds()}};
  }
  if (!answer.error.empty()) json["error"] = answer.error;
  return json;
}

Json to_json(const NetworkSurvey::Site& site) {
  Json json = {{"siteId", site.id}, {"links", Json::array()}, {"loads", Json::array()}};
  for (const NetworkSurvey::Link& link : site.links)
    json["links"].push_back({{"siteId", link.site_id}, {"rttMicroseconds", link.round_trip.microseconds()}});
  for (const NetworkSurvey::Load& load : site.loads)
    json["loads"].push_back({{"routingKey", load.routing_key}, {"siteId", load.site_id}, {"open", load.open}});
  return json;
}

Json to_json(const Reload& reload) {
  return {{"changes", reload.changes},
          {"warnings", reload.warnings},
          {"errors", reload.errors},
          {"refusedBundles", reload.refused_bundles},
          {"earlierChanges", reload.earlier_changes},
          {"earlierAgeSeconds", reload.earlier_age_s}};
}

class TraceStream final : public HttpStream {
 public:
  TraceStream(Gateway& gateway, std::uint64_t trace) : gateway_(gateway), trace_(trace) {}

  bool advance(std::string& out) override {
    const auto report = gateway_.trace_report(trace_);
    if (!report) {
      out += to_line({{"error", "the trace was forgotten: too many at a time"}});
      return false;
    }
    for (; hops_told_ < report->hops.size(); ++hops_told_)
      out += to_line({{"hop", to_json(report->hops[hops_told_])}});
    if (!report->done) return true;
    out += to_line(report->error.empty() ? Json{{"done", true}} : Json{{"error", report->error}});
    return false;
  }

 private:
  Gateway& gateway_;
  const std::uint64_t trace_;
  std::size_t hops_told_ = 0;
};

class SurveyStream final : public HttpStream {
 public:
  SurveyStream(Gateway& gateway, std::uint64_t survey) : gateway_(gateway), survey_(survey) {}

  bool advance(std::string& out) override {
    const auto found = gateway_.survey(survey_);
    if (found && !found->done) return true;
    for (const NetworkSurvey::Site& site : found ? found->sites : std::vector<NetworkSurvey::Site>())
      out += to_line({{"site", to_json(site)}});
    out += to_line({{"done", true}});
    return false;
  }

 private:
  Gateway& gateway_;
  const std::uint64_t survey_;
};

HttpResponse health(const GatewayStatus& status) {
  return json_response({{"status", status.draining ? "draining" : "ok"}, {"connections", status.connections}},
                       status.draining ? 503 : 200);
}

HttpResponse find_resources(const Json& resources, std::string_view place) {
  const std::size_t slash = std::min(place.find('/'), place.size());
  const std::string_view kind = place.substr(0, slash);
  const std::string_view name = slash < place.size() ? place.substr(slash + 1) : std::string_view();
  Json of_kind = Json::array();
  for (const Json& resource : resources) {
    if (text_of(resource, "kind") != kind) continue;
    if (!name.empty() && text_of(resource.at("metadata"), "name") == name) return json_response(resource);
    of_kind.push_back(resource);
  }
  if (!name.empty()) return error_response(404, fmt::format("there is no {} {}", kind, name));
  return json_response({{"resources", std::move(of_kind)}});
}

HttpResponse set_level(const Json& body) {
  const std::string word = text_of(body, "level");
  const auto level = log_level_named(word);
  if (!level) return error_response(400, fmt::format("'{}' is no log level", word));
  set_log_level(*level);
  log_info("what is logged from now on: {} and above", word);
  return json_response({{"level", word}});
}

}  // namespace

HttpAnswer AdminApi::answer(const HttpRequest& request) {
  const std::string path(request.path());
  const Endpoint* const endpoint = find_endpoint(path);
  if (endpoint == nullptr) return no_such_path(path);
  if (!takes(*endpoint, request.method)) {
    HttpResponse response = error_response(405, fmt::format("{} takes {}", path, endpoint->methods));
    response.headers.emplace_back("Allow", endpoint->methods);
    return response;
  }
  if (request.method == "GET" || request.method == "HEAD") return answer_get(path);
  const Json body = request.body.empty() ? Json::object() : Json::parse(request.body, nullptr, false);
  if (!body.is_object()) return error_response(400, "the body is no JSON object");
  return answer_post(path, body);
}

HttpAnswer AdminApi::answer_get(const std::string& path) {
  constexpr std::string_view kResources = "/v1/resources/";
  constexpr std::string_view kGrants = "/v1/grants/";
  if (path == "/v1/version") return json_response({{"version", FAIRLEAD_VERSION}});
  if (path == "/v1/health") return health(*gateway_.status());
  if (path == "/v1/metrics") {
    return HttpResponse{200, format_metrics(*gateway_.status(), FAIRLEAD_VERSION), kMetricsContentType};
  }
  if (path == "/v1/log-level") return json_response({{"level", name_of(log_level())}});
  if (path.starts_with(kGrants)) {
    const Json grant = actions_.describe_grant(path.substr(kGrants.size()));
    return json_response(grant, grant.contains("error") ? 404 : 200);
  }
  const Json status = actions_.status();
  if (path == "/v1/status") return json_response(status);
  if (path == "/v1/network") return json_response(status.at("network"));
  if (path == "/v1/resources") return json_response({{"resources", status.at("resources")}});
  return find_resources(status.at("resources"), std::string_view(path).substr(kResources.size()));
}

HttpAnswer AdminApi::answer_post(const std::string& path, const Json& body) {
  if (path == "/v1/log-level") return set_level(body);
  if (path == "/v1/reload") return json_response(to_json(actions_.reload()));
  if (path == "/v1/survey") return std::make_unique<SurveyStream>(gateway_, gateway_.begin_survey());
  const std::string key = text_of(body, "routingKey");
  if (key.empty()) return error_response(400, "trace needs a routingKey");
  return std::make_unique<TraceStream>(gateway_, gateway_.begin_trace(key));
}

}  // namespace fairlead
