#include "tools/fairlead/network_source.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "router/site/files.h"
#include "router/site/network_document.h"
#include "router/site/network_reader.h"
#include "tools/fairlead/admin_client.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

// Longer than the gateway waits for answers.
constexpr int kSurveyTimeoutMs = 3000;

Result<std::string> read_standard_input() {
  std::string text;
  std::array<char, 64 * 1024> chunk;
  while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), stdin)) {
    text.append(chunk.data(), size);
    if (text.size() > kNetworkBytesMax) break;  // refused by the reader, which says how much is allowed
  }
  if (std::ferror(stdin) != 0) return std::unexpected(error_from_errno(errno, "cannot read the standard input"));
  return text;
}

std::variant<NetworkModel, int> parse(const std::string& text, const std::string& file) {
  Diagnostics diagnostics;
  auto model = read_network(text, file, diagnostics);
  if (model) return std::move(*model);
  for (const Diagnostic& diagnostic : diagnostics.items())
    fmt::print(stderr, "{}\n", to_string(diagnostic));
  return kExitInvalid;
}

// What a site has measured on a link stands at both its ends, as cost does.
void note_round_trip(Json& document, const std::string& from, const std::string& to, std::uint64_t microseconds) {
  for (Json& site : document.at("sites")) {
    if (site.at("id") != from && site.at("id") != to) continue;
    const std::string& other = site.at("id") == from ? to : from;
    for (Json& link : site.at("links")) {
      if (link.at("siteId") != other || link.contains("rtt")) continue;
      link["rtt"] = format_rtt(Duration::microseconds(static_cast<std::int64_t>(microseconds)));
      link["rttMicroseconds"] = microseconds;
    }
  }
}

void take_survey(const NamespacePaths& paths, LiveNetwork& live) {
  const AdminRequest request{"POST", "/v1/survey"};
  const auto asked = ask_gateway(paths.admin_socket(), request, kSurveyTimeoutMs, [&](const Json& answer) {
    if (!answer.contains("site")) return;
    const Json& site = answer["site"];
    const std::string id = text_at(site, "/siteId");
    for (const Json& link : site.at("links"))
      note_round_trip(live.document, id, text_at(link, "/siteId"), number_at(link, "/rttMicroseconds"));
    NetworkModel::Open& open = live.open[id];
    for (const Json& load : site.at("loads"))
      open[{text_at(load, "/routingKey"), text_at(load, "/siteId")}] =
          static_cast<std::uint32_t>(number_at(load, "/open"));
  });
  // What is not known is shown as that.
  if (!asked) fmt::print(stderr, "fairlead: other sites were not asked: {}\n", asked.error().message);
}

}  // namespace

std::optional<LiveNetwork> read_live_network(const CommonArguments& common, bool survey) {
  const auto paths = find_namespace(common);
  if (!paths) return std::nullopt;
  if (!is_gateway_running(paths->lock())) {
    print_not_running(*paths);
    return std::nullopt;
  }
  auto snapshot = read_status_snapshot(*paths);
  if (!snapshot) {
    print_error(snapshot.error());
    return std::nullopt;
  }
  LiveNetwork live{std::move(snapshot->at("network")), {}};
  if (survey) take_survey(*paths, live);
  return live;
}

std::variant<NetworkModel, int> model_of(const Json& network) {
  const Json& sites = network.at("sites");
  if (sites.size() == 1 && sites[0].at("role") == "edge") {
    std::string uplinks;
    for (const Json& link : sites[0].at("links"))
      uplinks += (uplinks.empty() ? "" : " or ") + text_at(link, "/siteName");
    fmt::print(
        stderr,
        "fairlead: {} is an edge site, which does not see the network; ask at {}, or give what 'fairlead network "
        "status -o yaml' prints there to --topology\n",
        text_at(sites[0], "/name"), uplinks.empty() ? "an interior site" : uplinks);
    return kExitFailed;
  }
  return parse(dump_json(network), "status.json");
}

std::variant<NetworkModel, int> read_network_file(const std::string& file) {
  const auto text = file == "-" ? read_standard_input() : read_file(file, kNetworkBytesMax);
  if (text) return parse(*text, file == "-" ? "standard input" : file);
  print_error(text.error());
  return kExitInvalid;
}

}  // namespace fairlead
