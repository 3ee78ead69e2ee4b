// `fairlead debug check`: whether this machine and this site are as they should be, each thing on a line, with what to
// do.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include "router/site/files.h"
#include "router/site/site_loader.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"
#include "transport/kernel_tls.h"
#include "transport/uring/probe.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

enum class Verdict : std::uint8_t { kOk, kNote, kFault };

struct Finding {
  std::string what;
  Verdict verdict;
  std::string message;
};

std::string_view word_of(Verdict verdict) {
  constexpr std::string_view kWords[] = {"ok", "note", "fault"};
  return kWords[static_cast<std::size_t>(verdict)];
}

void check_kernel(std::vector<Finding>& findings) {
  const auto features = probe_kernel(live_kernel());
  if (!features) {
    findings.push_back({"kernel", Verdict::kFault, features.error().message});
    return;
  }
  findings.push_back({"kernel", Verdict::kOk, "Linux " + features->release});
  for (const std::string& lacking : features->lacking)
    findings.push_back({"kernel", Verdict::kNote, lacking});
  const KernelTlsFeatures tls = probe_kernel_tls(live_kernel());
  if (!tls.lacking.empty()) findings.push_back({"kernel TLS", Verdict::kNote, tls.lacking});
  if (tls.lacking.empty()) {
    findings.push_back({"kernel TLS", Verdict::kOk, tls.rekeys ? "whole, with new keys" : "whole, without new keys"});
  }
}

// Each connection is a descriptor.
void check_limits(std::vector<Finding>& findings) {
  constexpr rlim_t kFew = 65'536;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const bool few = limit.rlim_max < kFew;
  findings.push_back(
      {"open files", few ? Verdict::kNote : Verdict::kOk,
       fmt::format("at most {}{}", limit.rlim_max,
                   few ? ", which bounds the number of connections: raise it with ulimit -Hn, or run the "
                         "gateway as a service"
                       : "")});
}

void check_input(const NamespacePaths& paths, std::vector<Finding>& findings) {
  const auto site = load_namespace(paths);
  for (const Diagnostic& diagnostic : site->diagnostics.items()) {
    findings.push_back({"input", diagnostic.severity == Severity::kError ? Verdict::kFault : Verdict::kNote,
                        without_severity(diagnostic)});
  }
  if (site->diagnostics.items().empty()) findings.push_back({"input", Verdict::kOk, "valid"});
}

void check_gateway(const NamespacePaths& paths, std::vector<Finding>& findings) {
  if (!is_gateway_running(paths.lock())) {
    findings.push_back({"gateway", Verdict::kNote,
                        fmt::format("not running; start it with: fairlead system start -n {}", paths.name())});
    return;
  }
  const auto snapshot = read_status_snapshot(paths);
  if (!snapshot) {
    findings.push_back({"gateway", Verdict::kFault, snapshot.error().message});
    return;
  }
  findings.push_back({"gateway", Verdict::kOk, "running"});
  for (const Json& resource : snapshot->at("resources")) {
    const std::string status = text_at(resource, "/status/status");
    const std::string name = text_at(resource, "/kind") + " " + text_at(resource, "/metadata/name");
    if (status != "Ready") {
      findings.push_back(
          {name, status == "Error" ? Verdict::kFault : Verdict::kNote, text_at(resource, "/status/message")});
    }
    const std::string refused = text_at(resource, "/status/credentials/refused");
    if (!refused.empty()) findings.push_back({name, Verdict::kFault, refused});
    if (text_at(resource, "/status/credentials/expiresSoon") == "true") {
      findings.push_back(
          {name, Verdict::kNote,
           "its credentials expire soon: " + text_at(resource, "/status/credentials/certificateExpires")});
    }
  }
}

}  // namespace

int check_system(const CommonArguments& common, const DebugCheckArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  std::vector<Finding> findings;
  check_kernel(findings);
  check_limits(findings);
  check_input(*paths, findings);
  check_gateway(*paths, findings);
  if (arguments.format == OutputFormat::kTable) {
    std::vector<TableRow> rows = {{"WHAT", "IS", "MESSAGE"}};
    for (const Finding& finding : findings)
      rows.push_back({finding.what, std::string(word_of(finding.verdict)), finding.message});
    fmt::print("{}", format_table(rows));
  } else {
    Json json = Json::array();
    for (const Finding& finding : findings)
      json.push_back({{"what", finding.what}, {"is", word_of(finding.verdict)}, {"message", finding.message}});
    fmt::print("{}", arguments.format == OutputFormat::kJson ? dump_json(json) : to_yaml(json));
  }
  const bool fault = std::ranges::any_of(findings, [](const Finding& f) { return f.verdict == Verdict::kFault; });
  return fault ? kExitFailed : kExitOk;
}

}  // namespace fairlead
