// `fairlead link test NAME`: tries the handshake with each endpoint of a link that this site dials, and has the running
// gateway measure the link.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "router/site/conditions.h"
#include "router/site/credentials_store.h"
#include "router/site/files.h"
#include "router/site/site_loader.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/admin_client.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/handshake_trial.h"
#include "tools/fairlead/log_sink.h"
#include "tools/fairlead/progress_line.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

// Without a word from the gateway: longer than it waits for the other end.
constexpr int kTimeoutMs = 15'000;
constexpr int kSecondsPerDay = 86'400;

// ---- the handshake, as JSON

const char* name_of(TrialStep step) {
  switch (step) {
    case TrialStep::kResolve:
      return "resolve";
    case TrialStep::kConnect:
      return "connect";
    case TrialStep::kHandshake:
      return "handshake";
    case TrialStep::kVerdict:
      return "verdict";
    case TrialStep::kDone:
      return "done";
  }
  return "";
}

Json to_json(const CertificateInfo& info) {
  Json names = info.dns_names;
  for (const std::string& address : info.ip_addresses)
    names.push_back(address);
  return {{"subject", info.subject},
          {"issuer", info.issuer},
          {"names", std::move(names)},
          {"ca", info.is_ca},
          {"validFrom", format_time(info.not_before_unix_s)},
          {"validUntil", format_time(info.not_after_unix_s)},
          {"daysLeft", (info.not_after_unix_s - std::time(nullptr)) / kSecondsPerDay},
          {"fingerprint", info.fingerprint}};
}

Json to_json(const HandshakeTrial& trial) {
  Json json = {{"endpoint", to_string(trial.endpoint)}, {"addresses", trial.addresses}, {"step", name_of(trial.step)}};
  if (trial.step > TrialStep::kResolve) json["resolveMicroseconds"] = trial.resolve.count();
  if (trial.step > TrialStep::kConnect) {
    json["address"] = trial.address;
    json["connectMicroseconds"] = trial.connect.count();
  }
  if (trial.step > TrialStep::kHandshake) {
    json["handshakeMicroseconds"] = trial.handshake.count();
    json["tls"] = {{"version", "TLSv1.3"},
                   {"cipher", name_of(trial.suite)},
                   {"group", trial.group},
                   {"keyExchange", trial.post_quantum ? "post-quantum" : "classical"},
                   {"alpn", trial.alpn}};
    json["chain"] = Json::array();
    for (const CertificateInfo& certificate : trial.chain)
      json["chain"].push_back(to_json(certificate));
  }
  if (trial.error) {
    json["error"] = trial.error->message;
    json["reason"] = name_of(trial.error->code);
  }
  return json;
}

// ---- for people

std::string validity(const Json& certificate) {
  const auto days = certificate.at("daysLeft").get<std::int64_t>();
  return fmt::format("valid until {} ({} days)", text_at(certificate, "/validUntil"), days);
}

std::string names_of(const Json& certificate) {
  std::vector<std::string> names = certificate.at("names");
  return names.empty() ? "for no name" : fmt::format("for {}", fmt::join(names, ", "));
}

std::string own_certificate(const Json& handshake, const Json& ours) {
  const std::string step = text_at(handshake, "/step");
  const char* const taken = step == "done" ? "; the other end accepts it" : "";
  if (ours.is_null())
    return fmt::format("none is presented{}", step == "done" ? "; the other end takes us without" : "");
  return fmt::format("{}, signed by {}, {}{}", text_at(ours, "/subject"), text_at(ours, "/issuer"), validity(ours),
                     taken);
}

void print_handshake(const Json& handshake, const Json& ours, const Json& ca) {
  std::vector<TableRow> rows;
  const std::vector<std::string> addresses = handshake.at("addresses");
  if (handshake.contains("resolveMicroseconds")) {
    rows.push_back({"resolved", format_milliseconds(handshake["resolveMicroseconds"]),
                    fmt::format("{}", fmt::join(addresses, ", "))});
  }
  if (handshake.contains("connectMicroseconds")) {
    rows.push_back(
        {"connected", format_milliseconds(handshake["connectMicroseconds"]), text_at(handshake, "/address")});
  }
  if (handshake.contains("tls")) {
    rows.push_back({"handshake", format_milliseconds(handshake["handshakeMicroseconds"]),
                    fmt::format("{} {}, {} ({}), {}", text_at(handshake, "/tls/version"),
                                text_at(handshake, "/tls/cipher"), text_at(handshake, "/tls/group"),
                                text_at(handshake, "/tls/keyExchange"), text_at(handshake, "/tls/alpn"))});
    const char* label = "their certificate";
    for (const Json& certificate : handshake.at("chain")) {
      rows.push_back({label, "",
                      fmt::format("{}, {}, signed by {}, {}", text_at(certificate, "/subject"),
                                  certificate.at("ca").get<bool>() ? "a CA" : names_of(certificate),
                                  text_at(certificate, "/issuer"), validity(certificate))});
      label = "  sent with it";
    }
    rows.push_back({"trusted by", "", fmt::format("{} of our ca.crt, {}", text_at(ca, "/subject"), validity(ca))});
    rows.push_back({"our certificate", "", own_certificate(handshake, ours)});
  }
  if (handshake.contains("error")) {
    rows.push_back({"FAILED", text_at(handshake, "/step"), text_at(handshake, "/error")});
  }
  fmt::print("Handshake with {}\n{}\n", text_at(handshake, "/endpoint"), format_table(rows));
  std::fflush(stdout);
}

TableRow round_trip_row(const char* label, const Json& summary) {
  TableRow row = {label, text_at(summary, "/samples")};
  for (const char* field :
       {"minMicroseconds", "p50Microseconds", "p90Microseconds", "p99Microseconds", "maxMicroseconds"})
    row.push_back(summary.contains(field) ? format_milliseconds(summary[field]) : std::string());
  return row;
}

TableRow transfer_row(const std::string& label, const Json& transfer) {
  const double seconds = transfer.at("seconds");
  return {label, format_rate(transfer.at("bitsPerSecond")), format_bytes(transfer.at("bytes")),
          fmt::format("{:.2f} s", seconds)};
}

// What there is: a test that failed has less.
void print_measured(const Json& measured) {
  std::vector<TableRow> round_trips = {{"BESIDE", "SAMPLES", "MIN", "P50", "P90", "P99", "MAX"}};
  for (const auto& [phase, label] :
       {std::pair("idle", "nothing of the test"), std::pair("upload", "a full link to there"),
        std::pair("download", "a full link from there")}) {
    if (measured.at("roundTrips").contains(phase)) {
      round_trips.push_back(round_trip_row(label, measured["roundTrips"][phase]));
    }
  }
  if (round_trips.size() > 1) {
    fmt::print("Round trips of 64 bytes, from gateway to gateway\n{}\n", format_table(round_trips));
  }
  const std::string site = text_at(measured, "/site");
  std::vector<TableRow> transfers = {{"DIRECTION", "RATE", "BYTES", "TIME"}};
  for (const auto& [way, label] : {std::pair("upload", "to " + site), std::pair("download", "from " + site)}) {
    if (measured.at("throughput").contains(way)) {
      transfers.push_back(transfer_row(label, measured["throughput"][way]));
    }
  }
  const std::uint64_t sessions = number_at(measured, "/sessions");
  if (transfers.size() == 1) return;
  fmt::print("Throughput, one stream on {}\n{}",
             sessions == 1 ? "its session" : fmt::format("each of its {} sessions", sessions), format_table(transfers));
}

std::string progress_text(const Json& progress) {
  const std::string phase = text_at(progress, "/phase");
  const double seconds = progress.at("seconds");
  if (phase == "idle") return fmt::format("measuring round trips, {:.1f} s", seconds);
  return fmt::format("filling the link, {}, {:.1f} s: {}", phase, seconds, format_rate(progress.at("bitsPerSecond")));
}

// ---- the command

class LinkTest {
 public:
  LinkTest(const NamespacePaths& paths, const LinkTestArguments& arguments) : paths_(paths), arguments_(arguments) {
    result_["link"] = arguments.name;
  }

  int run() {
    site_ = load_namespace(paths_);
    if (site_->diagnostics.has_errors()) {
      print_diagnostics(site_->diagnostics);
      return kExitInvalid;
    }
    const std::optional<Link> link = find_link();
    bool passed = !link || try_endpoints(*link);
    if (is_gateway_running(paths_.lock())) {
      passed = measure(link.has_value()) && passed;
    } else {
      if (!link) note_error(fmt::format("there is no Link {} in namespace '{}'", arguments_.name, paths_.name()));
      note_error(
          fmt::format("the gateway, which measures round trips and throughput, is not running; start it with: "
                      "fairlead system start -n {}",
                      paths_.name()));
      passed = false;
    }
    if (!table()) {
      if (!errors_.empty()) result_["error"] = fmt::format("{}", fmt::join(errors_, "; "));
      fmt::print("{}", arguments_.format == OutputFormat::kJson ? dump_json(result_) : to_yaml(result_));
    }
    return passed ? kExitOk : kExitFailed;
  }

 private:
  bool table() const { return arguments_.format == OutputFormat::kTable; }

  void note_error(const std::string& message) {
    errors_.push_back(message);
    if (!table()) return;
    flush_output();
    print_error({ErrorCode::kSystem, message});
  }

  // A Link of this site by its name, or by that of its remote site while the gateway runs.
  std::optional<Link> find_link() const {
    std::string name = arguments_.name;
    const auto named = [&](const Link& link) { return link.metadata.name == name; };
    auto at = std::ranges::find_if(site_->resources.links, named);
    if (at == site_->resources.links.end()) {
      name = name_of_link_to(arguments_.name);
      at = std::ranges::find_if(site_->resources.links, named);
    }
    return at == site_->resources.links.end() ? std::nullopt : std::optional(*at);
  }

  std::string name_of_link_to(const std::string& site) const {
    const auto snapshot = read_status_snapshot(paths_);
    if (!snapshot || !is_gateway_running(paths_.lock())) return {};
    for (const Json& resource : snapshot->at("resources")) {
      if (text_at(resource, "/kind") == Link::kKind && text_at(resource, "/status/remoteSiteName") == site) {
        return text_at(resource, "/metadata/name");
      }
    }
    return {};
  }

  static Result<std::shared_ptr<const Credentials>> load_credentials(CredentialsStore& store, const Link& link) {
    const auto bundle = store.link_bundle(link);
    if (!bundle) return std::unexpected(bundle.error());
    return Credentials::load(*bundle);
  }

  // Whether one of them is good, which is enough for a link.
  bool try_endpoints(const Link& link) {
    const CredentialSource source(site_->resources, paths_.input_certs(), paths_.input_issuers());
    CredentialsStore store(paths_, source);
    const auto credentials = load_credentials(store, link);
    if (!credentials) {
      note_error(credentials.error().message);
      return false;
    }
    const bool presents = (*credentials)->has_certificate() && !link.no_client_auth;
    const Json ours = presents ? to_json((*credentials)->certificate()) : Json();
    const Json ca = to_json((*credentials)->ca());
    result_["ourCertificate"] = ours;
    result_["ourCa"] = ca;
    result_["handshakes"] = Json::array();
    bool one_is_good = false;
    for (const LinkEndpoint& endpoint : link.endpoints) {
      if (endpoint.role != site_->resources.site()->role()) continue;
      ClientHandshakeOptions options;
      options.present_certificate = !link.no_client_auth;
      options.suites = site_->resources.site()->cipher_suites;
      const HandshakeTrial trial = try_handshake({endpoint.host, endpoint.port}, *credentials, std::move(options));
      one_is_good = one_is_good || !trial.error;
      result_["handshakes"].push_back(to_json(trial));
      if (table()) print_handshake(result_["handshakes"].back(), ours, ca);
    }
    return one_is_good;
  }

  bool measure(bool we_dial) {
    const AdminRequest request{"POST", "/v1/link-test", {{"name", arguments_.name}, {"seconds", arguments_.seconds}}};
    ProgressLine progress;
    const auto asked = ask_gateway(paths_.admin_socket(), request, kTimeoutMs, [&](const Json& line) {
      if (line.contains("progress")) progress.show(progress_text(line["progress"]));
      if (!line.contains("result")) return;
      for (const auto& [key, value] : line["result"].items())
        result_[key] = value;
      progress.clear();
      if (!table()) return;
      if (!we_dial) fmt::print("The other end dials this link: its handshake is tried there.\n\n");
      print_measured(result_);
    });
    progress.clear();
    if (!asked) note_error(asked.error().message);
    return asked.has_value();
  }

  const NamespacePaths& paths_;
  const LinkTestArguments& arguments_;
  std::unique_ptr<LoadedSite> site_;
  Json result_;
  std::vector<std::string> errors_;
};

}  // namespace

int test_link(const CommonArguments& common, const LinkTestArguments& arguments) {
  const LogSession log(common.log_level, common.log_format);
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  return LinkTest(*paths, arguments).run();
}

}  // namespace fairlead
