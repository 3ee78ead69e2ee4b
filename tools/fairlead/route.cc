// `fairlead route KEY`: which site a connection for a key goes to, with every candidate and why. Of this site as its
// gateway says; of another one, of a network in a file, or of what would be, as the planner works it out.

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "router/site/names.h"
#include "router/site/network_changes.h"
#include "router/site/network_document.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/network_source.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

// One answer, as a document: key, from, candidates; or instead of these changes, before, after.
int print_document(const Json& answer, OutputFormat format) {
  fmt::print("{}", format == OutputFormat::kJson ? dump_json(answer) : to_yaml(answer));
  return kExitOk;
}

int print_nobody(const std::string& key, const std::string& from, const std::set<std::string>& served) {
  const std::vector<std::string_view> names(served.begin(), served.end());
  const std::string_view meant = served.contains(key) ? std::string_view{} : closest(key, names);
  fmt::print(stderr, "fairlead: no site that can be reached{} serves the key '{}'{}\n",
             from.empty() ? "" : fmt::format(" from {}", from), key,
             meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant));
  return kExitFailed;
}

// ---- as cells of a table

std::string site_text(const Json& candidate) {
  const std::string name = text_at(candidate, "/siteName");
  return candidate.value("uplink", false) ? "over " + name : name;
}

std::string path_text(const Json& candidate) {
  std::vector<std::string> path;
  for (const Json& hop : candidate.at("path"))
    path.push_back(hop.get<std::string>());
  return path.empty() ? "this site" : fmt::format("{}", fmt::join(path, " > "));
}

std::string value_text(const Json& candidate) {
  const Json& value = candidate.at("value");
  return value.is_null() ? "" : fmt::format("{:.2f}", value.get<double>());
}

std::string open_text(const Json& candidate) {
  return candidate.at("open").is_null() ? "" : text_at(candidate, "/open");
}

const char* mark_of(const Json& candidate) {
  return candidate.value("chosen", false) ? "=>" : " ";
}

bool is_load_known(const Json& candidates) {
  return std::ranges::none_of(candidates, [](const Json& candidate) { return candidate.at("open").is_null(); });
}

std::string load_note(const std::string& from) {
  return fmt::format("\nWhich connections {} has open is not known here: this is its choice while it has none.\n",
                     from);
}

std::string route_table(const Json& answer) {
  std::vector<TableRow> rows = {{" ", "SITE", "COST", "INSTANCES", "OPEN", "VALUE", "PATH"}};
  for (const Json& candidate : answer.at("candidates")) {
    rows.push_back({mark_of(candidate), site_text(candidate), text_at(candidate, "/cost"),
                    text_at(candidate, "/instances"), open_text(candidate), value_text(candidate),
                    path_text(candidate)});
  }
  std::string text = format_table(rows);
  if (!is_load_known(answer.at("candidates"))) text += load_note(text_at(answer, "/from/name"));
  return text;
}

// ---- before and after

// A site may be a candidate twice: an edge site that two interior sites tell of.
const Json* find_candidate(const Json& candidates, const Json& wanted) {
  const auto at = std::ranges::find_if(
      candidates, [&](const Json& candidate) { return candidate.at("siteId") == wanted.at("siteId"); });
  return at == candidates.end() ? nullptr : &*at;
}

const Json* chosen_of(const Json& candidates) {
  const auto at =
      std::ranges::find_if(candidates, [](const Json& candidate) { return candidate.value("chosen", false); });
  return at == candidates.end() ? nullptr : &*at;
}

std::string change_text(const Json* before, const Json* after) {
  if (before == nullptr) return "new";
  if (after == nullptr) return "lost";
  std::vector<std::string> parts;
  const auto old_cost = before->at("cost").get<std::int64_t>();
  const auto new_cost = after->at("cost").get<std::int64_t>();
  if (old_cost != new_cost) parts.push_back(fmt::format("cost {:+}", new_cost - old_cost));
  if (before->at("path") != after->at("path")) parts.emplace_back("path");
  return fmt::format("{}", fmt::join(parts, ", "));
}

TableRow change_row(const Json* before, const Json* after) {
  const Json& either = after == nullptr ? *before : *after;
  TableRow row = {site_text(either), text_at(either, "/instances"), open_text(either)};
  for (const Json* candidate : {before, after}) {
    if (candidate == nullptr) {
      row.insert(row.end(), {" ", "", "", ""});
    } else {
      row.insert(row.end(),
                 {mark_of(*candidate), text_at(*candidate, "/cost"), value_text(*candidate), path_text(*candidate)});
    }
  }
  row.push_back(change_text(before, after));
  return row;
}

std::string summary_of(const Json& answer) {
  const Json* before = chosen_of(answer.at("before"));
  const Json* after = chosen_of(answer.at("after"));
  const std::string from = text_at(answer, "/from/name");
  const std::string key = text_at(answer, "/key");
  if (after == nullptr) return fmt::format("From {} nobody could be reached any more who serves {}.\n", from, key);
  const std::string site = text_at(*after, "/siteName");
  if (before == nullptr) return fmt::format("From {} the next connection for {} would go to {}.\n", from, key, site);
  const std::string old_site = text_at(*before, "/siteName");
  if (before->at("siteId") != after->at("siteId")) {
    return fmt::format("From {} the next connection for {} would go to {} instead of {}.\n", from, key, site, old_site);
  }
  const bool other_path = before->at("path") != after->at("path");
  return fmt::format("From {} the next connection for {} would still go to {}{}.\n", from, key, site,
                     other_path ? ", by another path" : "");
}

std::string change_table(const Json& answer) {
  const Json& before = answer.at("before");
  const Json& after = answer.at("after");
  std::vector<TableRow> rows = {
      {"SITE", "INSTANCES", "OPEN", "BEFORE", "COST", "VALUE", "PATH", "AFTER", "COST", "VALUE", "PATH", "CHANGE"}};
  for (const Json& candidate : after)
    rows.push_back(change_row(find_candidate(before, candidate), &candidate));
  for (const Json& candidate : before) {
    if (find_candidate(after, candidate) == nullptr) rows.push_back(change_row(&candidate, nullptr));
  }
  std::string text = format_table(rows) + "\n" + summary_of(answer);
  if (!is_load_known(before) || !is_load_known(after)) text += load_note(text_at(answer, "/from/name"));
  return text;
}

Json changes_json(const NetworkModel& model, const std::vector<NetworkChange>& changes) {
  Json list = Json::array();
  for (const NetworkChange& change : changes) {
    const std::string link = fmt::format("{}/{}", model.sites[change.a].name, model.sites[change.b].name);
    switch (change.kind) {
      case NetworkChange::Kind::kCost:
        list.push_back({{"link", link}, {"cost", change.cost}});
        break;
      case NetworkChange::Kind::kWithoutLink:
        list.push_back({{"withoutLink", link}});
        break;
      case NetworkChange::Kind::kWithoutSite:
        list.push_back({{"withoutSite", model.sites[change.a].name}});
        break;
    }
  }
  return list;
}

// ---- where answers come from

std::string name_of_self(const Json& network) {
  for (const Json& site : network.at("sites")) {
    if (site.at("id") == network.at("self")) return text_at(site, "/name");
  }
  return {};
}

// As the gateway itself says.
int print_live_route(const Json& network, const RouteArguments& arguments) {
  const Json& keys = network.at("keys");
  if (!keys.contains(arguments.routing_key)) {
    std::set<std::string> served;
    for (const auto& [key, candidates] : keys.items())
      served.insert(key);
    return print_nobody(arguments.routing_key, "", served);
  }
  Json answer;
  answer["key"] = arguments.routing_key;
  answer["from"] = {{"id", network.at("self")}, {"name", name_of_self(network)}};
  answer["candidates"] = keys.at(arguments.routing_key);
  if (arguments.format != OutputFormat::kTable) return print_document(answer, arguments.format);
  fmt::print("{}", route_table(answer));
  return kExitOk;
}

Json candidates_of(const NetworkModel& model, std::size_t from, const std::string& key) {
  const PlannedRoute route = plan_route(model, from, key);
  return candidates_json(route.candidates, route.load_known);
}

Result<std::size_t> find_start(const NetworkModel& model, const RouteArguments& arguments) {
  if (!arguments.from.empty()) {
    auto from = find_site(model, arguments.from);
    if (!from) return fail(ErrorCode::kInvalid, "--from: " + from.error().message);
    return from;
  }
  if (model.self != NetworkModel::kNone) return model.self;
  return fail(ErrorCode::kInvalid, "the file does not say whose view it is (`self`): say where from with --from SITE");
}

using OpenBySite = std::map<std::string, NetworkModel::Open>;

// `open`: of other sites that have told.
int print_planned_route(NetworkModel model, const OpenBySite& open, const RouteArguments& arguments) {
  const auto refuse = [](const std::string& message) {
    print_error({ErrorCode::kInvalid, message});
    return kExitInvalid;
  };
  const auto from = find_start(model, arguments);
  if (!from) return refuse(from.error().message);
  if (const auto told = open.find(model.sites[*from].id); told != open.end() && *from != model.self) {
    model.self = *from;
    model.open = told->second;
  }
  const auto changes = parse_changes(model, arguments.costs, arguments.without);
  if (!changes) return refuse(changes.error().message);
  NetworkModel changed = model;
  for (const NetworkChange& change : *changes) {
    if (change.kind == NetworkChange::Kind::kWithoutSite && change.a == *from) {
      return refuse(fmt::format("--without: {} is the site that the route starts at", model.sites[*from].name));
    }
    apply(change, changed);
  }
  Json answer;
  answer["key"] = arguments.routing_key;
  answer["from"] = {{"id", model.sites[*from].id}, {"name", model.sites[*from].name}};
  const Json before = candidates_of(model, *from, arguments.routing_key);
  const Json after = changes->empty() ? before : candidates_of(changed, *from, arguments.routing_key);
  if (before.empty() && after.empty()) {
    std::set<std::string> served;
    for (const NetworkModel::Site& site : model.sites) {
      for (const auto& [key, instances] : site.keys)
        served.insert(key);
    }
    return print_nobody(arguments.routing_key, model.sites[*from].name, served);
  }
  if (changes->empty()) {
    answer["candidates"] = before;
  } else {
    answer["changes"] = changes_json(model, *changes);
    answer["before"] = before;
    answer["after"] = after;
  }
  if (arguments.format != OutputFormat::kTable) return print_document(answer, arguments.format);
  fmt::print("{}", changes->empty() ? route_table(answer) : change_table(answer));
  return kExitOk;
}

}  // namespace

int print_route(const CommonArguments& common, const RouteArguments& arguments) {
  std::variant<NetworkModel, int> model = kExitFailed;
  OpenBySite open;
  if (!arguments.topology.empty()) {
    model = read_network_file(arguments.topology);
  } else {
    auto network = read_live_network(common, !arguments.from.empty());
    if (!network) return kExitFailed;
    if (arguments.from.empty() && arguments.costs.empty() && arguments.without.empty()) {
      return print_live_route(network->document, arguments);
    }
    model = model_of(network->document);
    open = std::move(network->open);
  }
  if (const int* code = std::get_if<int>(&model)) return *code;
  return print_planned_route(std::get<NetworkModel>(std::move(model)), open, arguments);
}

}  // namespace fairlead
