// `fairlead link status`: what runtime/status.json says while a gateway runs, and otherwise the links that are
// configured, with the fact that none runs. Old figures are never shown as if they were true.

#include <cstdio>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/conditions.h"
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

struct Links {
  std::vector<Json> outgoing;
  std::vector<Json> incoming;
  bool accepts = false;         // this site is one where links may come in
  Json last_refused = nullptr;  // of all its RouterAccesses
};

std::vector<Json> of_kind(const Json& objects, std::string_view kind) {
  std::vector<Json> result;
  for (const Json& object : objects) {
    if (text_at(object, "/kind") == kind) result.push_back(object);
  }
  return result;
}

Links links_of(const Json& snapshot) {
  const Json& resources = snapshot.at("resources");
  Links links{of_kind(resources, Link::kKind), of_kind(snapshot.at("incomingLinks"), "IncomingLink")};
  for (const Json& access : of_kind(resources, RouterAccess::kKind)) {
    links.accepts = true;
    const Json refused = access.at("status").value("lastRefused", Json());
    // Times in UTC sort as text.
    if (text_at(refused, "/since") > text_at(links.last_refused, "/since")) links.last_refused = refused;
  }
  return links;
}

// From the snapshot of the gateway that runs.
Result<Links> read_links(const NamespacePaths& paths) {
  const auto snapshot = read_status_snapshot(paths);
  if (!snapshot) return std::unexpected(snapshot.error());
  return links_of(*snapshot);
}

// From the input, for a gateway that does not run.
Links configured_links(const LoadedSite& site, const NamespacePaths& paths) {
  TransitionTimes times;
  const StatusInput input{site.resources, paths.name(), nullptr, std::time(nullptr)};
  Links links;
  links.outgoing = of_kind(make_status_documents(input, times).resources, Link::kKind);
  return links;
}

std::string age_since(const std::string& rfc3339) {
  std::tm time{};
  if (strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%SZ", &time) == nullptr) return {};
  return format_age(std::time(nullptr) - timegm(&time));
}

// "TLSv1.3 AES_128_GCM".
std::string tls_text(const Json& link) {
  std::string cipher = text_at(link, "/status/tls/cipher");
  if (cipher.starts_with("TLS_")) cipher.erase(0, 4);
  if (const auto hash = cipher.rfind("_SHA"); hash != std::string::npos) cipher.erase(hash);
  const std::string version = text_at(link, "/status/tls/version");
  return version.empty() ? "" : fmt::format("{} {}", version, cipher);
}

// "X25519 (classical)".
std::string key_exchange_text(const Json& link) {
  const std::string group = text_at(link, "/status/tls/group");
  return group.empty() ? "" : fmt::format("{} ({})", group, text_at(link, "/status/tls/keyExchange"));
}

// "user space (this kernel has no TLS)".
std::string protection_text(const Json& link, std::string_view direction) {
  const std::string path = fmt::format("/status/tls/protection/{}", direction);
  const std::string by = text_at(link, path.c_str());
  const std::string why = text_at(link, (path + "Reason").c_str());
  return why.empty() ? by : fmt::format("{} ({})", by, why);
}

std::string sessions_text(const Json& link) {
  if (!link["status"].contains("sessions")) return {};
  return fmt::format("{}/{}", number_at(link, "/status/sessions/up"), number_at(link, "/status/sessions/wanted"));
}

TableRow row_of(const Json& link) {
  const bool known = link["status"].contains("streams");
  const std::string cost = text_at(link, "/status/cost");
  return {text_at(link, "/metadata/name"),
          text_at(link, "/status/status"),
          cost.empty() ? text_at(link, "/spec/cost") : cost,
          text_at(link, "/status/remoteSiteName"),
          text_at(link, "/status/rtt"),
          tls_text(link),
          sessions_text(link),
          text_at(link, "/status/streams/open"),
          known ? format_bytes(number_at(link, "/status/bytes/in")) : "",
          known ? format_bytes(number_at(link, "/status/bytes/out")) : "",
          age_since(text_at(link, "/status/since")),
          text_at(link, "/status/message")};
}

std::string table_of(const std::vector<Json>& links) {
  std::vector<TableRow> rows = {
      {"NAME", "STATUS", "COST", "REMOTE-SITE", "RTT", "TLS", "SESSIONS", "STREAMS", "IN", "OUT", "SINCE", "MESSAGE"}};
  for (const Json& link : links)
    rows.push_back(row_of(link));
  return format_table(rows);
}

void print_tables(const Links& links) {
  if (links.outgoing.empty()) {
    fmt::print("No outgoing links.\n");
  } else {
    fmt::print("{}", table_of(links.outgoing));
  }
  if (!links.incoming.empty()) {
    fmt::print("\nIncoming links:\n{}", table_of(links.incoming));
  } else if (links.accepts) {
    fmt::print("\nNo incoming links.\n");
  }
  if (links.last_refused.is_null()) return;
  // As a table, for what a peer says ends up in it.
  fmt::print("\n{}", format_table({{fmt::format("Last refused: {}, since {}", text_at(links.last_refused, "/message"),
                                                text_at(links.last_refused, "/since"))}}));
}

// "key : value" lines, as for one link there is room for all that is known.
void print_details(const Json& link) {
  const std::vector<std::pair<const char*, std::string>> lines = {
      {"Name", text_at(link, "/metadata/name")},
      {"Direction", text_at(link, "/status/direction")},
      {"Status", text_at(link, "/status/status")},
      {"Message", text_at(link, "/status/message")},
      {"Cost", row_of(link)[2]},
      {"Url", text_at(link, "/status/url")},
      {"Remote site", text_at(link, "/status/remoteSiteName")},
      {"Remote site id", text_at(link, "/status/remoteSiteId")},
      {"Since", text_at(link, "/status/since")},
      {"RTT", text_at(link, "/status/rtt")},
      {"TLS", tls_text(link)},
      {"Key exchange", key_exchange_text(link)},
      {"Records sent", protection_text(link, "send")},
      {"Records received", protection_text(link, "receive")},
      {"Peer certificate", text_at(link, "/status/tls/peerSubject")},
      {"Peer's expires", text_at(link, "/status/tls/peerCertificateExpires")},
      {"Our certificate", text_at(link, "/status/credentials/certificateSubject")},
      {"Ours expires", text_at(link, "/status/credentials/certificateExpires")},
      {"Newer one refused", text_at(link, "/status/credentials/refused")},
      {"Sessions", sessions_text(link)},
      {"Streams open", text_at(link, "/status/streams/open")},
      {"Streams total", text_at(link, "/status/streams/total")},
      {"Bytes in", text_at(link, "/status/bytes/in")},
      {"Bytes out", text_at(link, "/status/bytes/out")},
      {"Last error", text_at(link, "/status/lastError/message")},
      {"Last error reason", text_at(link, "/status/lastError/reason")},
      {"Last error since", text_at(link, "/status/lastError/since")},
  };
  std::vector<TableRow> rows;
  for (const auto& [key, value] : lines) {
    if (!value.empty()) rows.push_back({key, ": " + value});
  }
  fmt::print("{}", format_table(rows));
}

void print_documents(const std::vector<Json>& links, OutputFormat format) {
  if (format == OutputFormat::kJson) {
    fmt::print("{}", dump_json(links.empty() ? Json::array() : Json(links)));
    return;
  }
  const char* separator = "";
  for (const Json& link : links)
    fmt::print("{}{}", std::exchange(separator, "---\n"), to_yaml(link));
}

std::vector<Json> all_of(const Links& links) {
  std::vector<Json> all = links.outgoing;
  all.insert(all.end(), links.incoming.begin(), links.incoming.end());
  return all;
}

void print_all(const Links& links, OutputFormat format) {
  if (format == OutputFormat::kTable) return print_tables(links);
  print_documents(all_of(links), format);
}

void print_matches(const std::vector<Json>& links, OutputFormat format) {
  if (format == OutputFormat::kJson && links.size() == 1) {
    fmt::print("{}", dump_json(links.front()));
    return;
  }
  if (format != OutputFormat::kTable) return print_documents(links, format);
  const char* separator = "";
  for (const Json& link : links) {
    fmt::print("{}", std::exchange(separator, "\n"));
    print_details(link);
  }
}

// All links that have the name, or lead to the site that has it: an incoming one has its RouterAccess's name, which
// others that come in there share.
int print_named(const Links& links, const LinkStatusArguments& arguments, const NamespacePaths& paths) {
  std::vector<Json> matches;
  std::vector<std::string> names;
  for (Json& link : all_of(links)) {
    const std::string name = text_at(link, "/metadata/name");
    const std::string site = text_at(link, "/status/remoteSiteName");
    names.insert(names.end(), {name, site});
    if (name == arguments.name || site == arguments.name) matches.push_back(std::move(link));
  }
  if (!matches.empty()) {
    print_matches(matches, arguments.format);
    return kExitOk;
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view meant = closest(arguments.name, candidates);
  fmt::print(stderr, "fairlead: there is no link '{}' in namespace '{}'{}\n", arguments.name, paths.name(),
             meant.empty() ? "; 'fairlead link status' shows all of them" : fmt::format("; did you mean '{}'?", meant));
  return kExitFailed;
}

int print_links(const Links& links, const LinkStatusArguments& arguments, const NamespacePaths& paths) {
  if (!arguments.name.empty()) return print_named(links, arguments, paths);
  print_all(links, arguments.format);
  return kExitOk;
}

}  // namespace

int print_link_status(const CommonArguments& common, const LinkStatusArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  if (is_gateway_running(paths->lock())) {
    const auto links = read_links(*paths);
    if (links) return print_links(*links, arguments, *paths);
    print_error(links.error());
    return kExitFailed;
  }
  const auto site = load_namespace(*paths);
  if (site->diagnostics.has_errors()) {
    // It would not start before these are corrected.
    print_diagnostics(site->diagnostics);
    return kExitInvalid;
  }
  static_cast<void>(print_links(configured_links(*site, *paths), arguments, *paths));
  if (!flush_output()) return kExitFailed;
  print_not_running(*paths);
  return kExitFailed;
}

}  // namespace fairlead
