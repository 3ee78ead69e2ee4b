#include "tools/fairlead/admin_api.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "version.h"
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "router/site/figures_document.h"
#include "router/site/metrics.h"
#include "tools/fairlead/log_sink.h"
#include "transport/base/log.h"

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
    {"/v1/figures", "GET, HEAD"},
    {"/v1/log-level", "GET, HEAD, PUT"},
    {"/v1/grants/", "GET, HEAD"},
    {"/v1/reload", "POST"},
    {"/v1/trace", "POST"},
    {"/v1/link-test", "POST"},
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

std::string_view name_of(LinkTestPhase phase) {
  constexpr std::array<std::string_view, kLinkTestPhases + 1> kNames = {"idle", "upload", "download", "done"};
  return kNames[static_cast<std::size_t>(phase)];
}

// Of some. Sorts them.
Json summary_of(std::vector<Duration>& samples) {
  Json json = {{"samples", samples.size()}};
  std::ranges::sort(samples);
  const auto at = [&](std::size_t permille) {
    return static_cast<double>(samples[(samples.size() - 1) * permille / 1000].ns) / 1e3;
  };
  json["minMicroseconds"] = at(0);
  json["p50Microseconds"] = at(500);
  json["p90Microseconds"] = at(900);
  json["p99Microseconds"] = at(990);
  json["maxMicroseconds"] = at(1000);
  return json;
}

Json to_json(const LinkTestTransfer& transfer) {
  return {{"bytes", transfer.bytes},
          {"seconds", static_cast<double>(transfer.took.ns) / 1e9},
          {"bitsPerSecond", static_cast<std::uint64_t>(transfer.bits_per_second())}};
}

class LinkTestStream final : public HttpStream {
 public:
  LinkTestStream(Gateway& gateway, std::uint64_t test) : gateway_(gateway), test_(test) {}

  // Nobody waits for it any more: a link is not filled for nobody.
  ~LinkTestStream() override { gateway_.end_link_test(test_); }

  LinkTestStream(const LinkTestStream&) = delete;
  LinkTestStream& operator=(const LinkTestStream&) = delete;

  bool advance(std::string& out) override {
    auto report = gateway_.link_test(test_);
    if (!report) {
      out += to_line({{"error", "the test was forgotten: too many at a time"}});
      return false;
    }
    if (!report->done) {
      tell_progress(report->findings, out);
      return true;
    }
    out += to_line({{"result", result_of(*report)}});
    const std::optional<Error>& error = report->findings.error;
    out += to_line(error ? Json{{"error", error->message}} : Json{{"done", true}});
    return false;
  }

 private:
  void tell_progress(const LinkTestFindings& findings, std::string& out) {
    const bool upload = findings.phase == LinkTestPhase::kUpload;
    const LinkTestTransfer& transfer = upload ? findings.upload : findings.download;
    const Json progress = {{"phase", name_of(findings.phase)},
                           {"seconds", static_cast<double>(findings.elapsed.ns) / 1e9},
                           {"bitsPerSecond", static_cast<std::uint64_t>(transfer.bits_per_second())}};
    if (progress != std::exchange(told_, progress)) out += to_line({{"progress", progress}});
  }

  static Json result_of(LinkTestReport& report) {
    const LinkTestFindings& found = report.findings;
    Json round_trips = Json::object(), throughput = Json::object();
    for (const LinkTestPhase phase : {LinkTestPhase::kIdle, LinkTestPhase::kUpload, LinkTestPhase::kDownload}) {
      std::vector<Duration>& samples = report.findings.round_trips[static_cast<std::size_t>(phase)];
      if (!samples.empty()) round_trips[std::string(name_of(phase))] = summary_of(samples);
    }
    if (found.upload.bytes > 0) throughput["upload"] = to_json(found.upload);
    if (found.download.bytes > 0) throughput["download"] = to_json(found.download);
    return {{"link", report.link},
            {"site", report.site},
            {"sessions", report.sessions},
            {"roundTrips", std::move(round_trips)},
            {"throughput", std::move(throughput)}};
  }

  Gateway& gateway_;
  const std::uint64_t test_;
  Json told_;
};

HttpAnswer begin_link_test(Gateway& gateway, const Json& body) {
  constexpr std::int64_t kSecondsMax = 60;
  const std::string name = text_of(body, "name");
  if (name.empty()) return error_response(400, "link-test needs the name of a link, or of the site it leads to");
  LinkTestPlan plan;
  if (const auto seconds = body.find("seconds"); seconds != body.end()) {
    if (!seconds->is_number_unsigned() || *seconds < 1 || *seconds > kSecondsMax) {
      return error_response(400, fmt::format("seconds: needed is a whole number from 1 to {}", kSecondsMax));
    }
    plan.transfer = Duration::seconds(seconds->get<std::int64_t>());
  }
  const auto test = gateway.begin_link_test(name, plan);
  if (test) return std::make_unique<LinkTestStream>(gateway, *test);
  return error_response(test.error().code == ErrorCode::kNotFound ? 404 : 409, test.error().message);
}

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
  if (path == "/v1/figures") return json_response(make_figures_document(*gateway_.status()));
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
  if (path == "/v1/link-test") return begin_link_test(gateway_, body);
  const std::string key = text_of(body, "routingKey");
  if (key.empty()) return error_response(400, "trace needs a routingKey");
  return std::make_unique<TraceStream>(gateway_, gateway_.begin_trace(key));
}

}  // namespace fairlead
