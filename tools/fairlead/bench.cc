// `fairlead bench`: makes traffic over the way of a routing key, or to any server, and measures it; or is its server.

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "router/site/files.h"
#include "router/site/resources.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/progress_line.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/resolve_now.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"
#include "tools/load/bulk.h"
#include "tools/load/connects.h"
#include "tools/load/requests.h"
#include "tools/load/server.h"
#include "transport/resolver.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;
using load::LoadPlan;
using load::LoadResult;

constexpr double kBitsPerByte = 8;

// ---- where to

// A listener that takes connections for the key; it has to be open, and without TLS.
Result<HostPort> find_listener(const NamespacePaths& paths, const std::string& key) {
  const auto snapshot = read_status_snapshot(paths);
  if (!snapshot) return std::unexpected(snapshot.error());
  std::vector<std::string> keys;
  for (const Json& resource : snapshot->at("resources")) {
    if (text_at(resource, "/kind") != Listener::kKind) continue;
    keys.push_back(text_at(resource, "/spec/routingKey"));
    if (keys.back() != key && text_at(resource, "/metadata/name") != key) continue;
    const std::string name = text_at(resource, "/metadata/name");
    if (!text_at(resource, "/spec/tlsCredentials").empty()) {
      return fail(ErrorCode::kInvalid, fmt::format("Listener {} takes TLS, which bench does not speak", name));
    }
    const bool listening = resource.at("status").value("listening", false);
    if (!listening) {
      return fail(ErrorCode::kUnreachable,
                  fmt::format("Listener {} is not open: {}", name, text_at(resource, "/status/message")));
    }
    std::string host = text_at(resource, "/spec/host");
    if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
    if (host == "::") host = "::1";
    return HostPort{host, static_cast<std::uint16_t>(number_at(resource, "/spec/port"))};
  }
  if (keys.empty()) return fail(ErrorCode::kNotFound, "this site has no Listener, so there is no way to begin with");
  return fail(ErrorCode::kNotFound,
              fmt::format("no Listener of this site leads to '{}'; there are {}", key, fmt::join(keys, ", ")));
}

Result<HostPort> find_target(const NamespacePaths& paths, const std::string& target) {
  if (auto endpoint = parse_host_port(target)) return std::move(*endpoint);
  if (is_gateway_running(paths.lock())) return find_listener(paths, target);
  return fail(
      ErrorCode::kUnreachable,
      fmt::format("'{}' is no HOST:PORT, and as a routing key it needs the gateway of namespace '{}', which does "
                  "not run; start it with: fairlead system start -n {}",
                  target, paths.name(), paths.name()));
}

// ---- what came of it

struct BenchRun {
  unsigned streams = 0;
  LoadResult result;
};

double per_second(double count, const LoadResult& result) {
  return result.seconds > 0 ? count / result.seconds : 0;
}

bool is_bulk(const BenchArguments& arguments) {
  return arguments.mode == BenchMode::kBulk;
}

Json to_json(const BenchRun& run, const BenchArguments& arguments) {
  const LoadResult& result = run.result;
  Json json = {{"streams", run.streams}, {"seconds", result.seconds}, {"errors", result.errors}};
  if (is_bulk(arguments)) {
    for (const auto& [way, bytes] : {std::pair("up", result.bytes_up), std::pair("down", result.bytes_down)}) {
      const double rate = per_second(static_cast<double>(bytes) * kBitsPerByte, result);
      json[way] = {{"bytes", bytes}, {"bitsPerSecond", rate}};
    }
    return json;
  }
  const load::Histogram& latency = result.latency;
  json["requests"] = result.requests;
  json["requestsPerSecond"] = per_second(static_cast<double>(result.requests), result);
  json["latencyMicroseconds"] = {{"mean", latency.mean_us()},
                                 {"p50", latency.percentile_us(0.5)},
                                 {"p90", latency.percentile_us(0.9)},
                                 {"p99", latency.percentile_us(0.99)},
                                 {"p99.9", latency.percentile_us(0.999)},
                                 {"max", latency.max_us()}};
  return json;
}

TableRow row_of(const BenchRun& run, const BenchArguments& arguments) {
  const LoadResult& result = run.result;
  TableRow row = {std::to_string(run.streams)};
  if (is_bulk(arguments)) {
    for (const std::uint64_t bytes : {result.bytes_up, result.bytes_down}) {
      if (bytes == 0) {
        row.insert(row.end(), {"", ""});
        continue;
      }
      row.push_back(format_rate(per_second(static_cast<double>(bytes) * kBitsPerByte, result)));
      row.push_back(format_bytes(bytes));
    }
  } else {
    row.push_back(fmt::format("{:.0f}", per_second(static_cast<double>(result.requests), result)));
    for (const double share : {0.5, 0.9, 0.99, 0.999})
      row.push_back(format_milliseconds(result.latency.percentile_us(share)));
    row.push_back(format_milliseconds(result.latency.max_us()));
  }
  row.push_back(std::to_string(result.errors));
  return row;
}

std::string table_of(const std::vector<BenchRun>& runs, const BenchArguments& arguments) {
  std::vector<TableRow> rows = {is_bulk(arguments)
                                    ? TableRow{"STREAMS", "UP", "BYTES-UP", "DOWN", "BYTES-DOWN", "ERRORS"}
                                    : TableRow{"STREAMS", "REQUESTS/S", "P50", "P90", "P99", "P99.9", "MAX", "ERRORS"}};
  for (const BenchRun& run : runs)
    rows.push_back(row_of(run, arguments));
  return format_table(rows);
}

// The columns of Skupper's benchdog, for people who compare with its figures.
std::string benchdog_of(const std::vector<BenchRun>& runs) {
  std::vector<TableRow> rows = {{"CLIENTS", "THROUGHPUT", "LATENCY AVG", "LATENCY 50%", "LATENCY 99%"}};
  for (const BenchRun& run : runs) {
    const load::Histogram& latency = run.result.latency;
    rows.push_back({std::to_string(run.streams),
                    fmt::format("{:.1f} ops/s", per_second(static_cast<double>(run.result.requests), run.result)),
                    format_milliseconds(latency.mean_us()), format_milliseconds(latency.percentile_us(0.5)),
                    format_milliseconds(latency.percentile_us(0.99))});
  }
  return format_table(rows);
}

Json document_of(const std::vector<BenchRun>& runs, const BenchArguments& arguments, const std::string& address) {
  const char* const modes[] = {"requests", "bulk", "connects"};
  Json json = {{"target", arguments.target}, {"address", address}, {"mode", modes[static_cast<int>(arguments.mode)]}};
  if (!is_bulk(arguments)) json["requestBytes"] = arguments.size;
  if (arguments.rate > 0) json["ratePerSecond"] = arguments.rate;
  json["runs"] = Json::array();
  for (const BenchRun& run : runs)
    json["runs"].push_back(to_json(run, arguments));
  return json;
}

void print_runs(const std::vector<BenchRun>& runs, const BenchArguments& arguments, const std::string& address) {
  switch (arguments.format) {
    case BenchFormat::kTable:
      fmt::print("{}", table_of(runs, arguments));
      return;
    case BenchFormat::kBenchdog:
      fmt::print("{}", benchdog_of(runs));
      return;
    case BenchFormat::kJson:
      fmt::print("{}", dump_json(document_of(runs, arguments, address)));
      return;
    case BenchFormat::kYaml:
      fmt::print("{}", to_yaml(document_of(runs, arguments, address)));
      return;
  }
}

// ---- the runs

std::string progress_text(const LoadResult& result, unsigned streams, bool bulk) {
  const double bits = per_second(static_cast<double>(result.bytes_up + result.bytes_down) * kBitsPerByte, result);
  const std::string so_far =
      bulk ? format_rate(bits)
           : fmt::format("{:.0f} requests/s, p99 {}", per_second(static_cast<double>(result.requests), result),
                         format_milliseconds(result.latency.percentile_us(0.99)));
  return fmt::format("{} streams, {:.1f} s: {}", streams, result.seconds, so_far);
}

LoadResult run_plan(const LoadPlan& plan, BenchMode mode) {
  switch (mode) {
    case BenchMode::kRequests:
      return load::run_requests(plan);
    case BenchMode::kBulk:
      return load::run_bulk(plan);
    case BenchMode::kConnects:
      return load::run_connects(plan);
  }
  return {};
}

std::vector<BenchRun> run_all(const BenchArguments& arguments, const Address& server) {
  ProgressLine progress;
  LoadPlan plan{
      .server = server,
      .request_bytes = arguments.size,
      .rate_per_s = arguments.rate,
      .direction = arguments.direction,
      .plain = arguments.plain,
      .duration = std::chrono::duration_cast<load::Clock::duration>(std::chrono::duration<double>(arguments.seconds))};
  if (arguments.phases) {
    plan.on_phase = [&progress](load::Phase phase) {
      progress.clear();
      fmt::print(stderr, "{}\n", phase == load::Phase::kBegin ? "begin" : "end");
    };
  }
  std::vector<BenchRun> runs;
  for (const unsigned streams : arguments.streams) {
    plan.streams = streams;
    if (progress.on_terminal()) {
      plan.on_progress = [&](const LoadResult& result) {
        progress.show(progress_text(result, streams, is_bulk(arguments)));
      };
    }
    runs.push_back({streams, run_plan(plan, arguments.mode)});
    progress.clear();
  }
  return runs;
}

// Nothing that came through, or something that broke, is no good measurement.
bool is_good(const BenchRun& run) {
  return run.result.errors == 0 && run.result.bytes_up + run.result.bytes_down + run.result.requests > 0;
}

int serve_bench(const std::string& where) {
  const auto addresses = resolve_now(*parse_host_port(where));
  if (!addresses) {
    print_error(addresses.error());
    return kExitFailed;
  }
  load::Server server(addresses->front());
  fmt::print("serving on {}\n", to_string(server.address()));
  std::fflush(stdout);
  server.run();
}

}  // namespace

int run_bench(const CommonArguments& common, const BenchArguments& arguments) {
  if (!arguments.serve.empty()) return serve_bench(arguments.serve);
  if (arguments.target.empty()) {
    fmt::print(stderr, "fairlead: bench needs a routing key, or HOST:PORT, or --serve HOST:PORT\n");
    return kExitInvalid;
  }
  if (is_bulk(arguments) && arguments.format == BenchFormat::kBenchdog) {
    fmt::print(stderr, "fairlead: benchdog's columns are those of requests; bulk has -o table|json|yaml\n");
    return kExitInvalid;
  }
  if (arguments.rate > 0 && arguments.mode != BenchMode::kRequests) {
    fmt::print(stderr, "fairlead: --rate is for requests; bulk and connects go as fast as they can\n");
    return kExitInvalid;
  }
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const auto target = find_target(*paths, arguments.target);
  if (!target) {
    print_error(target.error());
    return kExitFailed;
  }
  const auto addresses = resolve_now(*target);
  if (!addresses) {
    print_error(addresses.error());
    return kExitFailed;
  }
  const std::vector<BenchRun> runs = run_all(arguments, addresses->front());
  print_runs(runs, arguments, to_string(addresses->front()));
  return std::ranges::all_of(runs, is_good) ? kExitOk : kExitFailed;
}

}  // namespace fairlead
