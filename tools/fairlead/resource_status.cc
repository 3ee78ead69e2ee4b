// `fairlead site|listener|connector|token status`: what runtime/status.json says while a gateway runs, and otherwise
// what is configured, with the fact that none runs.

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/names.h"
#include "router/site/site_loader.h"
#include "router/site/status_documents.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;
using Documents = std::vector<Json>;

struct View {
  std::vector<std::string_view> kinds;
  const char* word;  // as the command has it
  TableRow header;
  TableRow (*row)(const Json& document);
};

TableRow site_row(const Json& site) {
  return {text_at(site, "/metadata/name"), text_at(site, "/status/status"), text_at(site, "/status/message")};
}

// Of a MultiKeyListener all of them.
std::string routing_keys(const Json& listener) {
  const Json& spec = listener.at("spec");
  if (!spec.contains("strategy") || !spec["strategy"].is_object()) return text_at(listener, "/spec/routingKey");
  std::vector<std::string> keys;
  for (const Json& strategy : spec["strategy"]) {
    for (const auto& [name, value] : strategy.at("routingKeys").items())
      keys.push_back(value.is_string() ? value.get<std::string>() : fmt::format("{} ({})", name, value.dump()));
  }
  return fmt::format("{}", fmt::join(keys, ", "));
}

TableRow listener_row(const Json& listener) {
  const Json& status = listener.at("status");
  const bool matched = status.value("hasMatchingConnector", status.value("hasDestination", false));
  return {text_at(listener, "/metadata/name"),
          text_at(listener, "/status/status"),
          routing_keys(listener),
          text_at(listener, "/spec/host"),
          text_at(listener, "/spec/port"),
          matched ? "true" : "false",
          text_at(listener, "/status/connections/open"),
          text_at(listener, "/status/message")};
}

TableRow connector_row(const Json& connector) {
  return {text_at(connector, "/metadata/name"),   text_at(connector, "/status/status"),
          text_at(connector, "/spec/routingKey"), text_at(connector, "/spec/host"),
          text_at(connector, "/spec/port"),       text_at(connector, "/status/connections/open"),
          text_at(connector, "/status/message")};
}

// "1 of 2" of a grant, "yes" or "no" of a token.
std::string redeemed(const Json& document) {
  const Json& status = document.at("status");
  if (status.contains("redeemed")) return status.value("redeemed", false) ? "yes" : "no";
  return fmt::format("{} of {}", number_at(document, "/status/redemptions"),
                     number_at(document, "/spec/redemptionsAllowed"));
}

TableRow token_row(const Json& document) {
  return {text_at(document, "/metadata/name"),         text_at(document, "/kind"),
          text_at(document, "/status/status"),         redeemed(document),
          text_at(document, "/status/expirationTime"), text_at(document, "/status/message")};
}

View view_of(StatusOf what) {
  switch (what) {
    case StatusOf::kToken:
      return {{AccessGrant::kKind, AccessToken::kKind},
              "token",
              {"NAME", "KIND", "STATUS", "REDEEMED", "EXPIRES", "MESSAGE"},
              token_row};
    case StatusOf::kSite:
      return {{Site::kKind}, "site", {"NAME", "STATUS", "MESSAGE"}, site_row};
    case StatusOf::kListener:
      return {{Listener::kKind, MultiKeyListener::kKind},
              "listener",
              {"NAME", "STATUS", "ROUTING-KEY", "HOST", "PORT", "MATCHING-CONNECTOR", "OPEN", "MESSAGE"},
              listener_row};
    case StatusOf::kConnector:
      break;
  }
  return {{Connector::kKind},
          "connector",
          {"NAME", "STATUS", "ROUTING-KEY", "HOST", "PORT", "OPEN", "MESSAGE"},
          connector_row};
}

Documents of_kinds(const Json& objects, const std::vector<std::string_view>& kinds) {
  Documents found;
  for (const Json& object : objects) {
    const std::string kind = text_at(object, "/kind");
    if (std::ranges::find(kinds, kind) != kinds.end()) found.push_back(object);
  }
  return found;
}

void print(const Documents& documents, const View& view, OutputFormat format) {
  if (format == OutputFormat::kJson) {
    fmt::print("{}", dump_json(documents.empty() ? Json::array() : Json(documents)));
    return;
  }
  if (format == OutputFormat::kYaml) {
    const char* separator = "";
    for (const Json& document : documents)
      fmt::print("{}{}", std::exchange(separator, "---\n"), to_yaml(document));
    return;
  }
  if (documents.empty()) {
    fmt::print("There is no {}.\n", view.word);
    return;
  }
  std::vector<TableRow> rows = {view.header};
  for (const Json& document : documents)
    rows.push_back(view.row(document));
  fmt::print("{}", format_table(rows));
}

// All, or those of the name that was asked for.
int print_asked(Documents documents, const View& view, const ResourceStatusArguments& arguments,
                const NamespacePaths& paths) {
  if (arguments.name.empty()) {
    print(documents, view, arguments.format);
    return kExitOk;
  }
  std::vector<std::string> names;
  for (const Json& document : documents)
    names.push_back(text_at(document, "/metadata/name"));
  std::erase_if(documents, [&](const Json& document) { return text_at(document, "/metadata/name") != arguments.name; });
  if (!documents.empty()) {
    print(documents, view, arguments.format);
    return kExitOk;
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view meant = closest(arguments.name, candidates);
  fmt::print(stderr, "fairlead: there is no {0} '{1}' in namespace '{2}'{3}\n", view.word, arguments.name, paths.name(),
             meant.empty() ? fmt::format("; 'fairlead {} status' shows all", view.word)
                           : fmt::format("; did you mean '{}'?", meant));
  return kExitFailed;
}

}  // namespace

int print_resource_status(const CommonArguments& common, const ResourceStatusArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const View view = view_of(arguments.what);
  if (is_gateway_running(paths->lock())) {
    const auto snapshot = read_status_snapshot(*paths);
    if (snapshot) return print_asked(of_kinds(snapshot->at("resources"), view.kinds), view, arguments, *paths);
    print_error(snapshot.error());
    return kExitFailed;
  }
  const auto site = load_namespace(*paths);
  if (site->diagnostics.has_errors()) {
    // It would not start before these are corrected.
    print_diagnostics(site->diagnostics);
    return kExitInvalid;
  }
  TransitionTimes times;
  const StatusInput input{site->resources, paths->name(), nullptr, std::time(nullptr)};
  StatusDocuments documents = make_status_documents(input, times);
  Json configured = std::move(documents.resources);
  for (Json& grant : documents.grants)
    configured.push_back(std::move(grant));
  static_cast<void>(print_asked(of_kinds(configured, view.kinds), view, arguments, *paths));
  if (!flush_output()) return kExitFailed;
  print_not_running(*paths);
  return kExitFailed;
}

}  // namespace fairlead
