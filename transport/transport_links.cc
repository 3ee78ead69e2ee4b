// Transport's links: connections on their way to becoming sessions, links that peers dialled, and which session is
// where.

#include <algorithm>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "transport/base/log.h"
#include "transport/listening_socket.h"
#include "transport/record_protection.h"
#include "transport/tls/credentials.h"
#include "transport/transport.h"

namespace fairlead {
namespace {

// Unsent bytes that the kernel may hold for a link: what lies there has left our scheduler. Small enough that a request
// passes bulk, large enough for a batch; with batches of the same size measured best.
constexpr int kNotSentLowWater = 64 * 1024;

}  // namespace

// ---- links and their sessions

Hello Transport::make_hello(RecordProtection protection) const {
  Hello hello;
  hello.features = Hello::kFeatureMove;
  if (takes_key_updates(kernel_tls_, protection)) hello.features |= Hello::kFeatureKeyUpdates;
  if (options_.edge) hello.flags |= Hello::kFlagEdge;
  hello.shards = static_cast<std::uint16_t>(options_.shards);
  hello.initial_window_bytes = options_.initial_window_bytes;
  hello.streams_max = options_.streams_per_session_max;
  hello.incarnation = options_.incarnation;
  hello.site_id = options_.site_id;
  hello.site_name = options_.site_name;
  return hello;
}

std::uint64_t Transport::random_id() noexcept {
  std::uint64_t id = 0;
  kernel_.random({reinterpret_cast<std::uint8_t*>(&id), sizeof id});
  return id;
}

void Transport::add_pending(std::unique_ptr<PendingSession> pending) {
  if (!pending->dialled() && !make_room_for_handshake()) return;
  pending_.push_back(std::move(pending));
}

// False: so many are there, counted with those that are on their way out, that the new one goes at once.
bool Transport::make_room_for_handshake() {
  std::size_t present = 0;
  std::size_t unfinished = 0;
  PendingSession* oldest = nullptr;
  for (const auto& pending : pending_) {
    if (pending->dialled() || pending->over()) continue;
    ++present;
    if (pending->failed()) continue;
    ++unfinished;
    if (oldest == nullptr) oldest = pending.get();
  }
  if (present < options_.handshakes_max) return true;
  ++handshakes_evicted_;
  if (present >= 2 * std::size_t{options_.handshakes_max}) return false;
  // The oldest goes: a peer that means it is done long before its turn comes.
  if (unfinished >= options_.handshakes_max) {
    oldest->fail({ErrorCode::kLimit, "too many unfinished handshakes at a time"});
  }
  return true;
}

void Transport::abandon_pending(const PendingSession::Owner& owner) {
  for (const auto& pending : pending_) {
    if (pending->owned_by(owner)) pending->abandon();
  }
}

void Transport::resolve(const HostPort& endpoint, std::uint32_t link, Resolver::Done done) {
  resolver_.resolve(
      endpoint, now_, [this, link, done = std::move(done)](Result<std::vector<Address>> addresses) mutable {
        const bool alive =
            std::any_of(links_.begin(), links_.end(), [&](const auto& candidate) { return candidate->id() == link; });
        if (alive) done(std::move(addresses));
      });
}

Result<Hello> Transport::answer_hello(Access& access, PendingSession& pending) {
  const Hello& peer = pending.peer_hello();
  if (draining_) return fail(ErrorCode::kClosing, "this site is being shut down");
  if (peer.site_id == options_.site_id) {
    return fail(ErrorCode::kInvalid, "the peer has this site's own id; a link must lead to another site");
  }
  const bool peer_is_edge = (peer.flags & Hello::kFlagEdge) != 0;
  if (peer_is_edge != (access.config().role == "edge")) {
    return fail(ErrorCode::kInvalid, peer_is_edge
                                         ? "an edge site has to dial the edge endpoint, and this is inter-router"
                                         : "this endpoint is for edge sites; others dial inter-router");
  }
  const bool replace = (peer.flags & Hello::kFlagReplace) != 0;
  if (replace && !find_replaced(access, pending)) {
    return fail(ErrorCode::kReset, "the session whose connection this one replaces is lost here");
  }
  if (auto sessions = check_sessions(peer); !sessions && !replace) return std::unexpected(sessions.error());
  const RecordProtection protection = options_.record_protection;
  if (auto possible = check_protection(kernel_tls_, protection, pending.tls().suite); !possible) {
    return std::unexpected(possible.error());
  }
  Hello hello = make_hello(protection);
  hello.session_index = peer.session_index;
  hello.link_id = peer.link_id;
  if (replace) hello.flags |= Hello::kFlagReplace;
  return hello;
}

// Only who came in by the same port takes the place of a session, and nobody without a certificate that of one with.
std::optional<std::uint64_t> Transport::find_replaced(const Access& access, const PendingSession& pending) noexcept {
  const IncomingLink* link = find_incoming(pending.peer_hello());
  if (link == nullptr) return std::nullopt;
  const auto id = link->record.session_at(pending.peer_hello().session_index);
  if (!id) return std::nullopt;
  const LinkRecord::SessionEntry& entry = link->record.sessions.at(*id);
  const bool anonymous = pending.tls().peer_chain.empty();
  if (entry.access != access.config().name || (anonymous && !entry.peer_chain.empty())) return std::nullopt;
  return id;
}

// What a peer may have of sessions: one for each index below the number of shards of the larger end, in a run of the
// link that both ends know, and on no shard more than its memory carries.
Result<void> Transport::check_sessions(const Hello& peer) {
  if (peer.session_index >= std::max<std::size_t>(peer.shards, options_.shards)) {
    return fail(ErrorCode::kProtocol, "a session beyond the number of shards");
  }
  if (find_incoming(peer) == nullptr && (peer.flags & Hello::kFlagBegin) == 0) {
    return fail(ErrorCode::kReset, "the link that this session belongs to is lost here; begin it anew");
  }
  const unsigned shard = shard_of(peer.session_index);
  std::size_t sessions = 0;
  for (const auto& session : session_places_)
    sessions += session.second.shard == shard ? 1 : 0;
  // A session holds two link blocks; the other half of them is for bytes.
  if (sessions >= options_.link_blocks / 4) {
    return fail(ErrorCode::kLimit,
                "no more than " + std::to_string(options_.link_blocks / 4) + " sessions fit on a shard");
  }
  return {};
}

Transport::IncomingLink* Transport::find_incoming(const Hello& peer) noexcept {
  const auto at = std::find_if(incoming_.begin(), incoming_.end(), [&](const auto& link) {
    return link->peer_link_id == peer.link_id && link->record.peer_incarnation == peer.incarnation &&
           link->record.status.remote_site_id == peer.site_id;
  });
  return at == incoming_.end() ? nullptr : at->get();
}

void Transport::adopt_incoming(Access& access, PendingSession& pending) {
  const Hello& peer = pending.peer_hello();
  IncomingLink* link = find_incoming(peer);
  if ((peer.flags & Hello::kFlagReplace) != 0) {
    const auto replaced = find_replaced(access, pending);
    if (!replaced) return;  // lost meanwhile; the connection ends with `pending`
    const Adoption adoption{options_.record_protection, access.config().credentials, access.config().name, replaced};
    if (auto adopted = adopt(link->record, pending, adoption); !adopted) {
      return access.pending_failed(pending, adopted.error());
    }
    return link->record.note_peer(peer, pending.tls());
  }
  if (link == nullptr) {
    incoming_.push_back(std::make_unique<IncomingLink>());
    link = incoming_.back().get();
    link->peer_link_id = peer.link_id;
    link->record.id = next_link_++;
    link->record.status.name = access.config().name;
    link->record.status.incoming = true;
    link->record.status.url = pending.peer();
    link->record.status.cost = peer.cost;
    link->record.status.ups = 1;
    link->record.status.sessions_wanted = std::max<std::uint32_t>(peer.shards, options_.shards);
    link->record.note_state(LinkPhase::kUp, kernel_.unix_seconds());
  }
  const bool first = !link->record.up;
  if (!first) close_replaced_sessions(link->record, peer.session_index);
  const Adoption adoption{options_.record_protection, access.config().credentials, access.config().name, {}};
  if (auto adopted = adopt(link->record, pending, adoption); !adopted) {
    if (first) incoming_.pop_back();
    return access.pending_failed(pending, adopted.error());
  }
  link->record.note_peer(peer, pending.tls());
  if (!first) return;
  link->record.up = true;
  log_info("{}: link from site {} at {} is up, {}", access.config().name, peer.site_name, pending.peer(),
           link->record.status.cipher);
  link_up(link->record);
}

Result<void> Transport::adopt(LinkRecord& record, PendingSession& pending, const Adoption& adoption) {
  const std::optional<std::uint64_t> replaces = adoption.replaces;
  // The handshake may have begun with credentials that are replaced meanwhile.
  const bool outdated = pending.credentials() != adoption.credentials;
  if (outdated) {
    auto judged = adoption.credentials->peer_judge().judge(pending.tls().peer_chain);
    if (!judged) return judged;
  }
  SessionSeed seed;
  seed.session_id = replaces ? *replaces : next_session_id_++;
  seed.link = record.id;
  seed.index = pending.hello().session_index;
  seed.dialled = pending.dialled();
  seed.socket = pending.take_socket();
  seed.sealer = pending.take_sealer();
  seed.opener = pending.take_opener();
  seed.early = pending.take_early();
  seed.peer_initial_window_bytes = pending.peer_hello().initial_window_bytes;
  seed.peer_streams_max = pending.peer_hello().streams_max;
  seed.peer_takes_key_updates = (pending.peer_hello().features & Hello::kFeatureKeyUpdates) != 0;
  seed.peer_moves = (pending.peer_hello().features & Hello::kFeatureMove) != 0;
  seed.socket.set_option(IPPROTO_TCP, TCP_NOTSENT_LOWAT, kNotSentLowWater);
  auto protection = protect_records(kernel_, kernel_tls_, adoption.protection, seed);
  if (!protection) return std::unexpected(protection.error());
  record.status.send_protection = std::move(protection->send);
  record.status.receive_protection = std::move(protection->receive);
  status_changed_ = true;
  const unsigned shard = shard_of(seed.index);
  std::vector<Der> chain = pending.tls().peer_chain;
  const std::uint64_t id = seed.session_id;
  if (replaces) {
    record.sessions[id].peer_chain = std::move(chain);
    shards_[shard]->mailbox().post(make_task<Shard>(
        [seed = std::move(seed)](Shard& target) mutable { target.replace_connection(std::move(seed)); }));
  } else {
    record.sessions[id] = {seed.index, shard, {}, std::move(chain), adoption.access};
    session_places_[id] = {record.id, shard};
    shards_[shard]->mailbox().post(
        make_task<Shard>([seed = std::move(seed), draining = draining_](Shard& target) mutable {
          target.adopt_session(std::move(seed));
          if (draining) target.go_away();
        }));
  }
  if (outdated) shards_[shard]->mailbox().post(make_task<Shard>([id](Shard& target) { target.renew_session(id); }));
  return {};
}

// ---- fresh connections for sessions that are up

Link* Transport::link_of_session(std::uint64_t session_id, std::uint16_t& index) noexcept {
  const auto place = session_places_.find(session_id);
  if (place == session_places_.end()) return nullptr;
  for (const auto& link : links_) {
    if (link->id() != place->second.link) continue;
    index = link->record().sessions.at(session_id).index;
    return link.get();
  }
  return nullptr;
}

void Transport::renewal_wanted(std::uint64_t session_id) {
  std::uint16_t index = 0;
  if (Link* link = link_of_session(session_id, index); link != nullptr) link->renew(index);
}

void Transport::session_moved(std::uint64_t session_id) {
  std::uint16_t index = 0;
  if (Link* link = link_of_session(session_id, index); link != nullptr) link->moved(index);
}

// ---- changes

Result<void> Transport::add_link(const LinkConfig& config) {
  if (config.endpoints.empty()) return fail(ErrorCode::kInvalid, "link " + config.name + " has no endpoint to dial");
  links_.push_back(std::make_unique<Link>(*this, next_link_++, config));
  links_.back()->dial();
  status_changed_ = true;
  return {};
}

// Where it leads elsewhere a link of its own is made: the old one carries on until the new one is up, or has failed at
// all its endpoints.
Result<std::uint32_t> Transport::set_link(const LinkConfig& config) {
  Link* link = find_link(config.name);
  if (link == nullptr) return fail(ErrorCode::kNotFound, "there is no link " + config.name);
  if (link->config().endpoints != config.endpoints) {
    link->supersede();
    if (auto added = add_link(config); !added) return std::unexpected(added.error());
    return links_.back()->id();
  }
  if (config.credentials != link->config().credentials) {
    if (auto set = set_link_credentials(config.name, config.credentials); !set) return std::unexpected(set.error());
  }
  link->set_config(config);
  status_changed_ = true;
  return link->id();
}

Result<void> Transport::remove_link(const std::string& name) {
  bool found = false;
  for (const auto& link : links_) {
    if (link->config().name != name || link->leaving()) continue;
    link->leave();
    found = true;
  }
  if (!found) return fail(ErrorCode::kNotFound, "there is no link " + name);
  return {};
}

void Transport::link_tried(const Link& link) {
  if (!link.superseded()) succeeded_links_.push_back(link.config().name);
}

void Transport::drop_superseded_links() {
  for (const std::string& name : std::exchange(succeeded_links_, {})) {
    for (const auto& link : links_) {
      if (link->config().name == name && link->superseded() && !link->leaving()) link->leave();
    }
  }
}

// The one that carries that name now.
Link* Transport::find_link(const std::string& name) noexcept {
  const auto at = std::ranges::find_if(
      links_, [&](const auto& link) { return link->config().name == name && !link->superseded() && !link->leaving(); });
  return at == links_.end() ? nullptr : at->get();
}

Access* Transport::find_access(const std::string& name) noexcept {
  const auto at = std::ranges::find_if(
      accesses_, [&](const auto& access) { return access->config().name == name && !access->removed(); });
  return at == accesses_.end() ? nullptr : at->get();
}

Result<std::uint32_t> Transport::set_link_cost(const std::string& name, std::uint32_t cost) {
  Link* link = find_link(name);
  if (link == nullptr) return fail(ErrorCode::kNotFound, "there is no link " + name);
  link->set_cost(cost);
  status_changed_ = true;
  return link->id();
}

Result<void> Transport::set_link_credentials(const std::string& name, std::shared_ptr<const Credentials> credentials) {
  Link* link = find_link(name);
  if (link == nullptr) return fail(ErrorCode::kNotFound, "there is no link " + name);
  // Also of those that it took the place of, and that still carry connections.
  for (const auto& other : links_) {
    if (other->config().name == name) drop_untrusted(other->record(), {}, *credentials);
  }
  link->set_credentials(std::move(credentials));
  return {};
}

Result<std::uint16_t> Transport::add_access(const AccessConfig& config) {
  std::uint16_t bound = 0;
  auto socket = open_listening_socket(kernel_, config.bind_host, config.port, false, bound);
  if (!socket) return std::unexpected(socket.error());
  accesses_.push_back(std::make_unique<Access>(*this, config, std::move(*socket), bound));
  status_changed_ = true;
  return bound;
}

// Links that came in by its port stay, wherever it is from now on; but not anonymous ones that are no longer allowed.
Result<void> Transport::set_access(const AccessConfig& config) {
  Access* access = find_access(config.name);
  if (access == nullptr) return fail(ErrorCode::kNotFound, "there is no router access " + config.name);
  if (access->config().bind_host == config.bind_host && access->config().port == config.port) {
    if (config.credentials != access->config().credentials) {
      if (auto set = set_access_credentials(config.name, config.credentials); !set) return set;
    }
    access->set_allow_anonymous(config.allow_anonymous);
  } else {
    if (auto added = add_access(config); !added) return std::unexpected(added.error());
    access->remove();
  }
  if (!config.allow_anonymous) drop_anonymous(config.name);
  status_changed_ = true;
  return {};
}

Result<void> Transport::remove_access(const std::string& name) {
  Access* access = find_access(name);
  if (access == nullptr) return fail(ErrorCode::kNotFound, "there is no router access " + name);
  access->remove();
  for (const auto& link : incoming_) {
    const bool came_by_it =
        std::ranges::any_of(link->record.sessions, [&](const auto& session) { return session.second.access == name; });
    if (came_by_it) leave(link->record);
  }
  status_changed_ = true;
  return {};
}

void Transport::drop_anonymous(const std::string& access) {
  const Error error{ErrorCode::kTlsNoCertificate, "links without a certificate are no longer allowed here"};
  for (const auto& link : incoming_) {
    for (const auto& [id, entry] : link->record.sessions) {
      if (entry.access != access || !entry.peer_chain.empty()) continue;
      shards_[entry.shard]->mailbox().post(
          make_task<Shard>([session = id, error](Shard& shard) { shard.fail_session(session, error); }));
    }
  }
}

// The link takes no new streams, and ends once those that it has are over, or when the time for that is.
void Transport::leave(LinkRecord& record) {
  if (record.leave_by != Instant::max()) return;
  record.leave_by = now_ + options_.leave_timeout;
  if (record.up && !std::exchange(record.going_away, true)) link_down(record);
  record.note_state(LinkPhase::kClosing, kernel_.unix_seconds());
  for (const auto& [id, entry] : record.sessions) {
    shards_[entry.shard]->mailbox().post(
        make_task<Shard>([session = id](Shard& shard) { shard.leave_session(session); }));
  }
  status_changed_ = true;
}

void Transport::close_overdue() {
  const auto check = [this](LinkRecord& record) {
    if (now_ >= record.leave_by) close_sessions(record);
  };
  for (const auto& link : links_)
    check(link->record());
  for (const auto& link : incoming_)
    check(link->record);
}

void Transport::set_options(const TransportOptions& options) {
  const bool renew =
      options.record_protection != options_.record_protection || options.cipher_suites != options_.cipher_suites;
  options_.take_live(options);
  post_to_shards([options](Shard& shard) { shard.set_options(options); });
  if (!renew) return;
  for (const auto& link : links_)
    link->renew_all();
  for (const auto& link : incoming_)
    ask_for_renewal(*link, {});
}

void Transport::note_refused_credentials(CredentialsUser user, const std::string& name, const std::string& why) {
  for (const auto& link : links_) {
    if (user == CredentialsUser::kLink && link->config().name == name) link->record().status.credentials.refused = why;
  }
  for (const auto& access : accesses_) {
    if (user == CredentialsUser::kAccess && access->config().name == name) access->note_refused_credentials(why);
  }
  for (ListenerEntry& listener : listeners_) {
    if (user == CredentialsUser::kListener && listener.config.name == name) listener.refused_credentials = why;
  }
  for (ConnectorEntry& connector : connectors_) {
    if (user == CredentialsUser::kConnector && connector.config.name == name) connector.refused_credentials = why;
  }
  status_changed_ = true;
}

void Transport::drop_untrusted(LinkRecord& record, const std::string& access, const Credentials& credentials) {
  for (const auto& [id, entry] : record.sessions) {
    if (entry.access != access) continue;
    const auto judged = credentials.peer_judge().judge(entry.peer_chain);
    if (judged) continue;
    log_warning("link {}: ended: {}", record.status.name, judged.error().message);
    shards_[entry.shard]->mailbox().post(
        make_task<Shard>([session = id, error = judged.error()](Shard& shard) { shard.fail_session(session, error); }));
  }
}

// The other end dials, so it is asked to.
Result<void> Transport::set_access_credentials(const std::string& name,
                                               std::shared_ptr<const Credentials> credentials) {
  Access* access = find_access(name);
  if (access == nullptr) return fail(ErrorCode::kNotFound, "there is no router access " + name);
  for (const auto& link : incoming_)
    drop_untrusted(link->record, name, *credentials);
  access->set_credentials(std::move(credentials));
  for (const auto& link : incoming_)
    ask_for_renewal(*link, name);
  return {};
}

// Fresh connections for the sessions that came in by `access`, or all of them.
void Transport::ask_for_renewal(IncomingLink& link, const std::string& access) {
  for (const auto& [id, entry] : link.record.sessions) {
    if (!access.empty() && entry.access != access) continue;
    shards_[entry.shard]->mailbox().post(
        make_task<Shard>([session = id](Shard& shard) { shard.renew_session(session); }));
  }
}

// A dialler has one session of each index: that it comes with another one means that it has given up the first.
void Transport::close_replaced_sessions(LinkRecord& record, std::uint16_t index) {
  for (const auto& [id, entry] : record.sessions) {
    if (entry.index != index) continue;
    shards_[entry.shard]->mailbox().post(
        make_task<Shard>([session = id](Shard& shard) { shard.close_session(session); }));
  }
}

void Transport::close_sessions(LinkRecord& record) {
  for (const auto& [id, entry] : record.sessions) {
    shards_[entry.shard]->mailbox().post(
        make_task<Shard>([session = id](Shard& shard) { shard.close_session(session); }));
  }
}

LinkRecord* Transport::find_record(std::uint32_t link) noexcept {
  for (const auto& candidate : links_) {
    if (candidate->id() == link) return &candidate->record();
  }
  for (const auto& candidate : incoming_) {
    if (candidate->record.id == link) return &candidate->record;
  }
  return nullptr;
}

Duration Transport::link_round_trip(std::uint32_t link) noexcept {
  const LinkRecord* record = find_record(link);
  return record == nullptr ? Duration{} : record->round_trip();
}

void Transport::link_up(LinkRecord& record) {
  status_changed_ = true;
  events_.link_up({.link = record.id,
                   // Nothing is configured here for a link that the peer dialled; what it said at first must not
                   // outlast what it says later.
                   .cost = record.status.incoming ? 1 : record.status.cost,
                   .cost_told = record.cost_told,
                   .peer_cost = record.peer_cost,
                   .site_id = record.status.remote_site_id,
                   .site_name = record.status.remote_site_name,
                   .peer_is_edge = record.status.remote_edge});
}

void Transport::link_down(LinkRecord& record) {
  status_changed_ = true;
  events_.link_down(record.id);
}

void Transport::session_ended(std::uint64_t session_id, const Error& error) {
  const auto at = session_places_.find(session_id);
  if (at == session_places_.end()) return;
  const std::uint32_t link_id = at->second.link;
  session_places_.erase(at);
  status_changed_ = true;
  LinkRecord* record = find_record(link_id);
  const bool carried_messages =
      record != nullptr && !record->sessions.empty() && record->sessions.begin()->first == session_id;
  for (const auto& link : links_) {
    if (link->id() != link_id) continue;
    const std::uint16_t index = link->record().sessions[session_id].index;
    link->record().drop_session(session_id);
    link->session_ended(index, error);
    if (carried_messages && link->record().up) events_.link_reset(link_id);
    return;
  }
  for (auto link = incoming_.begin(); link != incoming_.end(); ++link) {
    if ((*link)->record.id != link_id) continue;
    record->drop_session(session_id);
    if (!record->sessions.empty()) {
      if (carried_messages) events_.link_reset(link_id);
      return;
    }
    log_info("{}: link from site {} is down: {}", record->status.name, record->status.remote_site_name, error.message);
    const auto gone = std::move(*link);
    incoming_.erase(link);
    return link_down(gone->record);
  }
}

void Transport::going_away(std::uint32_t link) {
  LinkRecord* record = find_record(link);
  if (record == nullptr || record->going_away) return;
  record->going_away = true;
  link_down(*record);
}

void Transport::client_handed_over(std::uint32_t link, std::uint32_t listener, std::string routing_key, Socket socket) {
  LinkRecord* record = find_record(link);
  if (record == nullptr || record->sessions.empty()) return socket.close_with_reset();
  const unsigned shard = record->sessions.begin()->second.shard;
  shards_[shard]->mailbox().post(
      make_task<Shard>([listener, key = std::move(routing_key), socket = std::move(socket)](Shard& target) mutable {
        target.adopt_client(listener, key, std::move(socket));
      }));
}

}  // namespace fairlead
