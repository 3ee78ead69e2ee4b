// `fairlead run`: reads everything, checks everything, then starts the gateway, and from there on only waits: for
// signals, and for changes of status to write down.

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "version.h"
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "router/gateway.h"
#include "router/site/credentials_store.h"
#include "router/site/files.h"
#include "router/site/gateway_config.h"
#include "router/site/metrics.h"
#include "router/site/site_loader.h"
#include "router/site/status_writer.h"
#include "tools/fairlead/admin_api.h"
#include "tools/fairlead/admin_socket.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/file_watch.h"
#include "tools/fairlead/live_site.h"
#include "tools/fairlead/live_tokens.h"
#include "tools/fairlead/log_sink.h"
#include "tools/fairlead/metrics_server.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/service_notify.h"
#include "transport/base/fd.h"

namespace fairlead {

namespace {

using Clock = std::chrono::steady_clock;

// Between two writes of the status. Far below the second within which it must be true, and a link that flaps costs
// ten writes a second at most; fewer, where there is so much to write that it would take this thread's time.
constexpr std::chrono::milliseconds kStatusInterval{100};
constexpr std::chrono::milliseconds kStatusIntervalMax{700};
constexpr int kStatusRest = 9;  // times as long as a write took
// How often it is looked whether there is an answer for a command that waits for one.
constexpr std::chrono::milliseconds kAnswerInterval{5};
// How often clients of the metrics are looked at that do nothing.
constexpr std::chrono::milliseconds kIdleCheckInterval{1000};
constexpr unsigned kShardsMax = 256;
// Threads say four times a second that they are alive; on a machine under load that can take longer.
constexpr Duration kAliveWithin = Duration::seconds(5);
// How long nothing has changed below input/ before it is read.
constexpr std::chrono::milliseconds kFilesSettled{50};
constexpr std::chrono::seconds kCredentialsInterval{3600};
constexpr std::chrono::seconds kNewCredentialsKnown{1};
// A gateway that was killed keeps its ports a moment longer than its process lives: the kernel winds up its rings in
// the background. Whoever restarts it at once must not fail over that.
constexpr std::chrono::milliseconds kPortsFreeWithin{1500};
constexpr std::chrono::milliseconds kPortInterval{10};

// Blocked before any thread exists, so that all of them inherit it and signals come through the descriptor only.
Result<Fd> open_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  if (const int error = pthread_sigmask(SIG_BLOCK, &signals, nullptr); error != 0) {
    return std::unexpected(error_from_errno(error, "cannot block signals"));
  }
  Fd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return std::unexpected(error_from_errno(errno, "cannot open a signalfd"));
  return fd;
}

// Each connection is a descriptor; the soft limit is often 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    log_warning("the limit of open files stays at {}: {}", before, error_from_errno(errno, "setrlimit").message);
  }
}

// Pools and tables reserve far more than they touch. Where the kernel is set to use huge pages for everybody, the first
// touch of each would take 2 MiB of memory.
void keep_to_small_pages() {
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);  // fails only on kernels that have no huge pages
}

unsigned usable_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return 1;
  return std::clamp(static_cast<unsigned>(CPU_COUNT(&cpus)), 1U, kShardsMax);
}

Result<std::unique_ptr<Gateway>> start_gateway(const GatewayConfig& config, const RunArguments& arguments) {
  TransportOptions options = make_transport_options(config);
  options.shards = arguments.shards == 0 ? usable_cpus() : arguments.shards;
  auto gateway = Gateway::start(options);
  if (!gateway) return gateway;
  const auto give_up = Clock::now() + kPortsFreeWithin;
  const auto add_all = [give_up](const auto& items, auto add) -> Result<void> {
    for (const auto& item : items) {
      auto added = add(item);
      while (!added && added.error().code == ErrorCode::kDuplicate && Clock::now() < give_up) {
        std::this_thread::sleep_for(kPortInterval);
        added = add(item);
      }
      if (!added) return fail(added.error().code, item.name + ": " + added.error().message);
    }
    return {};
  };
  Gateway& target = **gateway;
  // Connectors first and links last, so that the first peer already finds everything.
  auto added = add_all(config.connectors, [&](const ConnectorConfig& item) { return target.add_connector(item); });
  if (added) added = add_all(config.listeners, [&](const ListenerConfig& item) { return target.add_listener(item); });
  if (added) added = add_all(config.accesses, [&](const AccessConfig& item) { return target.add_access(item); });
  if (added) added = add_all(config.links, [&](const LinkConfig& item) { return target.add_link(item); });
  if (!added) return std::unexpected(added.error());
  return gateway;
}

void log_diagnostics(const Diagnostics& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics.items()) {
    const std::string line = without_severity(diagnostic);
    if (diagnostic.severity == Severity::kError) {
      log_error("{}", line);
    } else {
      log_warning("{}", line);
    }
  }
}

// What goes on while the gateway runs, on the main thread.
class Supervisor {
 public:
  Supervisor(Gateway& gateway, LiveSite& site, StatusWriter& writer, LiveTokens& tokens, AdminSocket& admin,
             FileWatch& files, const Fd& signals, unsigned drain_timeout_s)
      : gateway_(gateway),
        site_(site),
        writer_(writer),
        tokens_(tokens),
        admin_(admin),
        api_(gateway, {[this] { return reload("command"); },
                       [this](const std::string& name) { return tokens_.describe_grant(name); },
                       [this] { return fresh_status(); }}),
        files_(files),
        signals_(signals),
        drain_timeout_(drain_timeout_s) {}

  // Until the gateway is to end.
  void run() {
    write_status();
    service_.ready();
    while (!done()) {
      std::vector<pollfd> fds = {{signals_.get(), POLLIN, 0},
                                 {gateway_.status_fd(), POLLIN, 0},
                                 {files_.fd(), POLLIN, 0},
                                 {tokens_.fd(), POLLIN, 0}};
      // A negative descriptor is not polled: between two writes the event waits where it is. What is not polled and how
      // long is waited follow from one moment, or the event could be left out of a wait for an hour.
      const auto now = Clock::now();
      if (now < next_write_) fds[1].fd = -1;
      admin_.http().add_to(fds);
      if (site_.metrics() != nullptr) site_.metrics()->add_to(fds);
      if (::poll(fds.data(), fds.size(), timeout_ms(now)) < 0 && errno != EINTR) {
        log_error("{}", error_from_errno(errno, "cannot wait for events").message);
        return;
      }
      if ((fds[0].revents & POLLIN) != 0) on_signal();
      if ((fds[1].revents & POLLIN) != 0) {
        std::uint64_t count = 0;
        static_cast<void>(!::read(gateway_.status_fd(), &count, sizeof(count)));
        write_status();
      }
      // Who writes several files is given the time to write all of them.
      if ((fds[2].revents & POLLIN) != 0 && files_.take()) reload_at_ = Clock::now() + kFilesSettled;
      if (reload_at_ && Clock::now() >= *reload_at_) static_cast<void>(reload("input changed"));
      if (Clock::now() >= next_check_) check_credentials();
      feed_watchdog();
      admin_.http().serve([this](const HttpRequest& request) { return api_.answer(request); });
      serve_tokens();
      if (site_.metrics() != nullptr) {
        site_.metrics()->serve([this] { return format_metrics(*gateway_.status(), FAIRLEAD_VERSION); });
      }
    }
  }

 private:
  bool done() const {
    if (!drain_deadline_) return false;
    if (stop_at_once_ || gateway_.drained()) return true;
    if (Clock::now() < *drain_deadline_) return false;
    log_warning("{} connections did not finish in time and are reset", gateway_.status()->connections);
    return true;
  }

  int timeout_ms(Clock::time_point now) const {
    auto due = next_check_;
    const auto at_last = [&](Clock::time_point when) { due = std::min(due, when); };
    if (admin_.http().streaming()) at_last(now + kAnswerInterval);
    if (admin_.http().waiting()) at_last(now + kIdleCheckInterval);
    if (service_.watchdog_interval().ns > 0) at_last(next_alive_);
    // Draining ends by itself, without a change of status.
    if (drain_deadline_ || now < next_write_) at_last(now + kStatusInterval);
    if (site_.metrics() != nullptr && site_.metrics()->waiting()) at_last(now + kIdleCheckInterval);
    if (reload_at_) at_last(*reload_at_);
    if (const Duration left = tokens_.until_next(); left < Duration::seconds(3600)) {
      at_last(now + std::chrono::nanoseconds(left.ns));
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - now);
    return static_cast<int>(std::max<std::int64_t>(0, left.count()));
  }

  // Asked of others and by others; nothing new begins once the gateway is to end.
  void serve_tokens() {
    const LiveTokens::Events events = tokens_.serve();
    if (events.redeemed) static_cast<void>(reload("a token was redeemed"));
    status_due_ |= events.changed;
    // Others decide how often that is: no more often than by what the gateway has to tell.
    if (status_due_ && Clock::now() >= next_write_) write_status();
  }

  void on_signal() {
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return;
    if (info.ssi_signo == SIGHUP) {
      static_cast<void>(reload("SIGHUP"));
      return;
    }
    const char* name = info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM";
    if (drain_deadline_) {
      log_info("{} again: ending at once", name);
      stop_at_once_ = true;
      return;
    }
    drain_deadline_ = Clock::now() + drain_timeout_;
    service_.stopping();
    gateway_.drain();
    log_info("{}: draining for at most {} s; a second signal ends at once", name, drain_timeout_.count());
  }

  Reload reload(const char* why) {
    reload_at_.reset();
    if (drain_deadline_) {
      Reload refused;
      refused.errors.emplace_back("the gateway is shutting down");
      return refused;
    }
    service_.reloading(live_kernel().now());
    Reload reload = site_.reload();
    service_.ready();
    if (!reload.errors.empty()) {
      log_error("{}: nothing is changed, because of {} error{} in the input", why, reload.errors.size(),
                reload.errors.size() == 1 ? "" : "s");
    } else {
      log_info("{}: {} change{}", why, reload.changes.size(), reload.changes.size() == 1 ? "" : "s");
    }
    note_changes(reload);
    writer_.set_resources(site_.resources());
    tokens_.set_resources(site_.resources());
    writer_.set_input_refused(reload.errors.empty() ? std::string() : "the input is not in use: " + reload.errors[0]);
    write_status();
    if (!reload.changes.empty()) next_check_ = Clock::now() + kNewCredentialsKnown;
    return reload;
  }

  void note_changes(Reload& reload) {
    const std::int64_t now_unix_s = std::time(nullptr);
    if (!reload.changes.empty()) {
      last_changes_ = reload.changes;
      changed_unix_s_ = now_unix_s;
    } else if (reload.errors.empty()) {
      reload.earlier_changes = last_changes_;
      reload.earlier_age_s = now_unix_s - changed_unix_s_;
    }
  }

  // Also without any change: certificates that the gateway makes are renewed, and what expires soon is said.
  void check_credentials() {
    const bool changed = site_.check_credentials(std::time(nullptr));
    tokens_.set_resources(site_.resources());
    // The status, from which is told what expires, may not have new ones yet.
    next_check_ = Clock::now() + (changed ? kNewCredentialsKnown : kCredentialsInterval);
  }

  void write_status() {
    const auto began = Clock::now();
    status_due_ = false;
    const NetworkView network = gateway_.network();
    const auto written = writer_.write(*gateway_.status(), std::time(nullptr), &network);
    // A disk that is full stays so for a while; once is enough.
    if (!written && !write_failed_) log_error("the status is not up to date: {}", written.error().message);
    if (written && write_failed_) log_info("the status is up to date again");
    write_failed_ = !written;
    service_.status(summary(*gateway_.status()));
    const auto ended = Clock::now();
    const auto rest = (ended - began) * kStatusRest;
    next_write_ = ended + std::clamp<Clock::duration>(rest, kStatusInterval, kStatusIntervalMax);
  }

  nlohmann::ordered_json fresh_status() {
    const NetworkView network = gateway_.network();
    return writer_.snapshot(*gateway_.status(), std::time(nullptr), &network);
  }

  // Of a gateway whose every thread has said within a while that it is alive; this one says so by being here.
  void feed_watchdog() {
    const auto interval = service_.watchdog_interval();
    const auto now = Clock::now();
    if (interval.ns == 0 || now < next_alive_) return;
    next_alive_ = now + std::chrono::nanoseconds(interval.ns);
    const Duration silent = live_kernel().now() - gateway_.status()->alive_at;
    if (silent < kAliveWithin) return service_.alive();
    log_error("a thread of the gateway has not been heard of for {} ms: the watchdog is not fed",
              silent.milliseconds());
  }

  static std::string summary(const GatewayStatus& status) {
    const auto is_up = [](const LinkStatus& link) { return link.state == LinkPhase::kUp; };
    return fmt::format("site {}: {} of {} links up, {} connections{}", status.site_name,
                       std::ranges::count_if(status.links, is_up), status.links.size(), status.connections,
                       status.draining ? ", draining" : "");
  }

  Gateway& gateway_;
  LiveSite& site_;
  StatusWriter& writer_;
  LiveTokens& tokens_;
  AdminSocket& admin_;
  AdminApi api_;
  FileWatch& files_;
  const Fd& signals_;
  const std::chrono::seconds drain_timeout_;
  std::optional<Clock::time_point> drain_deadline_;  // set when the first signal came
  bool stop_at_once_ = false;
  bool write_failed_ = false;
  bool status_due_ = false;  // something has changed since it was written
  std::vector<std::string> last_changes_;
  std::int64_t changed_unix_s_ = 0;
  Clock::time_point next_write_{};
  std::optional<Clock::time_point> reload_at_;
  Clock::time_point next_check_{};
  ServiceNotify service_;
  Clock::time_point next_alive_{};
};

int failed(const Error& error) {
  log_error("{}", error.message);
  return kExitFailed;
}

// Null where none are asked for.
Result<std::unique_ptr<MetricsServer>> open_metrics(const GatewayConfig& config) {
  if (!config.metrics) return nullptr;
  return MetricsServer::open(*config.metrics);
}

Result<GatewayConfig> first_config(const Resources& resources, const NamespacePaths& paths) {
  const CredentialSource source(resources, paths.input_certs(), paths.input_issuers());
  CredentialsStore store(paths, source);
  return make_gateway_config(resources, store);
}

int run_site(const NamespacePaths& paths, std::unique_ptr<LoadedSite> site, const RunArguments& arguments,
             const Fd& signals) {
  const auto started_at = Clock::now();
  if (auto made = make_directory(paths.runtime(), kPublicDirectoryMode); !made) return failed(made.error());
  const auto lock = take_gateway_lock(paths.lock());
  if (!lock) return failed(lock.error());
  raise_descriptor_limit();
  keep_to_small_pages();

  auto config = first_config(site->resources, paths);
  if (!config) return failed(config.error());
  StatusWriter writer(site->resources, paths);
  if (auto opened = writer.open(); !opened) return failed(opened.error());
  const auto admin = AdminSocket::open(paths.admin_socket());
  if (!admin) return failed(admin.error());
  auto metrics = open_metrics(*config);
  if (!metrics) return failed(metrics.error());
  auto files = FileWatch::open({paths.input_resources(), paths.input_certs(), paths.input_issuers()});
  if (!files) return failed(files.error());
  auto gateway = start_gateway(*config, arguments);
  if (!gateway) return failed(gateway.error());

  auto tokens = LiveTokens::open(paths);
  if (!tokens) return failed(tokens.error());
  LiveSite live(**gateway, paths, std::move(site), std::move(*config), std::move(*metrics));
  writer.set_tokens(&(*tokens)->states());
  (*tokens)->set_resources(live.resources());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started_at);
  log_info(
      "ready: site {} in namespace {}, {} shards, {} listeners, {} connectors, {} links out, {} ports for links in, "
      "started in {} ms",
      live.config().site_name, paths.name(), (*gateway)->status()->shards, live.config().listeners.size(),
      live.config().connectors.size(), live.config().links.size(), live.config().accesses.size(), took.count());
  Supervisor(**gateway, live, writer, **tokens, **admin, *files, signals, arguments.drain_timeout_s).run();
  (*admin)->http().drop_clients();
  tokens->reset();
  writer.set_tokens(nullptr);
  gateway->reset();
  if (auto closed = writer.close(std::time(nullptr)); !closed) log_error("{}", closed.error().message);
  log_info("stopped");
  return kExitOk;
}

}  // namespace

int run_gateway(const CommonArguments& common, const RunArguments& arguments) {
  const auto signals = open_signals();
  const LogSession log(common.log_level, common.log_format);
  if (!signals) return failed(signals.error());
  const auto paths = find_namespace(common);
  if (!paths) return kExitFailed;
  auto site = load_namespace(*paths);
  log_diagnostics(site->diagnostics);
  if (site->diagnostics.has_errors()) {
    log_error("not started: {} errors in the resources of namespace {}", site->diagnostics.error_count(),
              paths->name());
    return kExitInvalid;
  }
  return run_site(*paths, std::move(site), arguments, *signals);
}

}  // namespace fairlead
