// `fairlead system start|stop|status`: the gateway of a namespace as a background process. Nothing that a user wrote is
// ever deleted.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "router/site/field_reader.h"
#include "router/site/files.h"
#include "router/site/site_loader.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/log_sink.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/systemd_service.h"
#include "tools/fairlead/systemd_unit.h"
#include "tools/fairlead/table.h"
#include "transport/base/fd.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookInterval{10};
constexpr std::chrono::seconds kProgressInterval{5};
constexpr std::size_t kPidBytesMax = 32;
constexpr std::size_t kLogBytesMax = 64 * 1024 * 1024;
constexpr std::size_t kLogLinesShown = 10;

// Of the gateway that holds the lock.
std::optional<pid_t> running_pid(const NamespacePaths& paths) {
  if (!is_gateway_running(paths.lock())) return std::nullopt;
  const auto text = read_file(paths.lock(), kPidBytesMax);
  const auto pid = text ? parse_number(*text, 2, 0x7fffffff) : std::nullopt;
  return pid ? std::optional(static_cast<pid_t>(*pid)) : std::nullopt;
}

std::filesystem::path log_file(const NamespacePaths& paths) {
  return paths.runtime() / "gateway.log";
}

// The gateway itself, in a session of its own, with its log in a file. Only what is safe between fork and exec.
Result<pid_t> launch(const NamespacePaths& paths, const CommonArguments& common) {
  if (auto made = make_directory(paths.runtime(), kPublicDirectoryMode); !made) return std::unexpected(made.error());
  const auto file = log_file(paths);
  const Fd log(::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!log) return std::unexpected(error_from_errno(errno, "cannot open " + file.string()));
  const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!nothing) return std::unexpected(error_from_errno(errno, "cannot open /dev/null"));
  const std::string program = "/proc/self/exe";
  const std::vector<std::string> words = {"fairlead",     "run",
                                          "-n",           common.namespace_name,
                                          "--log-level",  std::string(name_of(common.log_level)),
                                          "--log-format", common.log_format == LogFormat::kJson ? "json" : "text"};
  std::vector<char*> argv;
  for (const std::string& word : words)
    argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return std::unexpected(error_from_errno(errno, "cannot start a process"));
  if (pid > 0) return pid;
  ::setsid();
  ::dup2(nothing.get(), STDIN_FILENO);
  ::dup2(log.get(), STDOUT_FILENO);
  ::dup2(log.get(), STDERR_FILENO);
  ::execv(program.c_str(), argv.data());
  ::_exit(127);
}

// The end of the log from `from` on: what the gateway said before it gave up.
void print_log(const NamespacePaths& paths, std::size_t from) {
  const auto text = read_file(log_file(paths), kLogBytesMax);
  if (!text || text->size() <= from) return;
  std::string_view rest = std::string_view(*text).substr(from);
  std::size_t begin = rest.size();
  for (std::size_t line = 0; begin > 0 && line <= kLogLinesShown; ++line)
    begin = rest.rfind('\n', begin - 1) == std::string_view::npos ? 0 : rest.rfind('\n', begin - 1);
  fmt::print(stderr, "{}\n", rest.substr(begin == 0 ? 0 : begin + 1));
}

// systemctl waits for READY=1, and for the process to be gone.
int use_systemd(const NamespacePaths& paths, const char* verb) {
  if (auto done = systemctl({verb, unit_name(paths.name())}); !done) {
    print_error(done.error());
    fmt::print(stderr, "fairlead: its log: journalctl -u {} -n 20\n", unit_name(paths.name()));
    return kExitFailed;
  }
  fmt::print("The gateway of namespace '{}' is {}, by systemd.\n", paths.name(),
             std::string_view(verb) == "start" ? "started" : "stopped; its resources are as they were");
  return kExitOk;
}

bool by_systemd(const NamespacePaths& paths) {
  return has_systemd() && is_unit_installed(paths.name());
}

int start_gateway(const NamespacePaths& paths, const CommonArguments& common, unsigned timeout_s) {
  std::error_code ignored;
  const auto before = std::filesystem::file_size(log_file(paths), ignored);
  const std::size_t log_size = ignored ? 0 : static_cast<std::size_t>(before);
  const auto pid = launch(paths, common);
  if (!pid) {
    print_error(pid.error());
    return kExitFailed;
  }
  const auto give_up = Clock::now() + std::chrono::seconds(timeout_s);
  while (Clock::now() < give_up) {
    int status = 0;
    if (::waitpid(*pid, &status, WNOHANG) == *pid) {
      print_log(paths, log_size);
      fmt::print(stderr, "fairlead: the gateway ended at once; its log is {}\n", log_file(paths).string());
      return WIFEXITED(status) && WEXITSTATUS(status) == kExitInvalid ? kExitInvalid : kExitFailed;
    }
    // The snapshot is what it writes first when everything is up.
    const auto snapshot =
        is_gateway_running(paths.lock()) ? read_status_snapshot(paths) : fail(ErrorCode::kNotFound, "not yet");
    if (snapshot) {
      fmt::print("The gateway of site {} runs (process {}); its log is {}.\n", text_at(*snapshot, "/site/name"), *pid,
                 log_file(paths).string());
      return kExitOk;
    }
    std::this_thread::sleep_for(kLookInterval);
  }
  fmt::print(stderr, "fairlead: the gateway (process {}) is not ready after {} s; its log is {}\n", *pid, timeout_s,
             log_file(paths).string());
  return kExitFailed;
}

// How many there are, and how many of them are as they should be.
Json share(const Json& snapshot, std::initializer_list<std::string_view> kinds) {
  std::size_t all = 0;
  std::size_t ready = 0;
  for (const Json& resource : snapshot.at("resources")) {
    const std::string kind = text_at(resource, "/kind");
    if (std::ranges::find(kinds, kind) == kinds.end()) continue;
    ++all;
    if (text_at(resource, "/status/status") == "Ready") ++ready;
  }
  return {{"ready", ready}, {"total", all}};
}

Json describe(const NamespacePaths& paths, pid_t pid, const Json& snapshot) {
  Json json;
  json["namespace"] = paths.name();
  json["running"] = true;
  json["process"] = pid;
  json["site"] = snapshot.at("site");
  for (const Json& resource : snapshot.at("resources")) {
    if (text_at(resource, "/kind") != Site::kKind) continue;
    json["status"] = text_at(resource, "/status/status");
    json["message"] = text_at(resource, "/status/message");
  }
  json["links"] = share(snapshot, {Link::kKind});
  json["incomingLinks"] = snapshot.at("incomingLinks").size();
  json["listeners"] = share(snapshot, {Listener::kKind, MultiKeyListener::kKind});
  json["connectors"] = share(snapshot, {Connector::kKind});
  json["connections"] = number_at(snapshot, "/connections");
  json["shards"] = number_at(snapshot, "/shards");
  json["kernel"] = text_at(snapshot, "/kernel/release");
  return json;
}

}  // namespace

int start_system(const CommonArguments& common, const SystemStartArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  if (const auto pid = running_pid(*paths)) {
    fmt::print(stderr,
               "fairlead: the gateway of namespace '{}' runs already (process {}); 'fairlead system reload' has it "
               "read its input\n",
               paths->name(), *pid);
    return kExitFailed;
  }
  if (!arguments.file.empty()) {
    if (const int code = put_files(*paths, {arguments.file, false}); code != kExitOk) return code;
  }
  const auto site = load_namespace(*paths);
  print_diagnostics(site->diagnostics);
  if (site->diagnostics.has_errors()) return kExitInvalid;
  if (by_systemd(*paths)) return use_systemd(*paths, "start");
  return start_gateway(*paths, common, arguments.timeout_s);
}

int stop_system(const CommonArguments& common, const SystemStopArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const auto pid = running_pid(*paths);
  if (!pid) {
    fmt::print("The gateway of namespace '{}' is not running.\n", paths->name());
    return kExitOk;
  }
  if (by_systemd(*paths)) return use_systemd(*paths, "stop");
  if (::kill(*pid, SIGTERM) != 0) {
    print_error(error_from_errno(errno, fmt::format("cannot end process {}", *pid)));
    return kExitFailed;
  }
  auto say_next = Clock::now() + kProgressInterval;
  const auto force = Clock::now() + std::chrono::seconds(arguments.timeout_s);
  bool forced = false;
  while (running_pid(*paths) == pid) {
    std::this_thread::sleep_for(kLookInterval);
    const auto now = Clock::now();
    if (!forced && now >= force) {
      // A second signal ends it at once.
      forced = true;
      fmt::print(stderr, "fairlead: connections are still open after {} s, and are reset\n", arguments.timeout_s);
      ::kill(*pid, SIGTERM);
    } else if (now >= say_next) {
      say_next = now + kProgressInterval;
      const auto snapshot = read_status_snapshot(*paths);
      fmt::print(stderr, "fairlead: {} connections are still open\n",
                 snapshot ? number_at(*snapshot, "/connections") : 0);
    }
  }
  fmt::print("The gateway of namespace '{}' is stopped; its resources are as they were.\n", paths->name());
  return kExitOk;
}

int print_system_status(const CommonArguments& common, const SystemStatusArguments& arguments) {
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  const auto pid = running_pid(*paths);
  if (!pid) {
    if (arguments.format != OutputFormat::kTable) {
      const Json json = {{"namespace", paths->name()}, {"running", false}};
      fmt::print("{}", arguments.format == OutputFormat::kJson ? dump_json(json) : to_yaml(json));
    }
    if (!flush_output()) return kExitFailed;
    print_not_running(*paths);
    return kExitFailed;
  }
  const auto snapshot = read_status_snapshot(*paths);
  if (!snapshot) {
    print_error(snapshot.error());
    return kExitFailed;
  }
  const Json json = describe(*paths, *pid, *snapshot);
  if (arguments.format == OutputFormat::kTable) {
    std::vector<TableRow> rows;
    for (const auto& [name, value] : json.items()) {
      if (value.is_object() && value.contains("total")) {
        rows.push_back({name, fmt::format("{} of {} ready", number_at(value, "/ready"), number_at(value, "/total"))});
      } else if (value.is_object()) {
        rows.push_back({name, fmt::format("{} ({})", text_at(value, "/name"), text_at(value, "/id"))});
      } else {
        rows.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
      }
    }
    fmt::print("{}", format_table(rows));
  } else {
    fmt::print("{}", arguments.format == OutputFormat::kJson ? dump_json(json) : to_yaml(json));
  }
  return kExitOk;
}

}  // namespace fairlead
