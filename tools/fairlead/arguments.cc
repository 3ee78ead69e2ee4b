#include "tools/fairlead/arguments.h"

#include <cstdio>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "router/site/field_reader.h"
#include "router/site/names.h"
#include "router/site/resources.h"
#include "tools/fairlead/choice_option.h"
#include "tools/fairlead/command_docs.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/resource_options.h"
#include "transport/resolver.h"

namespace fairlead {

namespace {

constexpr unsigned kShardsMax = 256;
constexpr unsigned kDrainTimeoutMaxS = 24 * 3600;
constexpr std::uint32_t kCostMax = 0x7fffffff;
constexpr std::uint32_t kRedemptionsMax = 100'000;

const char* const kFooter =
    "Examples:\n"
    "  fairlead run -n west                          the gateway of namespace west\n"
    "  fairlead link generate -n west > link.yaml    a link to it, for another site's input/resources\n"
    "  fairlead link status -n east                  what became of it\n"
    "\n"
    "Resources are read from DATA/namespaces/NAMESPACE/input/resources, where DATA is $FAIRLEAD_HOME, else\n"
    "/var/lib/fairlead for root, else $XDG_DATA_HOME/fairlead or ~/.local/share/fairlead.";

const std::map<std::string, LogLevel> kLogLevels = {{"debug", LogLevel::kDebug},
                                                    {"info", LogLevel::kInfo},
                                                    {"warning", LogLevel::kWarning},
                                                    {"error", LogLevel::kError}};
const std::map<std::string, LogFormat> kLogFormats = {{"text", LogFormat::kText}, {"json", LogFormat::kJson}};
const std::map<std::string, BundleType> kBundleTypes = {{"tarball", BundleType::kTarball},
                                                        {"shell-script", BundleType::kShellScript}};
const std::map<std::string, OutputFormat> kOutputFormats = {
    {"table", OutputFormat::kTable}, {"json", OutputFormat::kJson}, {"yaml", OutputFormat::kYaml}};

const std::map<std::string, NetworkFormat> kNetworkFormats = {{"table", NetworkFormat::kTable},
                                                              {"json", NetworkFormat::kJson},
                                                              {"yaml", NetworkFormat::kYaml},
                                                              {"dot", NetworkFormat::kDot},
                                                              {"svg", NetworkFormat::kSvg}};

const std::map<std::string, BenchMode> kBenchModes = {
    {"requests", BenchMode::kRequests}, {"bulk", BenchMode::kBulk}, {"connects", BenchMode::kConnects}};
const std::map<std::string, BenchFormat> kBenchFormats = {{"table", BenchFormat::kTable},
                                                          {"json", BenchFormat::kJson},
                                                          {"yaml", BenchFormat::kYaml},
                                                          {"benchdog", BenchFormat::kBenchdog}};
const std::map<std::string, load::Direction> kDirections = {
    {"up", load::Direction::kUp}, {"down", load::Direction::kDown}, {"both", load::Direction::kBoth}};

const std::map<std::string, Shell> kShells = {{"bash", Shell::kBash}, {"fish", Shell::kFish}, {"zsh", Shell::kZsh}};

std::string check_namespace_name(const std::string& name) {
  return check_name(name).value_or("");
}

// The commands and what they fill in.
struct CommandLine {
  CommandLine();

  CLI::App app{"fairlead joins sites: applications at one reach servers at another, over one mutual-TLS link.",
               "fairlead"};
  CommonArguments common;
  RunArguments run;
  CheckArguments check;
  LinkGenerateArguments link_generate;
  LinkStatusArguments link_status;
  LinkTestArguments link_test;
  NetworkStatusArguments network_status;
  RouteArguments route;
  TraceArguments trace;
  BenchArguments bench;
  TopArguments top;
  TokenIssueArguments token_issue;
  TokenRedeemArguments token_redeem;
  std::vector<std::unique_ptr<ResourceStatusArguments>> resource_status;  // of each kind
  ResourceOptions resource_options;
  SystemApplyArguments system_apply;
  SystemApplyArguments system_delete;
  SystemStartArguments system_start;
  SystemStopArguments system_stop;
  SystemStatusArguments system_status;
  SystemBundleArguments system_bundle;
  SystemInstallArguments system_install;
  SystemUninstallArguments system_uninstall;
  SystemLogLevelArguments system_log_level;
  SystemReloadArguments system_reload;
  DebugCheckArguments debug_check;
  DebugDumpArguments debug_dump;
  Shell shell = Shell::kBash;
  bool wants_version = false;

  CLI::App* run_command = nullptr;
  CLI::App* check_command = nullptr;
  CLI::App* link_command = nullptr;
  CLI::App* link_generate_command = nullptr;
  CLI::App* link_status_command = nullptr;
  CLI::App* link_test_command = nullptr;
  CLI::App* network_command = nullptr;
  CLI::App* network_status_command = nullptr;
  CLI::App* route_command = nullptr;
  CLI::App* trace_command = nullptr;
  CLI::App* bench_command = nullptr;
  CLI::App* top_command = nullptr;
  CLI::App* token_issue_command = nullptr;
  CLI::App* token_redeem_command = nullptr;
  std::vector<CLI::App*> resource_status_commands;  // in the same order
  CLI::App* system_command = nullptr;
  CLI::App* system_start_command = nullptr;
  CLI::App* system_stop_command = nullptr;
  CLI::App* system_status_command = nullptr;
  CLI::App* system_bundle_command = nullptr;
  CLI::App* system_install_command = nullptr;
  CLI::App* system_uninstall_command = nullptr;
  CLI::App* system_log_level_command = nullptr;
  CLI::App* system_apply_command = nullptr;
  CLI::App* system_delete_command = nullptr;
  CLI::App* system_reload_command = nullptr;
  CLI::App* debug_check_command = nullptr;
  CLI::App* debug_dump_command = nullptr;
  CLI::App* completion_command = nullptr;
  CLI::App* manual_command = nullptr;
  CLI::App* version_command = nullptr;

 private:
  void add_run();
  void add_check();
  void add_link();
  void add_network();
  void add_bench();
  void add_top();
  void add_token(CLI::App& token);
  CLI::App* add_resource(StatusOf what, const std::string& word, const std::string& description);
  void add_system();
};

CommandLine::CommandLine() {
  app.footer(kFooter);
  // Options of the top work behind a command too: `fairlead link status -n west`.
  app.fallthrough();
  // Without a limit the library would take the commands behind a command too, and run one of them.
  app.require_subcommand(0, 1);
  app.add_option("-n,--namespace", common.namespace_name, "Namespace of the site")
      ->capture_default_str()
      ->check(CLI::Validator(check_namespace_name, ""))
      ->type_name("NAME");
  add_choice(app, "--log-level", common.log_level, kLogLevels, "What is logged at least (info)");
  add_choice(app, "--log-format", common.log_format, kLogFormats, "How log lines look (text)");
  app.add_flag("--version", wants_version, "Print the version");
  add_run();
  add_check();
  add_link();
  resource_options.add(*link_command, Link::kKind);
  resource_options.add(*add_resource(StatusOf::kSite, "site", "This site"), Site::kKind);
  resource_options.add(*add_resource(StatusOf::kListener, "listener", "Listeners, where clients come in"),
                       Listener::kKind);
  resource_options.add(*add_resource(StatusOf::kConnector, "connector", "Connectors, which lead to servers"),
                       Connector::kKind);
  CLI::App* const token =
      add_resource(StatusOf::kToken, "token", "Let other sites make links to this one, and make such links");
  add_token(*token);
  resource_options.add(*token, AccessGrant::kKind);
  add_network();
  add_bench();
  add_top();
  add_system();
  CLI::App* const debug = app.add_subcommand("debug", "Find out what is wrong");
  debug->require_subcommand(1);
  debug_check_command = debug->add_subcommand("check",
                                              "Look at the machine, the input and the gateway, and say what is "
                                              "wrong");
  add_choice(*debug_check_command, "-o,--output", debug_check.format, kOutputFormats, "How to print it (table)");
  debug_dump_command = debug->add_subcommand("dump", "Write what is known of this site to a tarball, without secrets");
  debug_dump_command->add_option("FILE", debug_dump.file, "Where to (fairlead-dump-NAMESPACE-TIME.tar.gz)");
  completion_command = app.add_subcommand("completion", "Print what completes these commands in a shell");
  add_choice(*completion_command, "SHELL", shell, kShells, "bash, zsh or fish")->required();
  manual_command = app.add_subcommand("manual", "Print the manual page, for man -l -");
  version_command = app.add_subcommand("version", "Print the version");
}

void CommandLine::add_run() {
  run_command = app.add_subcommand("run", "Run the gateway of a namespace in the foreground");
  run_command->add_option("--shards", run.shards, "Threads that carry traffic (the CPUs that this process may use)")
      ->check(CLI::Range(1U, kShardsMax))
      ->type_name("N");
  run_command->add_option("--drain-timeout", run.drain_timeout_s, "How long open connections may finish after SIGTERM")
      ->capture_default_str()
      ->check(CLI::Range(0U, kDrainTimeoutMaxS))
      ->type_name("SECONDS");
}

void CommandLine::add_check() {
  check_command = app.add_subcommand("check", "Validate the resources of a namespace, or of files, without running");
  check_command->add_option("FILE", check.files, "Files to check instead of the namespace's input");
}

void CommandLine::add_link() {
  link_command = app.add_subcommand("link", "Make links and look at them");
  link_command->require_subcommand(1);
  link_generate_command =
      link_command->add_subcommand("generate", "Print a Link and its credentials for another site to use");
  link_generate_command->add_option("--host", link_generate.host, "Host or address under which this site is dialled")
      ->type_name("HOST");
  link_generate_command->add_option("--cost", link_generate.cost, "Routing cost of the link")
      ->capture_default_str()
      ->check(CLI::Range(1U, kCostMax))
      ->type_name("N");
  link_generate_command->add_option("--name", link_generate.name, "Name of the link at the other site (link-SITE)")
      ->type_name("NAME");
  link_status_command = link_command->add_subcommand("status", "Show the links of a site, outgoing and incoming");
  link_status_command->add_option("NAME", link_status.name,
                                  "Only the links of this name or to this site, with all that is known of them");
  add_choice(*link_status_command, "-o,--output", link_status.format, kOutputFormats, "How to print it (table)");
  link_test_command = link_command->add_subcommand(
      "test", "Try the handshake of a link, and measure its round trips and throughput beside its traffic");
  link_test_command->add_option("NAME", link_test.name, "The link, by its name or that of the site at its other end")
      ->required();
  link_test_command->add_option("--time", link_test.seconds, "How long to fill the link, each way")
      ->capture_default_str()
      ->check(CLI::Range(1U, 60U))
      ->type_name("SECONDS");
  add_choice(*link_test_command, "-o,--output", link_test.format, kOutputFormats, "How to print it (table)");
}

void CommandLine::add_network() {
  network_command = app.add_subcommand("network", "Look at all sites that are joined");
  network_command->require_subcommand(1);
  network_status_command = network_command->add_subcommand("status", "Show the sites, their links and what they serve");
  add_choice(*network_status_command, "-o,--output", network_status.format, kNetworkFormats,
             "How to print it (table); svg is a picture, dot is for Graphviz");
  route_command = app.add_subcommand("route", "Show where a connection for a routing key goes, and why");
  route_command->add_option("KEY", route.routing_key, "Routing key")->required();
  route_command->add_option("--from", route.from, "Of connections that come in at this site, by name or id (this site)")
      ->type_name("SITE");
  route_command
      ->add_option("--topology", route.topology,
                   "In the network that this file describes, as network status -o json or -o yaml prints it; - is the "
                   "standard input")
      ->type_name("FILE");
  route_command->add_option("--cost", route.costs, "As if the link west/east had cost 5: west/east=5; may be repeated")
      ->allow_extra_args(false)
      ->type_name("LINK=N");
  route_command
      ->add_option("--without", route.without, "As if a link (west/east) or a site were not there; may be repeated")
      ->allow_extra_args(false)
      ->type_name("LINK|SITE");
  add_choice(*route_command, "-o,--output", route.format, kOutputFormats, "How to print it (table)");
  trace_command = app.add_subcommand("trace", "Follow the way of the next connection for a routing key, with times");
  trace_command->add_option("KEY", trace.routing_key, "Routing key")->required();
  add_choice(*trace_command, "-o,--output", trace.format, kOutputFormats, "How to print it (table)");
}

void CommandLine::add_bench() {
  bench_command = app.add_subcommand("bench", "Make traffic over the way of a routing key, and measure it");
  const auto is_endpoint = [](const std::string& text) {
    return parse_host_port(text) ? std::string() : fmt::format("found '{}'; needed is HOST:PORT", text);
  };
  CLI::Option* target = bench_command->add_option(
      "TARGET", bench.target, "Routing key of a listener of this site, or HOST:PORT; the server is one of --serve");
  bench_command
      ->add_option("--serve", bench.serve,
                   "Be the server, until ended: echoes, takes or sends, as each client wants; to others a plain echo")
      ->check(CLI::Validator(is_endpoint, ""))
      ->excludes(target)
      ->type_name("HOST:PORT");
  add_choice(*bench_command, "--mode", bench.mode, kBenchModes,
             "Requests on connections that stay, as much as goes through, or a connection for each request (requests)");
  bench_command->add_option("--streams", bench.streams, "Connections at a time; 1,10,100: one run after another")
      ->delimiter(',')
      ->check(CLI::Range(1U, load::kStreamsMax))
      ->type_name("N,...");
  bench_command->add_option("--size", bench.size, "Bytes of a request, and of its answer")
      ->capture_default_str()
      ->check(CLI::Range(1U, load::kRequestBytesMax))
      ->type_name("BYTES");
  bench_command
      ->add_option("--rate", bench.rate,
                   "Requests a second, of all connections together; a latency then counts from when one was due")
      ->check(CLI::Range(0.0, 10e6))
      ->type_name("N");
  add_choice(*bench_command, "--direction", bench.direction, kDirections, "Where bulk goes (up)");
  bench_command->add_option("--time", bench.seconds, "How long, each run")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0))
      ->type_name("SECONDS");
  bench_command->add_flag("--plain", bench.plain, "The server is any that echoes (requests), or takes (bulk)");
  bench_command->add_flag("--phases", bench.phases, "Say on stderr when the load of a run begins and ends");
  add_choice(*bench_command, "-o,--output", bench.format, kBenchFormats, "How to print it (table)");
}

void CommandLine::add_top() {
  top_command = app.add_subcommand("top", "Watch what the running gateway does: shards, links and routing keys");
  top_command->add_option("--interval", top.interval_s, "Between two looks")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 3600.0))
      ->type_name("SECONDS");
  top_command
      ->add_option("--count", top.count, "Print so many times and end, instead of a screen that is drawn until q")
      ->check(CLI::Range(1U, 1'000'000U))
      ->type_name("N");
  add_choice(*top_command, "-o,--output", top.format, kOutputFormats,
             "How to print it (table); in JSON a line each time");
}

void CommandLine::add_token(CLI::App& token) {
  const auto add_timeout = [](CLI::App& command, unsigned& value) {
    command.add_option("--timeout", value, "How long to wait for the gateway, or for the other site")
        ->capture_default_str()
        ->check(CLI::Range(1U, kDrainTimeoutMaxS))
        ->type_name("SECONDS");
  };
  const auto is_duration = [](const std::string& text) {
    const auto window = parse_duration(text);
    return window && window->ns > 0 ? std::string()
                                    : fmt::format("found '{}'; needed is a time such as 15m or 1h30m", text);
  };
  token_issue_command = token.add_subcommand(
      "issue", "Write a token: whoever has it can make a link to this site, until it expires or is used up");
  token_issue_command->add_option("FILE", token_issue.file, "Where to write it; - is the standard output")->required();
  token_issue_command
      ->add_option("--redemptions-allowed", token_issue.redemptions_allowed, "How many sites may make a link with it")
      ->capture_default_str()
      ->check(CLI::Range(1U, kRedemptionsMax))
      ->type_name("N");
  token_issue_command->add_option("--expiration-window", token_issue.expiration_window, "How long it can be redeemed")
      ->capture_default_str()
      ->check(CLI::Validator(is_duration, ""))
      ->type_name("TIME");
  token_issue_command->add_option("--cost", token_issue.cost, "Routing cost of the links")
      ->capture_default_str()
      ->check(CLI::Range(1U, kCostMax))
      ->type_name("N");
  token_issue_command->add_option("--host", token_issue.host, "Host or address under which this site is dialled")
      ->type_name("HOST");
  token_issue_command->add_option("--name", token_issue.name, "Name of the grant, and of the link at the other site")
      ->check(CLI::Validator(check_namespace_name, ""))
      ->type_name("NAME");
  add_timeout(*token_issue_command, token_issue.timeout_s);
  token_redeem_command = token.add_subcommand("redeem", "Make a link to the site that issued a token");
  token_redeem_command->add_option("FILE", token_redeem.file, "The token; - is the standard input")->required();
  add_timeout(*token_redeem_command, token_redeem.timeout_s);
}

CLI::App* CommandLine::add_resource(StatusOf what, const std::string& word, const std::string& description) {
  CLI::App* command = app.add_subcommand(word, description);
  command->require_subcommand(1);
  CLI::App* status = command->add_subcommand("status", "Show what the gateway says of each, or of one");
  auto& arguments = *resource_status.emplace_back(std::make_unique<ResourceStatusArguments>());
  arguments.what = what;
  status->add_option("NAME", arguments.name, fmt::format("Only the {} of this name", word));
  add_choice(*status, "-o,--output", arguments.format, kOutputFormats, "How to print it (table)");
  resource_status_commands.push_back(status);
  return command;
}

void CommandLine::add_system() {
  system_command = app.add_subcommand("system", "Look after the gateway of a namespace");
  system_command->require_subcommand(1);
  const auto add_timeout = [](CLI::App& command, unsigned& value, const char* description) {
    command.add_option("--timeout", value, description)
        ->capture_default_str()
        ->check(CLI::Range(0U, kDrainTimeoutMaxS))
        ->type_name("SECONDS");
  };
  system_start_command =
      system_command->add_subcommand("start", "Start the gateway in the background, and wait for it");
  system_start_command
      ->add_option("-f,--filename", system_start.file,
                   "Resources that are put into the input before; - is the standard "
                   "input")
      ->type_name("FILE");
  add_timeout(*system_start_command, system_start.timeout_s, "How long it may take to be ready");
  system_stop_command = system_command->add_subcommand("stop", "End the gateway; what it was told stays");
  add_timeout(*system_stop_command, system_stop.timeout_s,
              "How long open connections may finish, before they are reset");
  system_status_command = system_command->add_subcommand("status", "Show whether the gateway runs, and how it is");
  add_choice(*system_status_command, "-o,--output", system_status.format, kOutputFormats, "How to print it (table)");
  system_log_level_command = system_command->add_subcommand("log-level", "Change what the running gateway logs");
  add_choice(*system_log_level_command, "LEVEL", system_log_level.level, kLogLevels, "What is logged at least")
      ->required();
  system_install_command = system_command->add_subcommand("install", "Make the gateway a service of systemd");
  system_install_command->add_option("--user", system_install.user, "User that it runs as, made if there is none")
      ->capture_default_str()
      ->check(CLI::Validator(check_namespace_name, ""))
      ->type_name("NAME");
  system_install_command->add_flag("--print", system_install.print, "Only print the unit");
  system_uninstall_command = system_command->add_subcommand("uninstall", "Take that back; resources stay");
  system_uninstall_command->add_flag("-f,--force", system_uninstall.force, "Also if it runs: it is ended");
  const auto add_files = [this](const char* word, const char* description, SystemApplyArguments& arguments) {
    CLI::App* const command = system_command->add_subcommand(word, description);
    command->add_option("-f,--filename", arguments.file, "File of resources, YAML or JSON; - is the standard input")
        ->required()
        ->type_name("FILE");
    return command;
  };
  system_apply_command = add_files("apply", "Put the resources of a file into the input", system_apply);
  system_delete_command = add_files("delete", "Take the resources of a file out of the input", system_delete);
  system_delete.remove = true;
  system_bundle_command = system_command->add_subcommand(
      "generate-bundle", "Write the site with its certificates to one file, to set it up on another machine");
  system_bundle_command->add_option("FILE", system_bundle.file, "Where to")->required();
  system_bundle_command->add_option("--input", system_bundle.input, "Folder with the resources (the namespace's input)")
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  add_choice(*system_bundle_command, "--type", system_bundle.type, kBundleTypes, "What it is (tarball)");
  system_reload_command = system_command->add_subcommand(
      "reload", "Have the gateway read its input now, wait for it, and print what changed");
  add_choice(*system_reload_command, "-o,--output", system_reload.format, kOutputFormats, "How to print it (table)");
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app))
    names.push_back(command->get_name());
  return names;
}

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  for (const CLI::App* command : commands_of(app)) {
    if (command->get_name() == name) return command;
  }
  return nullptr;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    for (const CLI::Option* option : level->get_options()) {
      if (!option->get_lnames().empty()) names.push_back("--" + option->get_lnames().front());
    }
  }
  return names;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& names) {
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::string_view meant = closest(word, candidates);
  return meant.empty() ? "" : fmt::format(" (did you mean '{}'?)", meant);
}

const CLI::Option* find_option(const CLI::App& app, const std::string& word) {
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    if (const CLI::Option* option = level->get_option_no_throw(word)) return option;
  }
  return nullptr;
}

std::string second_command(const std::string& first, const std::string& second) {
  return fmt::format("one command at a time: found '{}' behind '{}'", second, first);
}

// A file may be called like a command, but a second command is far more often what was meant.
void refuse_commands_among(const std::vector<std::string>& files, const CLI::App& check, const CLI::App& top) {
  for (const std::string& file : files) {
    if (find_command(top, file) == nullptr) continue;
    throw CLI::ValidationError(
        fmt::format("{}; write ./{} if it is a file", second_command(check.get_name(), file), file));
  }
}

// The library says only that a command is required, or that something was not expected. Finds the first word that is no
// command where one must be, or no option of the command, and says what was probably meant.
std::string explain(const CLI::App& top, int argc, char** argv, const CLI::ParseError& error) {
  const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
  if (code != CLI::ExitCodes::RequiredError && code != CLI::ExitCodes::ExtrasError) return error.what();
  const CLI::App* at = &top;
  for (int i = 1; i < argc; i++) {
    const std::string word = argv[i];
    if (word.starts_with("-")) {
      const std::string name = word.substr(0, word.find('='));
      const CLI::Option* option = find_option(*at, name);
      if (option == nullptr && name.starts_with("--") && name.size() > 2) {
        return fmt::format("unknown option {}{}", word, suggestion(name, option_names(*at)));
      }
      if (option != nullptr && option->get_items_expected_min() > 0 && name == word) i++;
      continue;
    }
    const std::vector<std::string> names = command_names(*at);
    if (names.empty() && at->get_parent() != nullptr && find_command(*at->get_parent(), word) != nullptr) {
      return second_command(at->get_name(), word);
    }
    if (names.empty()) continue;
    if (const CLI::App* next = find_command(*at, word)) {
      at = next;
      continue;
    }
    return fmt::format("unknown command '{}'{}; commands are {}", word, suggestion(word, names),
                       fmt::join(names, ", "));
  }
  if (const std::vector<std::string> names = command_names(*at); !names.empty()) {
    return fmt::format("a command is missing; commands are {}", fmt::join(names, ", "));
  }
  return error.what();
}

CommandArguments selected(CommandLine& line) {
  if (line.wants_version) return VersionArguments{};
  if (line.run_command->parsed()) return std::move(line.run);
  if (line.check_command->parsed()) return std::move(line.check);
  if (line.link_generate_command->parsed()) return std::move(line.link_generate);
  if (line.link_status_command->parsed()) return std::move(line.link_status);
  if (line.link_test_command->parsed()) return std::move(line.link_test);
  if (line.network_status_command->parsed()) return line.network_status;
  if (line.route_command->parsed()) return std::move(line.route);
  if (line.trace_command->parsed()) return std::move(line.trace);
  if (line.bench_command->parsed()) return std::move(line.bench);
  if (line.top_command->parsed()) return line.top;
  if (line.token_issue_command->parsed()) return std::move(line.token_issue);
  if (line.token_redeem_command->parsed()) return std::move(line.token_redeem);
  for (std::size_t i = 0; i < line.resource_status_commands.size(); ++i) {
    if (line.resource_status_commands[i]->parsed()) return std::move(*line.resource_status[i]);
  }
  if (auto change = line.resource_options.selected()) return std::move(*change);
  if (line.system_start_command->parsed()) return std::move(line.system_start);
  if (line.system_stop_command->parsed()) return line.system_stop;
  if (line.system_status_command->parsed()) return line.system_status;
  if (line.system_install_command->parsed()) return std::move(line.system_install);
  if (line.system_uninstall_command->parsed()) return line.system_uninstall;
  if (line.system_bundle_command->parsed()) return std::move(line.system_bundle);
  if (line.system_log_level_command->parsed()) return line.system_log_level;
  if (line.system_apply_command->parsed()) return std::move(line.system_apply);
  if (line.system_delete_command->parsed()) return std::move(line.system_delete);
  if (line.debug_check_command->parsed()) return line.debug_check;
  if (line.debug_dump_command->parsed()) return std::move(line.debug_dump);
  if (line.system_reload_command->parsed()) return line.system_reload;
  return VersionArguments{};
}

}  // namespace

std::variant<Arguments, int> parse_arguments(int argc, char** argv) {
  try {
    CommandLine line;
    try {
      line.app.parse(argc, argv);
      // Checked here, because --version alone needs no command.
      if (!line.wants_version && line.app.get_subcommands().empty()) throw CLI::RequiredError::Subcommand(1);
      refuse_commands_among(line.check.files, *line.check_command, line.app);
    } catch (const CLI::Success& help) {
      line.app.exit(help);
      return kExitOk;
    } catch (const CLI::ParseError& error) {
      // It is asked for most by those who are not sure of the rest.
      if (line.wants_version) return Arguments{line.common, VersionArguments{}};
      fmt::print(stderr, "fairlead: {}\nTry 'fairlead --help'.\n", explain(line.app, argc, argv, error));
      return kExitInvalid;
    }
    if (line.completion_command->parsed() || line.manual_command->parsed()) {
      fmt::print("{}", line.manual_command->parsed() ? manual_of(line.app) : completion_of(line.app, line.shell));
      return flush_output() ? kExitOk : kExitFailed;
    }
    return Arguments{line.common, selected(line)};
  } catch (const CLI::Error& error) {
    fmt::print(stderr, "fairlead: {}\n", error.what());
    return kExitInvalid;
  }
}

}  // namespace fairlead
