#include "transport/transport.h"

#include <algorithm>
#include <cstring>
#include <latch>

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "transport/base/log.h"

namespace fairlead {
namespace {

constexpr unsigned kControlRingEntries = 512;

}  // namespace

Result<std::unique_ptr<Transport>> Transport::open(Kernel& kernel, const TransportOptions& options,
                                                   const KernelFeatures& features, const KernelTlsFeatures& tls,
                                                   TransportEvents& events) {
  std::unique_ptr<Transport> transport(new Transport(kernel, options, features, tls, events));
  auto ring = Ring::open(kernel, kControlRingEntries);
  if (!ring) return std::unexpected(ring.error());
  transport->ring_ = std::move(*ring);
  const int event = kernel.open_event();
  if (event < 0) return std::unexpected(error_from_errno(-event, "eventfd"));
  transport->event_ = Socket(kernel, event);
  const int status_event = kernel.open_event();
  if (status_event < 0) return std::unexpected(error_from_errno(-status_event, "eventfd"));
  transport->status_event_ = Socket(kernel, status_event);
  transport->requests_.attach(kernel, event);
  for (unsigned index = 0; index < options.shards; ++index) {
    auto shard = Shard::open(kernel, transport->options_, index, *transport);
    if (!shard) return std::unexpected(shard.error());
    transport->shards_.push_back(std::move(*shard));
    transport->inboxes_.push_back(std::make_unique<Mailbox<Transport>>());
    transport->inboxes_.back()->attach(kernel, event);
  }
  transport->reports_.resize(options.shards);
  transport->publish_status();
  return transport;
}

Transport::Transport(Kernel& kernel, const TransportOptions& options, KernelFeatures features, KernelTlsFeatures tls,
                     TransportEvents& events)
    : kernel_(kernel),
      options_(options),
      features_(std::move(features)),
      kernel_tls_(std::move(tls)),
      events_(events),
      now_(kernel.now()),
      timers_(now_),
      prng_(options.incarnation) {}

Transport::~Transport() {
  stop();
}

// ---- threads

Result<void> Transport::start_threads() {
  // Signals are for the main thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  // A ring belongs to the thread that enables it, so each thread says whether that worked before it goes on.
  std::vector<Result<void>> enabled(shards_.size() + 1);
  std::latch decided(static_cast<std::ptrdiff_t>(enabled.size()));
  std::latch go(1);
  std::latch left_start(static_cast<std::ptrdiff_t>(enabled.size()));  // nobody uses these locals any more
  bool all_enabled = false;
  const auto run = [&](std::size_t index, auto enable, auto loop) {
    enabled[index] = enable();
    decided.count_down();
    go.wait();
    const bool on = all_enabled;
    left_start.count_down();
    if (on) loop();
  };
  shards_running_ = static_cast<unsigned>(shards_.size());
  for (std::size_t index = 0; index < shards_.size(); ++index) {
    threads_.emplace_back([&run, this, index] {
      name_and_pin_shard_thread(index);
      run(
          index, [&] { return shards_[index]->enable(); }, [this, index] { shard_loop(*shards_[index]); });
    });
  }
  threads_.emplace_back([&run, this] {
    pthread_setname_np(pthread_self(), "fl-control");
    run(
        shards_.size(), [this] { return enable_control(); }, [this] { control_loop(); });
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  decided.wait();
  const auto failed = std::find_if(enabled.begin(), enabled.end(), [](const auto& result) { return !result; });
  all_enabled = failed == enabled.end();
  go.count_down();
  if (all_enabled) {
    left_start.wait();
    return {};
  }
  for (std::thread& thread : threads_)
    thread.join();
  threads_.clear();
  return std::unexpected(failed->error());
}

void Transport::name_and_pin_shard_thread(std::size_t index) {
  pthread_setname_np(pthread_self(), ("fl-shard-" + std::to_string(index)).c_str());
  if (!options_.pin_threads) return;
  // One of the CPUs this process may use; a container or a systemd unit may have chosen.
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) == 0) return;
  std::size_t nth = index % static_cast<std::size_t>(CPU_COUNT(&allowed));
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || nth-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof one, &one);
    return;
  }
}

void Transport::shard_loop(Shard& shard) {
  while (shard.turn(Duration::max())) {
  }
  shards_running_.fetch_sub(1);
  kernel_.signal_event(event_.fd());
}

void Transport::control_loop() {
  while (control_turn(Duration::max())) {
  }
}

void Transport::stop() {
  if (threads_.empty()) return;
  on_control([](Transport& transport) { transport.begin_stop(); });
  for (std::thread& thread : threads_)
    thread.join();
  threads_.clear();
}

void Transport::begin_stop() {
  stopping_ = true;
  draining_ = true;
  follow_reachability();
  for (const auto& access : accesses_)
    access->close();
  for (const auto& link : links_)
    link->close();
  for (const auto& pending : pending_)
    pending->abandon();
  for (const auto& connector : connectors_) {
    if (connector.probe != nullptr) connector.probe->close();
  }
  for (const auto& trial : server_trials_)
    trial->close();
  post_to_shards([](Shard& shard) { shard.stop(); });
}

bool Transport::finished() noexcept {
  if (!stopping_ || !pending_.empty() || shards_running_.load() > 0) return false;
  for (const auto& access : accesses_) {
    if (!access->closed()) return false;
  }
  for (const auto& connector : connectors_) {
    if (connector.probe != nullptr && !connector.probe->closed()) return false;
  }
  if (!server_trials_.empty() || !ended_probes_.empty()) return false;
  if (event_read_.in_flight()) {
    ring_->cancel(event_read_);
    return false;
  }
  return ring_->in_flight() == 0;
}

bool Transport::control_turn(Duration wait_max) noexcept {
  if (!event_read_.in_flight() && !stopping_) {
    on_event({});
    if (!status_timer_.armed()) timers_.arm(status_timer_, now_ + kStatusInterval);
  }
  ring_->enter(std::min(wait_max, timers_.until_next(now_)));
  now_ = kernel_.now();
  ring_->handle_completions();
  run_tasks();
  timers_.advance(now_);
  drop_superseded_connectors();
  drop_superseded_links();
  events_.settled();
  forget_removed_connectors();
  std::erase_if(links_, [](const auto& link) { return link->closed(); });
  std::erase_if(accesses_, [](const auto& access) { return access->removed() && access->closed(); });
  std::erase_if(ended_probes_, [](const auto& probe) { return probe->closed(); });
  std::erase_if(pending_, [](const auto& pending) { return pending->over(); });
  std::erase_if(server_trials_, [](const auto& trial) { return !trial->busy(); });
  if (status_changed_) publish_status();
  return !finished();
}

void Transport::on_event(Completion) noexcept {
  if (stopping_ && shards_running_.load() == 0) return;
  ring_->submit(event_read_, [this](io_uring_sqe* sqe) {
    io_uring_prep_read(sqe, event_.fd(), &event_value_, sizeof event_value_, 0);
  });
}

void Transport::run_tasks() noexcept {
  while (auto task = requests_.take())
    task->run(*this);
  for (const auto& inbox : inboxes_) {
    while (auto task = inbox->take())
      task->run(*this);
  }
  for (const auto& shard : shards_)
    shard->mailbox().flush();
}

// ---- changes

void Transport::note_routing_cost(std::uint32_t link, std::uint32_t cost) {
  LinkRecord* record = find_record(link);
  if (record == nullptr || record->status.routing_cost == cost) return;
  record->status.routing_cost = cost;
  status_changed_ = true;
}

void Transport::set_forwarder(std::shared_ptr<const Forwarder> forwarder) {
  forwarder_ = forwarder;
  post_to_shards([forwarder](Shard& shard) { shard.set_forwarder(forwarder); });
  follow_reachability();
  status_changed_ = true;
}

void Transport::send_control(std::uint32_t link, std::vector<std::uint8_t> message) {
  LinkRecord* record = find_record(link);
  if (record == nullptr || record->sessions.empty()) return;
  // All messages of a link go over its oldest session, so that they arrive in order.
  const unsigned shard = record->sessions.begin()->second.shard;
  const std::uint64_t session = record->sessions.begin()->first;
  shards_[shard]->mailbox().post(make_task<Shard>(
      [session, message = std::move(message)](Shard& target) { target.send_control(session, message); }));
}

void Transport::drain() {
  draining_ = true;
  follow_reachability();
  for (const auto& access : accesses_)
    access->close();
  for (ShardReport& report : reports_)
    report.accepting = true;  // until a newer one says otherwise
  post_to_shards([](Shard& shard) {
    shard.stop_accepting();
    shard.go_away();
  });
  status_changed_ = true;
}

bool Transport::drained() const noexcept {
  return draining_ && std::all_of(reports_.begin(), reports_.end(), [](const ShardReport& report) {
           return !report.accepting && report.edges_open == 0 && report.streams_open == 0 && report.unsent_bytes == 0;
         });
}

// ---- reports, from shard threads

void Transport::report_session_ended(unsigned shard, std::uint64_t session_id, Error error) {
  inbox(shard).post(make_task<Transport>(
      [session_id, error = std::move(error)](Transport& transport) { transport.session_ended(session_id, error); }));
}

void Transport::report_renewal(unsigned shard, std::uint64_t session_id) {
  inbox(shard).post(make_task<Transport>([session_id](Transport& transport) { transport.renewal_wanted(session_id); }));
}

void Transport::report_moved(unsigned shard, std::uint64_t session_id) {
  inbox(shard).post(make_task<Transport>([session_id](Transport& transport) { transport.session_moved(session_id); }));
}

void Transport::report_link_test(unsigned shard, std::uint64_t test, std::uint64_t session_id,
                                 LinkTestFindings findings) {
  inbox(shard).post(make_task<Transport>([test, session_id, findings = std::move(findings)](Transport& transport) {
    transport.link_tests_.take(test, session_id, findings);
  }));
}

void Transport::report_going_away(unsigned shard, std::uint32_t link) {
  inbox(shard).post(make_task<Transport>([link](Transport& transport) { transport.going_away(link); }));
}

void Transport::report_control(unsigned shard, std::uint32_t link, std::uint64_t session,
                               std::vector<std::uint8_t> message) {
  inbox(shard).post(make_task<Transport>([shard, link, session, message = std::move(message)](Transport& transport) {
    LinkRecord* record = transport.find_record(link);
    if (record != nullptr && record->take_message_of(session)) transport.events_.control_message(link, message);
    transport.shards_[shard]->mailbox().post(
        make_task<Shard>([session, bytes = message.size()](Shard& target) { target.control_handled(session, bytes); }));
  }));
}

void Transport::report_connect_failed(unsigned shard, std::uint32_t connector, int error) {
  inbox(shard).post(make_task<Transport>([connector, error](Transport& transport) {
    ConnectorEntry* entry = transport.find_connector(connector);
    if (entry == nullptr) return;
    const Error reason =
        error_from_errno(error, "connect to " + to_string(HostPort{entry->config.host, entry->config.port}));
    entry->last_error = LastError{reason.code, reason.message, transport.kernel_.unix_seconds()};
    if (entry->probe != nullptr) entry->probe->client_failed();
  }));
}

void Transport::report_figures(unsigned shard, ShardReport report) {
  inbox(shard).post(make_task<Transport>(
      [report = std::move(report)](Transport& transport) mutable { transport.figures_reported(std::move(report)); }));
}

void Transport::hand_over_client(unsigned shard, std::uint32_t link, std::uint32_t listener,
                                 std::string_view routing_key, Socket socket) {
  inbox(shard).post(make_task<Transport>(
      [link, listener, key = std::string(routing_key), socket = std::move(socket)](Transport& transport) mutable {
        transport.client_handed_over(link, listener, std::move(key), std::move(socket));
      }));
}

void Transport::figures_reported(ShardReport report) {
  for (const ShardReport::SessionLine& line : report.sessions) {
    const auto at = session_places_.find(line.session_id);
    LinkRecord* record = at != session_places_.end() ? find_record(at->second.link) : nullptr;
    if (record != nullptr) record->sessions[line.session_id].figures = line.figures;
  }
  for (ShardReport::GroupLine& line : report.listeners) {
    for (ListenerEntry& entry : listeners_) {
      if (entry.id == line.id) listener_reported(entry, report.shard, line);
    }
  }
  for (ShardReport::GroupLine& line : report.connectors) {
    for (ConnectorEntry& entry : connectors_) {
      if (entry.id == line.id) connector_reported(entry, report.shard, line);
    }
  }
  const unsigned shard = report.shard;
  keys_reported(shard, report.keys);
  reports_[shard] = std::move(report);
}

}  // namespace fairlead
