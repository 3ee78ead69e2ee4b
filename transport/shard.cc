#include "transport/shard.h"

#include <algorithm>
#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "transport/base/tracepoint.h"
#include "transport/link_test.h"
#include "transport/resolver.h"
#include "transport/transport.h"

namespace fairlead {
namespace {

constexpr unsigned kRingEntries = 2048;
constexpr std::uint32_t kEdgeBlockSize = 64 * 1024;
constexpr std::uint32_t kLinkBlockSize = 256 * 1024 + sizeof(Block);
constexpr std::uint32_t kSliceNodeCount = 512 * 1024;
constexpr std::uint16_t kBufferGroup = 1;
// One turn's sends. A send takes at most kVectorsPerSend.
constexpr std::size_t kVectorsPerTurn = 16 * 1024;
constexpr std::size_t kMessagesPerTurn = 2048;
constexpr std::size_t kVectorsPerSend = 64;
constexpr Duration kReportInterval = Duration::milliseconds(250);
// How long a closing session may take to get its close_notify out.
constexpr Duration kStopDeadline = Duration::milliseconds(500);

}  // namespace

Result<std::unique_ptr<Shard>> Shard::open(Kernel& kernel, const TransportOptions& options, unsigned index,
                                           Transport& transport) {
  std::unique_ptr<Shard> shard(new Shard(kernel, options, index, transport));
  auto ring = Ring::open(kernel, kRingEntries);
  if (!ring) return std::unexpected(ring.error());
  shard->ring_ = std::move(*ring);
  const auto open_pool = [](std::unique_ptr<BlockPool>& pool, std::uint32_t size, std::uint32_t count) -> Result<void> {
    auto opened = BlockPool::open(size, count);
    if (!opened) return std::unexpected(opened.error());
    pool = std::move(*opened);
    return {};
  };
  if (auto r = open_pool(shard->edge_pool_, kEdgeBlockSize, options.edge_blocks); !r) return std::unexpected(r.error());
  if (auto r = open_pool(shard->link_pool_, kLinkBlockSize, options.link_blocks); !r) return std::unexpected(r.error());
  if (auto r = open_pool(shard->small_pool_, kSmallBlockSize, options.small_blocks); !r)
    return std::unexpected(r.error());
  auto buffers = BufferRing::open(*shard->ring_, *shard->edge_pool_, kBufferGroup);
  if (!buffers) return std::unexpected(buffers.error());
  shard->buffers_ = std::move(*buffers);
  const int event = kernel.open_event();
  if (event < 0) return std::unexpected(error_from_errno(-event, "eventfd"));
  shard->event_ = Socket(kernel, event);
  shard->mailbox_.attach(kernel, event);
  return shard;
}

Shard::Shard(Kernel& kernel, const TransportOptions& options, unsigned index, Transport& transport)
    : kernel_(kernel),
      options_(options),
      index_(index),
      transport_(transport),
      now_(kernel.now()),
      timers_(now_),
      slice_nodes_(kSliceNodeCount),
      edges_(options.connections_per_shard_max),
      streams_(options.connections_per_shard_max),
      openings_(options.connections_per_shard_max),
      window_budget_(options.window_budget_bytes),
      meters_(*this),
      vectors_(kVectorsPerTurn),
      messages_(kMessagesPerTurn) {
  dead_edges_.reserve(options.connections_per_shard_max);
  dead_streams_.reserve(options.connections_per_shard_max);
}

Shard::~Shard() {
  if (small_ != nullptr) BlockPool::release(small_);
}

// ---- the turn

bool Shard::turn(Duration wait_max) noexcept {
  if (!event_read_.in_flight() && !stopping_) {
    arm_event();
    timers_.arm(report_, now_ + kReportInterval);
  }
  const bool work_left = !dirty_edges_.empty() || !dirty_sessions_.empty() || !waiting_handshakes_.empty() ||
                         !waiting_connects_.empty() ||
                         (!starved_edges_.empty() && buffers_->lent() > 0) || meters_.ready();
  // What starves may wait for the bytes of a quiet send.
  const bool starving = !starved_edges_.empty() || !starved_sessions_.empty();
  if (starving) ring_->expect_quiet();
  ring_->enter(work_left ? Duration{} : std::min(wait_max, timers_.until_next(now_)), options_.spin);
  const Instant now = kernel_.now();
  TRACEPOINT(turn_begin, index_);
  // Looked at before anything is submitted: what that is until sends are made uses no vectors.
  const bool all_submitted = ring_->all_submitted();
  ring_->handle_quiet();
  now_ = now;
  if (all_submitted) {
    vectors_used_ = 0;
    messages_used_ = 0;
    if (!replaced_addresses_.empty() && waiting_connects_.empty()) drop_replaced_addresses();
  }
  start_connects();
  const unsigned completions = ring_->handle_completions();
  run_tasks();
  timers_.advance(now_);
  flush_all();
  advance_handshake();
  relieve_pressure();
  resume_starved();
  reap_dead();
  const Duration took = kernel_.now() - now_;
  turns_.record(took);
  TRACEPOINT(turn_end, index_, completions, took.ns);
  return !finished();
}

void Shard::drop_replaced_addresses() noexcept {
  replaced_addresses_.clear();
}

void Shard::arm_event() noexcept {
  ring_->submit(event_read_, [this](io_uring_sqe* sqe) {
    io_uring_prep_read(sqe, event_.fd(), &event_value_, sizeof event_value_, 0);
  });
}

void Shard::on_event(Completion) noexcept {
  if (!stopping_ || !sessions_.empty()) arm_event();
  // Not only at the end of the turn: what completes behind this read happened after the tasks were posted. A client
  // that comes because the status named a route has to find it.
  run_tasks();
}

void Shard::run_tasks() noexcept {
  while (auto task = mailbox_.take())
    task->run(*this);
  transport_.inbox(index_).flush();
}

void Shard::flush_all() noexcept {
  while (!dirty_edges_.empty()) {
    EdgeSocket& edge = dirty_edges_.front();
    dirty_edges_.pop_front();
    edge.flush();
    if (vectors_used_ + kVectorsPerSend > kVectorsPerTurn || messages_used_ == kMessagesPerTurn) break;
  }
  if (meters_.ready()) meters_.pump();
  while (!dirty_sessions_.empty()) {
    Session& session = dirty_sessions_.front();
    dirty_sessions_.pop_front();
    session.flush();
  }
}

void Shard::resume_starved() noexcept {
  std::uint16_t lent = buffers_->refill();
  // What waits for a block to send, or to put a record together, needs no lent one.
  if (lent == 0 && small_pool_->available() > 0) lent = 1;
  while (lent-- > 0 && !starved_edges_.empty()) {
    EdgeSocket& edge = starved_edges_.front();
    starved_edges_.pop_front();
    edge.resume();
  }
  if (starved_sessions_.empty() || link_pool_->available() == 0) return;
  ListBy<Session, session_hooks::Starved> waiting;
  waiting.swap(starved_sessions_);
  while (!waiting.empty()) {
    Session& session = waiting.front();
    waiting.pop_front();
    session.resume_receive();
  }
}

void Shard::reap_dead() noexcept {
  for (Stream* stream : dead_streams_)
    streams_.destroy(stream);
  dead_streams_.clear();
  for (EdgeSocket* edge : dead_edges_)
    edges_.destroy(edge);
  dead_edges_.clear();
  dead_connections_.clear();
  for (auto& [session, error] : ended_sessions_) {
    transport_.report_session_ended(index_, session->id(), std::move(error));
    std::erase_if(sessions_, [&](const auto& candidate) { return candidate.get() == session; });
  }
  ended_sessions_.clear();
  if (!meters_.empty()) meters_.reap();
  if (some_closing_) reap_closed();
}

void Shard::reap_closed() noexcept {
  std::erase_if(listeners_, [](const auto& listener) { return listener->closed(); });
  some_closing_ = std::ranges::any_of(listeners_, &Listener::closing);
}

// With their last connections, which may take days: not looked for in every turn.
void Shard::reap_removed() noexcept {
  std::erase_if(listener_groups_, [](const auto& of) { return of->removed && of->group.figures.open == 0; });
  std::erase_if(connectors_, [](const auto& of) { return of->removed && of->group.figures.open == 0; });
  some_removed_ = std::ranges::any_of(listener_groups_, &ListenerGroup::removed) ||
                  std::ranges::any_of(connectors_, &ShardConnector::removed);
}

bool Shard::finished() noexcept {
  if (!stopping_ || !sessions_.empty() || edges_.in_use() > 0 || !listeners_.empty() || !meters_.empty()) {
    return false;
  }
  if (event_read_.in_flight()) {
    ring_->cancel(event_read_);
    return false;
  }
  stop_deadline_.cancel();
  report_.cancel();
  return ring_->in_flight() == 0;
}

// ---- what sends are made of

Shard::Gathered Shard::gather(SliceQueue& queue, std::uint32_t bytes_max) noexcept {
  if (vectors_used_ + kVectorsPerSend > kVectorsPerTurn || messages_used_ == kMessagesPerTurn) {
    ++counters_.gather_exhausted;
    return {};
  }
  iovec* first = &vectors_[vectors_used_];
  std::size_t count = 0;
  std::uint32_t bytes = 0;
  for (SliceNode* node = queue.head(); node != nullptr && count < kVectorsPerSend && bytes < bytes_max;
       node = node->next) {
    first[count++] = {node->slice.data(), node->slice.size()};
    bytes += node->slice.size();
  }
  vectors_used_ += count;
  return {{first, count}, bytes};
}

const msghdr* Shard::message(std::span<iovec> vectors) noexcept {
  msghdr& message = messages_[messages_used_++];
  message = {};
  message.msg_iov = vectors.data();
  message.msg_iovlen = vectors.size();
  return &message;
}

// ---- lists

void Shard::mark_dirty(EdgeSocket& edge) noexcept {
  using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::Dirty>, edge_hooks::Hook>;
  if (!edge.Hook::is_linked()) dirty_edges_.push_back(edge);
}

void Shard::mark_dirty(Session& session) noexcept {
  using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<session_hooks::Dirty>, session_hooks::Hook>;
  if (!session.Hook::is_linked()) dirty_sessions_.push_back(session);
}

void Shard::starve(EdgeSocket& edge) noexcept {
  using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::Starved>, edge_hooks::Hook>;
  if (!edge.Hook::is_linked()) starved_edges_.push_back(edge);
}

void Shard::starve(Session& session) noexcept {
  using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<session_hooks::Starved>, session_hooks::Hook>;
  ++counters_.session_starved;
  if (!session.Hook::is_linked()) starved_sessions_.push_back(session);
}

// ---- TLS handshakes of applications

void Shard::begin_handshake(EdgeSocket& edge) noexcept {
  handshakes_.push_back(edge);
  if (++handshake_count_ <= options_.handshakes_max) return;
  ++counters_.edge_handshakes_evicted;
  handshakes_.front().give_up_handshake();
}

void Shard::end_handshake(EdgeSocket& edge) noexcept {
  using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::Handshake>, edge_hooks::Hook>;
  if (!edge.Hook::is_linked()) return;
  edge.Hook::unlink();
  --handshake_count_;
}

void Shard::await_handshake(EdgeSocket& edge) noexcept {
  using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<edge_hooks::Waiting>, edge_hooks::Hook>;
  if (!edge.Hook::is_linked()) waiting_handshakes_.push_back(edge);
}

void Shard::advance_handshake() noexcept {
  if (waiting_handshakes_.empty()) return;
  EdgeSocket& edge = waiting_handshakes_.front();
  waiting_handshakes_.pop_front();
  edge.advance_handshake();
}

std::string Shard::peer_of(const Socket& socket) const {
  Address address;
  return kernel_.peer_address(socket.fd(), address) == 0 ? to_string(address) : "a peer that is gone";
}

// ---- connections

KeyFigures& Shard::figures_of(KeySide side, std::string_view routing_key) {
  auto& keys = keys_[static_cast<std::size_t>(side)];
  const auto known = keys.find(routing_key);
  return known != keys.end() ? known->second.figures : keys[std::string(routing_key)].figures;
}

// One sentence for as many as are refused until the next report.
void Shard::note_full(EdgeGroup& group) {
  if (!group.news.message.empty()) return;
  const std::string most = std::to_string(group.options->limits.connections_max);
  group.news = {ErrorCode::kLimit, "all " + most + " of maxConnections are in use"};
}

EdgeSocket* Shard::make_edge(Socket& socket, EdgeGroup& group, KeyFigures& key) noexcept {
  LoadShare place(group.open_anywhere.get());
  if (group.full()) {
    note_full(group);
    return nullptr;
  }
  EdgeSocket* edge = edges_.make(*this, std::move(socket), group, key, std::move(place));
  if (edge == nullptr) {
    ++counters_.edges_exhausted;
  } else {
    all_edges_.push_back(*edge);
  }
  return edge;
}

void Shard::adopt_client(std::uint32_t listener_id, const std::string& routing_key, Socket socket) {
  if (stopping_) return socket.close_with_reset();
  for (const auto& listener : listeners_) {
    if (listener->id() == listener_id && !listener->closing()) {
      return start_client(*listener, routing_key, std::move(socket), false);
    }
  }
  socket.close_with_reset();
}

// ---- tasks

void Shard::adopt_session(SessionSeed seed) {
  const std::uint64_t id = seed.session_id;
  if (stopping_) return transport_.report_session_ended(index_, id, {ErrorCode::kClosing, "shutting down"});
  std::unique_ptr<Session> session = Session::open(*this, std::move(seed));
  if (session == nullptr) {
    return transport_.report_session_ended(index_, id, {ErrorCode::kLimit, "no memory left for another session"});
  }
  sessions_.push_back(std::move(session));
  sessions_.back()->start();
}

Session* Shard::find_session(std::uint64_t session_id) noexcept {
  for (const auto& session : sessions_) {
    if (session->id() == session_id) return session.get();
  }
  return nullptr;
}

void Shard::replace_connection(SessionSeed seed) {
  Session* session = find_session(seed.session_id);
  if (session != nullptr) session->replace_connection(std::move(seed));
}

void Shard::renew_session(std::uint64_t session_id) {
  Session* session = find_session(session_id);
  if (session != nullptr) session->ask_for_renewal(Session::Renewal::kAnew);
}

void Shard::leave_session(std::uint64_t session_id) {
  if (Session* session = find_session(session_id); session != nullptr) session->leave();
}

void Shard::close_session(std::uint64_t session_id) {
  if (Session* session = find_session(session_id); session != nullptr) session->close();
}

void Shard::fail_session(std::uint64_t session_id, const Error& error) {
  if (Session* session = find_session(session_id); session != nullptr) session->fail(error);
}

void Shard::send_control(std::uint64_t session_id, std::span<const std::uint8_t> message) {
  if (Session* session = find_session(session_id); session != nullptr) session->send_control(message);
}

void Shard::control_handled(std::uint64_t session_id, std::uint64_t bytes) {
  if (Session* session = find_session(session_id); session != nullptr) session->control_handled(bytes);
}

void Shard::add_listener(std::uint32_t id, RoutingKeys routing_keys, Strategy strategy,
                         std::shared_ptr<const EdgeOptions> options, LoadRef open_anywhere, Socket socket) {
  if (stopping_) return;
  EdgeGroup& group = group_of_listener(id);
  group.options = std::move(options);
  group.open_anywhere = std::move(open_anywhere);
  listeners_.push_back(
      std::make_unique<Listener>(*this, id, std::move(routing_keys), strategy, std::move(socket), group));
}

EdgeGroup& Shard::group_of_listener(std::uint32_t id) {
  for (const auto& of : listener_groups_) {
    if (of->listener == id) return of->group;
  }
  listener_groups_.push_back(std::make_unique<ListenerGroup>(ListenerGroup{.listener = id, .group = {}}));
  return listener_groups_.back()->group;
}

void Shard::set_listener(std::uint32_t id, const RoutingKeys& routing_keys, Strategy strategy,
                         std::shared_ptr<const EdgeOptions> options) {
  group_of_listener(id).options = std::move(options);
  for (const auto& listener : listeners_) {
    if (listener->id() != id || listener->closing()) continue;
    listener->lead_to(routing_keys, strategy);
    listener->follow_options();
  }
}

void Shard::close_listener(std::uint32_t id) {
  for (const auto& listener : listeners_) {
    if (listener->id() == id) listener->close();
  }
  some_closing_ = true;
}

void Shard::remove_listener(std::uint32_t id) {
  close_listener(id);
  for (const auto& of : listener_groups_) {
    if (of->listener == id) of->removed = true;
  }
  some_removed_ = true;
}

void Shard::remove_connector(std::uint32_t id) {
  for (const auto& connector : connectors_) {
    if (connector->id == id) connector->removed = true;
  }
  some_removed_ = true;
}

void Shard::add_connector(std::uint32_t id, std::string routing_key, const std::string& host,
                          std::shared_ptr<const EdgeOptions> options, LoadRef open_anywhere) {
  auto connector = std::make_unique<ShardConnector>();
  connector->id = id;
  connector->key = &figures_of(KeySide::kServers, routing_key);
  connector->routing_key = std::move(routing_key);
  connector->group.options = std::move(options);
  connector->group.open_anywhere = std::move(open_anywhere);
  connector->group.host = host;
  connectors_.push_back(std::move(connector));
}

void Shard::set_connector_options(std::uint32_t id, std::shared_ptr<const EdgeOptions> options) {
  if (ShardConnector* connector = find_connector(id); connector != nullptr) {
    connector->group.options = std::move(options);
  }
}

void Shard::set_connector_addresses(std::uint32_t id, std::vector<Address> addresses) {
  ShardConnector* connector = find_connector(id);
  if (connector == nullptr) return;
  replaced_addresses_.push_back(std::exchange(connector->addresses, std::move(addresses)));
}

ShardConnector* Shard::find_connector(std::uint32_t id) noexcept {
  for (const auto& connector : connectors_) {
    if (connector->id == id) return connector.get();
  }
  return nullptr;
}

void Shard::stop_accepting() {
  for (const auto& listener : listeners_)
    listener->close();
  some_closing_ = true;
}

void Shard::go_away() {
  meters_.stop();
  for (const auto& session : sessions_)
    session->go_away(ResetCode::kClosing);
}

void Shard::stop() {
  if (stopping_) return;
  stopping_ = true;
  stop_accepting();
  meters_.stop();
  for (const auto& session : sessions_)
    session->close();
  for (EdgeSocket& edge : all_edges_)
    edge.end(ResetCode::kClosing);
  timers_.arm(stop_deadline_, now_ + kStopDeadline);
}

void Shard::on_stop_deadline(Instant) noexcept {
  for (const auto& session : sessions_)
    session->fail({ErrorCode::kClosing, "shutting down"});
}

// ---- reports

ShardUsage Shard::usage() const noexcept {
  const auto taken = [](const BlockPool& pool) { return pool.count() - pool.available(); };
  return {.sessions = static_cast<std::uint32_t>(sessions_.size()),
          .listeners = static_cast<std::uint32_t>(listeners_.size()),
          .edges = edges_.in_use(),
          .streams = streams_.in_use(),
          .openings = openings_.in_use(),
          .edge_blocks = taken(*edge_pool_) - buffers_->lent(),
          .link_blocks = taken(*link_pool_),
          .small_blocks = taken(*small_pool_),
          .slice_nodes = slice_nodes_.in_use(),
          .requests = ring_->in_flight(),
          .window_growth_bytes = window_budget_.used()};
}

void Shard::session_ended(Session& session, const Error& error) noexcept {
  // Taken out of the list at the end of the turn: the caller may be walking through it.
  ended_sessions_.emplace_back(&session, error);
}

void Shard::report_renewal(Session& session) noexcept {
  transport_.report_renewal(index_, session.id());
}

void Shard::report_moved(Session& session) noexcept {
  transport_.report_moved(index_, session.id());
}

void Shard::report_going_away(Session& session) noexcept {
  transport_.report_going_away(index_, session.link());
}

void Shard::report_control(Session& session, std::vector<std::uint8_t> message) {
  transport_.report_control(index_, session.link(), session.id(), std::move(message));
}

void Shard::report_link_test(std::uint64_t test, std::uint64_t session_id, LinkTestFindings findings) {
  transport_.report_link_test(index_, test, session_id, std::move(findings));
}

void Shard::on_report(Instant now) noexcept {
  timers_.arm(report_, now + kReportInterval);
  if (some_removed_) reap_removed();
  ShardReport report;
  report.shard = index_;
  report.at = now;
  for (const auto& session : sessions_) {
    report.sessions.push_back({session->id(), session->figures()});
    report.unsent_bytes += session->unsent_bytes();
  }
  for (const auto& of : listener_groups_)
    report.listeners.push_back({of->listener, of->group.figures, std::exchange(of->group.news, {})});
  for (const auto& connector : connectors_)
    report.connectors.push_back({connector->id, connector->group.figures, std::exchange(connector->group.news, {})});
  report.counters = counters_;
  report_keys(report);
  report.usage = usage();
  report.turns = turns_;
  report.loop = loop_;
  report.loop.completions = ring_->counters().completions;
  report.loop.thread = kernel_.thread_usage();
  report.ring = ring_->counters();
  report.edges_open = edges_.in_use();
  report.streams_open = streams_.in_use() - static_cast<std::uint32_t>(meters_.count());
  report.accepting = !listeners_.empty();
  transport_.report_figures(index_, std::move(report));
}

void Shard::report_keys(ShardReport& report) {
  for (const KeySide side : {KeySide::kClients, KeySide::kServers}) {
    for (auto& [routing_key, entry] : keys_[static_cast<std::size_t>(side)]) {
      report.counters.edge_bytes_in += entry.figures.bytes_in;
      report.counters.edge_bytes_out += entry.figures.bytes_out;
      if (entry.figures == entry.reported) continue;
      entry.reported = entry.figures;
      report.keys.push_back({routing_key, side, entry.figures});
    }
  }
}

}  // namespace fairlead
