// Transport: the shards and the control thread beside them. The control thread accepts and dials links, runs their
// handshakes, hands finished connections to shards, and keeps what status and the router need to know.
//
// Threads: each shard has its own; control has one; a third (the caller of the public part) may be any other. Tasks go
// through mailboxes: caller → control → shards → control. In simulation all of them are stepped from one thread by
// control_turn() and Shard::turn().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "transport/access.h"
#include "transport/base/prng.h"
#include "transport/config.h"
#include "transport/forwarder.h"
#include "transport/health_probe.h"
#include "transport/kernel_tls.h"
#include "transport/link.h"
#include "transport/link_record.h"
#include "transport/link_tests.h"
#include "transport/mailbox.h"
#include "transport/pending_session.h"
#include "transport/resolver.h"
#include "transport/shard.h"
#include "transport/timed_connect.h"
#include "transport/uring/probe.h"
#include "transport/uring/ring.h"
#include "transport/uring/timers.h"

namespace fairlead {

// A link that came up, as the router sees it.
struct LinkNews {
  std::uint32_t link = 0;
  std::uint32_t cost = 1;       // as configured here (incoming: the least)
  std::uint32_t cost_told = 1;  // what the peer takes it for
  std::uint32_t peer_cost = 1;  // as the peer says
  std::string site_id;          // of the other end
  std::string site_name;
  bool peer_is_edge = false;
};

// What the router is told, on the control thread.
class TransportEvents {
 public:
  virtual void link_up(const LinkNews& link) = 0;
  // The link is gone, or takes no new streams.
  virtual void link_down(std::uint32_t link) = 0;
  // Messages sent over the link may have been lost with the session that carried them; later ones arrive.
  virtual void link_reset(std::uint32_t link) = 0;
  virtual void control_message(std::uint32_t link, std::span<const std::uint8_t> message) = 0;
  // A connector's server answers, or does not. Without probing it is available from the start.
  virtual void connector_available(std::uint32_t connector, bool available) = 0;
  virtual void connector_removed(std::uint32_t connector) = 0;
  // Once a turn, after all that was told in it.
  virtual void settled() = 0;

 protected:
  ~TransportEvents() = default;
};

class Transport {
 public:
  static Result<std::unique_ptr<Transport>> open(Kernel& kernel, const TransportOptions& options,
                                                 const KernelFeatures& features, const KernelTlsFeatures& tls,
                                                 TransportEvents& events);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // ---- the caller's part

  // Live: starts the threads; stop() ends everything and joins them.
  Result<void> start_threads();
  void stop();
  // Runs `work(Transport&)` on the control thread and waits for it.
  template <class Work>
  auto on_control(Work work);
  std::shared_ptr<const GatewayStatus> status() const;

  int status_fd() const noexcept { return status_event_.fd(); }

  // ---- simulation: what the threads do, step by step

  bool control_turn(Duration wait_max) noexcept;

  Result<void> enable_control() { return ring_->enable(); }

  std::vector<std::unique_ptr<Shard>>& shards() noexcept { return shards_; }

  void begin_stop();

  // ---- control thread: changes

  Result<std::uint16_t> add_access(const AccessConfig& config);  // the port bound
  Result<std::uint16_t> add_listener(const ListenerConfig& config);
  Result<std::uint32_t> add_connector(const ConnectorConfig& config);  // its id, as in Route
  Result<void> add_link(const LinkConfig& config);
  // What is there and has this name, as it is to be from now on. On failure nothing has changed. Connections stay, and
  // so do those of what is removed; a link that is removed carries them for at most `leave_timeout`.
  Result<void> set_access(const AccessConfig& config);
  Result<void> set_listener(const ListenerConfig& config);
  // Its id, as in Route: another one. Nothing if only its options changed, for it is the same then.
  Result<std::optional<std::uint32_t>> set_connector(const ConnectorConfig& config);
  Result<std::uint32_t> set_link(const LinkConfig& config);            // the link's id, as in LinkNews: perhaps another
  Result<void> remove_access(const std::string& name);
  Result<void> remove_listener(const std::string& name);
  Result<void> remove_connector(const std::string& name);
  Result<void> remove_link(const std::string& name);
  // Of these, what can change: how long a peer may be silent, and how records are protected and keys renewed.
  void set_options(const TransportOptions& options);
  // What this site wants for a link of its own from now on. Returns the link's id, as in LinkNews.
  Result<std::uint32_t> set_link_cost(const std::string& name, std::uint32_t cost);
  // For connections from now on; those of sessions that are up are replaced, and nothing on them notices.
  Result<void> set_link_credentials(const std::string& name, std::shared_ptr<const Credentials> credentials);
  Result<void> set_access_credentials(const std::string& name, std::shared_ptr<const Credentials> credentials);
  // For status: newer credentials of a link or access that are not put to use; empty: there are none (any more).
  void note_refused_credentials(CredentialsUser user, const std::string& name, const std::string& why);
  // What routing makes of both ends' wishes: for status.
  void note_routing_cost(std::uint32_t link, std::uint32_t cost);
  void set_forwarder(std::shared_ptr<const Forwarder> forwarder);
  void send_control(std::uint32_t link, std::vector<std::uint8_t> message);
  // Smoothed; 0: not measured yet, or no link.
  Duration link_round_trip(std::uint32_t link) noexcept;
  // Connects to a connector's server once, and tells its address and why it does not answer; empty: it does.
  using ServerTried = std::function<void(std::string server, std::string error, Duration took)>;
  void try_server(std::uint32_t connector, ServerTried done);
  // Of the link with that name, or to the site of that name; and what came of it so far.
  Result<std::uint64_t> begin_link_test(const std::string& name, const LinkTestPlan& plan);

  std::optional<LinkTestReport> link_test(std::uint64_t test) const { return link_tests_.report(test); }

  void end_link_test(std::uint64_t test) { link_tests_.end(test); }

  void drain();
  // Whether every shard reported, after drain(), that it neither accepts nor carries anything.
  bool drained() const noexcept;

  bool draining() const noexcept { return draining_; }

  // ---- control thread: for its objects

  Ring& ring() noexcept { return *ring_; }

  Kernel& kernel() noexcept { return kernel_; }

  Timers& timers() noexcept { return timers_; }

  Instant now() const noexcept { return now_; }

  Prng& prng() noexcept { return prng_; }

  // That nobody can guess: who names a link's id may take the place of its sessions.
  std::uint64_t random_id() noexcept;

  const TransportOptions& options() const noexcept { return options_; }

  // `protection` is what the session is wanted to have.
  Hello make_hello(RecordProtection protection) const;
  void add_pending(std::unique_ptr<PendingSession> pending);
  void abandon_pending(const PendingSession::Owner& owner);
  // Forgotten if the link is gone by then.
  void resolve(const HostPort& endpoint, std::uint32_t link, Resolver::Done done);
  Result<Hello> answer_hello(Access& access, PendingSession& pending);
  void adopt_incoming(Access& access, PendingSession& pending);

  // What a connection becomes: a session, or the next connection of the session `replaces`; and by what it is judged.
  struct Adoption {
    RecordProtection protection = RecordProtection::kAuto;
    const std::shared_ptr<const Credentials>& credentials;  // in use now
    std::string access;                                     // that it came in by; empty: we dialled
    std::optional<std::uint64_t> replaces;
  };

  // On failure nothing has changed.
  Result<void> adopt(LinkRecord& record, PendingSession& pending, const Adoption& adoption);
  void close_sessions(LinkRecord& record);
  // It ends once its streams have.
  void leave(LinkRecord& record);
  // It is up, or failed at all its endpoints.
  void link_tried(const Link& link);
  // Ends the sessions whose peer these credentials do not trust (any more).
  void drop_untrusted(LinkRecord& record, const std::string& access, const Credentials& credentials);
  void link_up(LinkRecord& record);
  void link_down(LinkRecord& record);

  void mark_status_changed() noexcept { status_changed_ = true; }

  // For who asks now: status() has what happened until now, and nobody else is woken for it.
  void refresh_status();

  void connector_health_changed(std::uint32_t connector, bool up, int error);

  void count_descriptors_exhausted() noexcept { ++descriptors_exhausted_; }

  // ---- shard threads: reports

  Mailbox<Transport>& inbox(unsigned shard) noexcept { return *inboxes_[shard]; }

  void report_session_ended(unsigned shard, std::uint64_t session_id, Error error);
  void report_renewal(unsigned shard, std::uint64_t session_id);
  void report_moved(unsigned shard, std::uint64_t session_id);
  void report_going_away(unsigned shard, std::uint32_t link);
  void report_control(unsigned shard, std::uint32_t link, std::uint64_t session, std::vector<std::uint8_t> message);
  void report_figures(unsigned shard, ShardReport report);
  void report_link_test(unsigned shard, std::uint64_t test, std::uint64_t session_id, LinkTestFindings findings);
  void report_connect_failed(unsigned shard, std::uint32_t connector, int error);
  void hand_over_client(unsigned shard, std::uint32_t link, std::uint32_t listener, std::string_view routing_key,
                        Socket socket);

 private:
  // A link that a peer dialled: sessions with one link id from one site.
  struct IncomingLink {
    std::uint64_t peer_link_id = 0;
    LinkRecord record;
  };

  struct SessionPlace {
    std::uint32_t link = 0;
    unsigned shard = 0;
  };

  struct ListenerEntry {
    std::uint32_t id;
    ListenerConfig config;
    LoadRef open_anywhere;
    std::vector<EdgeFigures> figures;  // by shard
    std::optional<LastError> last_refused;
    std::string refused_credentials;
    bool open = false;              // accepts clients: somebody serves its key
    std::optional<LastError> last_error;

    const std::string& name() const noexcept { return config.name; }
  };

  struct ConnectorEntry {
    std::uint32_t id = 0;
    ConnectorConfig config;
    LoadRef open_anywhere = LoadRef::make();
    std::vector<EdgeFigures> figures;
    std::string refused_credentials;  // why newer ones are not in use
    std::optional<LastError> last_error;
    std::uint64_t failed = 0;
    bool resolving = false;
    Instant resolve_next{};
    std::vector<Address> addresses;
    std::unique_ptr<HealthProbe> probe;  // null: not probed
    bool superseded = false;             // by another one of its name, or removed
  };

  Transport(Kernel& kernel, const TransportOptions& options, KernelFeatures features, KernelTlsFeatures tls,
            TransportEvents& events);

  void name_and_pin_shard_thread(std::size_t index);
  void control_loop();
  void shard_loop(Shard& shard);
  void on_event(Completion done) noexcept;
  void on_status(Instant now) noexcept;
  void run_tasks() noexcept;
  bool make_room_for_handshake();
  void close_replaced_sessions(LinkRecord& record, std::uint16_t index);
  void refresh_connectors();
  void resolve_connector(ConnectorEntry& entry);
  void connector_tried(const ConnectorEntry& entry);
  void drop_superseded_connectors();
  void forget_removed_connectors();
  ConnectorEntry* find_connector(std::uint32_t id) noexcept;
  void follow_reachability();
  Result<std::uint16_t> try_port(const ListenerConfig& config);
  Result<void> open_listener(ListenerEntry& entry);
  void close_listener(ListenerEntry& entry);
  Result<std::vector<Socket>> open_listening_sockets(const ListenerConfig& config);
  void session_ended(std::uint64_t session_id, const Error& error);
  void listener_reported(ListenerEntry& entry, unsigned shard, ShardReport::GroupLine& line);
  void connector_reported(ConnectorEntry& entry, unsigned shard, ShardReport::GroupLine& line);
  void figures_reported(ShardReport report);
  void client_handed_over(std::uint32_t link, std::uint32_t listener, std::string routing_key, Socket socket);
  void renewal_wanted(std::uint64_t session_id);
  void session_moved(std::uint64_t session_id);
  Link* find_link(const std::string& name) noexcept;
  Access* find_access(const std::string& name) noexcept;
  void drop_superseded_links();
  void drop_anonymous(const std::string& access);
  void ask_for_renewal(IncomingLink& link, const std::string& access);
  void close_overdue();
  Link* link_of_session(std::uint64_t session_id, std::uint16_t& index) noexcept;
  void going_away(std::uint32_t link);
  void publish_status();
  std::shared_ptr<const GatewayStatus> make_status();
  void keys_reported(unsigned shard, const std::vector<KeyStatus>& keys);
  std::shared_ptr<const std::vector<KeyStatus>> key_statuses();
  LinkRecord* find_record(std::uint32_t link) noexcept;
  IncomingLink* find_incoming(const Hello& peer) noexcept;
  // The session that a peer's HELLO with the replace flag means.
  std::optional<std::uint64_t> find_replaced(const Access& access, const PendingSession& pending) noexcept;
  Result<void> check_sessions(const Hello& peer);

  unsigned shard_of(std::uint16_t session_index) const noexcept {
    return session_index % static_cast<unsigned>(shards_.size());
  }

  bool finished() noexcept;
  template <class Work>
  void post_to_shards(Work work);

  static constexpr Duration kStatusInterval = Duration::milliseconds(250);
  // Names of connectors' servers are resolved anew this often.
  static constexpr Duration kResolveInterval = Duration::seconds(15);

  Kernel& kernel_;
  TransportOptions options_;
  const KernelFeatures features_;
  const KernelTlsFeatures kernel_tls_;
  TransportEvents& events_;
  Instant now_;
  std::unique_ptr<Ring> ring_;
  Timers timers_;
  Prng prng_;
  Resolver resolver_{timers_};

  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::unique_ptr<Mailbox<Transport>>> inboxes_;  // by shard
  Mailbox<Transport> requests_;                               // from the caller
  Socket event_;
  std::uint64_t event_value_ = 0;
  Socket status_event_;

  std::list<std::unique_ptr<PendingSession>> pending_;
  std::vector<std::unique_ptr<Access>> accesses_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<IncomingLink>> incoming_;
  std::vector<std::unique_ptr<TimedConnect>> server_trials_;
  LinkTests link_tests_{*this};
  std::vector<ListenerEntry> listeners_;
  std::vector<ConnectorEntry> connectors_;
  std::vector<std::unique_ptr<HealthProbe>> ended_probes_;
  std::vector<std::string> succeeded_connectors_;  // names of those that can take over: at the end of the turn
  std::vector<std::string> succeeded_links_;
  std::vector<std::uint32_t> removed_connectors_;          // that the router knows of and shards not yet
  std::vector<ShardReport> reports_;                      // newest of each shard
  std::map<std::pair<KeySide, std::string>, std::vector<KeyFigures>> key_figures_;  // by shard
  std::shared_ptr<const std::vector<KeyStatus>> key_statuses_;  // null: other ones than before
  std::map<std::uint64_t, SessionPlace> session_places_;  // by session id
  std::shared_ptr<const Forwarder> forwarder_;
  std::uint32_t next_link_ = 1;
  std::uint32_t next_edge_id_ = 1;
  std::uint64_t next_session_id_ = 1;
  std::uint64_t descriptors_exhausted_ = 0;
  std::uint64_t handshakes_evicted_ = 0;
  bool draining_ = false;
  bool stopping_ = false;
  bool status_changed_ = true;

  mutable std::mutex status_mutex_;  // control thread and caller; never on the byte path
  std::shared_ptr<const GatewayStatus> status_;

  std::vector<std::thread> threads_;
  std::atomic<unsigned> shards_running_{0};

  OpOf<&Transport::on_event> event_read_{*this};
  TimerOf<&Transport::on_status> status_timer_{*this};
};

template <class Work>
void Transport::post_to_shards(Work work) {
  for (const auto& shard : shards_)
    shard->mailbox().post(make_task<Shard>(work));
}

}  // namespace fairlead

#include "transport/on_control.h"
