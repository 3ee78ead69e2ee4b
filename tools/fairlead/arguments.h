// The command line as plain values. The parsing library stays in arguments.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tools/load/plan.h"
#include "transport/base/log.h"

namespace fairlead {

// What a command ends with, for scripts.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitInvalid = 2;  // the command line or the resources are wrong

enum class OutputFormat : std::uint8_t { kTable, kJson, kYaml };
enum class LogFormat : std::uint8_t { kText, kJson };

struct CommonArguments {
  std::string namespace_name = "default";
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
};

struct RunArguments {
  unsigned shards = 0;  // 0: as many as CPUs that the process may use
  unsigned drain_timeout_s = 30;
};

struct CheckArguments {
  std::vector<std::string> files;  // empty: the namespace's input
};

struct LinkGenerateArguments {
  std::string name;
  std::string host;
  std::uint32_t cost = 1;
};

struct LinkStatusArguments {
  std::string name;  // empty: all
  OutputFormat format = OutputFormat::kTable;
};

struct LinkTestArguments {
  std::string name;
  unsigned seconds = 3;  // each way
  OutputFormat format = OutputFormat::kTable;
};

enum class BenchMode : std::uint8_t { kRequests, kBulk, kConnects };

enum class BenchFormat : std::uint8_t { kTable, kJson, kYaml, kBenchdog };

struct BenchArguments {
  std::string target;  // a routing key that a listener leads to, or HOST:PORT
  std::string serve;   // HOST:PORT: be the server instead
  BenchMode mode = BenchMode::kRequests;
  std::vector<unsigned> streams = {1};
  std::uint32_t size = 64;
  double rate = 0;
  load::Direction direction = load::Direction::kUp;
  double seconds = 10;
  bool plain = false;
  bool phases = false;
  BenchFormat format = BenchFormat::kTable;
};

enum class NetworkFormat : std::uint8_t { kTable, kJson, kYaml, kDot, kSvg };

struct NetworkStatusArguments {
  NetworkFormat format = NetworkFormat::kTable;
};

struct RouteArguments {
  std::string routing_key;
  std::string from;                  // site; empty: this one
  std::string topology;              // file with a network; empty: the running one
  std::vector<std::string> costs;    // SITE/SITE=N
  std::vector<std::string> without;  // SITE/SITE or SITE
  OutputFormat format = OutputFormat::kTable;
};

struct TraceArguments {
  std::string routing_key;
  OutputFormat format = OutputFormat::kTable;
};

struct TopArguments {
  double interval_s = 2;
  unsigned count = 0;  // 0: until ended on a terminal, else once
  OutputFormat format = OutputFormat::kTable;
};

struct TokenIssueArguments {
  std::string file;  // that the token is written to; -: the standard output
  std::string name;  // of the grant; empty: SITE and some digits
  std::string host;  // that the other site dials; empty: the first name of the server certificate
  std::uint32_t redemptions_allowed = 1;
  std::string expiration_window = "15m";
  std::uint32_t cost = 1;
  unsigned timeout_s = 60;
};

struct TokenRedeemArguments {
  std::string file;  // -: the standard input
  unsigned timeout_s = 60;
};

enum class StatusOf : std::uint8_t { kSite, kListener, kConnector, kToken };

struct ResourceStatusArguments {
  StatusOf what = StatusOf::kSite;
  std::string name;  // empty: all
  OutputFormat format = OutputFormat::kTable;
};

enum class ResourceVerb : std::uint8_t { kCreate, kUpdate, kDelete, kGenerate };

// What a command that changes a running site waits for.
enum class Wait : std::uint8_t { kNone, kConfigured, kReady };

struct ResourceChangeArguments {
  ResourceVerb verb = ResourceVerb::kCreate;
  std::string kind;
  std::string name;
  bool all = false;                                         // of delete: all kinds
  std::vector<std::pair<std::string, std::string>> fields;  // of the spec, as text
  OutputFormat format = OutputFormat::kYaml;
  Wait wait = Wait::kConfigured;
  unsigned timeout_s = 60;
};

struct SystemApplyArguments {
  std::string file;     // -: the standard input
  bool remove = false;  // what is in it
};

enum class BundleType : std::uint8_t { kTarball, kShellScript };

struct SystemBundleArguments {
  std::string file;
  std::string input;  // folder; empty: the namespace's input
  BundleType type = BundleType::kTarball;
};

struct SystemStartArguments {
  std::string file;  // resources that are put into the input before; empty: none
  unsigned timeout_s = 30;
};

struct SystemStopArguments {
  unsigned timeout_s = 40;  // a little more than connections are given by themselves
};

struct SystemStatusArguments {
  OutputFormat format = OutputFormat::kTable;
};

struct SystemInstallArguments {
  std::string user = "fairlead";  // that the service runs as, where root installs it
  bool print = false;             // only the unit
};

struct SystemUninstallArguments {
  bool force = false;
};

struct SystemLogLevelArguments {
  LogLevel level = LogLevel::kInfo;
};

struct SystemReloadArguments {
  OutputFormat format = OutputFormat::kTable;
};

struct DebugCheckArguments {
  OutputFormat format = OutputFormat::kTable;
};

struct DebugDumpArguments {
  std::string file;  // empty: one with the time in its name
};

struct VersionArguments {};

using CommandArguments =
    std::variant<RunArguments, CheckArguments, LinkGenerateArguments, LinkStatusArguments, LinkTestArguments,
                 BenchArguments, TopArguments, NetworkStatusArguments, RouteArguments, TraceArguments,
                 TokenIssueArguments, TokenRedeemArguments, ResourceStatusArguments, ResourceChangeArguments,
                 SystemApplyArguments, SystemBundleArguments, SystemStartArguments, SystemStopArguments,
                 SystemStatusArguments, SystemInstallArguments, SystemUninstallArguments, SystemLogLevelArguments,
                 SystemReloadArguments, DebugCheckArguments, DebugDumpArguments, VersionArguments>;

struct Arguments {
  CommonArguments common;
  CommandArguments command;
};

// Prints help or what is wrong, and returns the exit code instead, if there is nothing to run.
std::variant<Arguments, int> parse_arguments(int argc, char** argv);

}  // namespace fairlead
