// Shard's part in opening connections: which way they go, and what happens when that way fails.

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <sys/socket.h>

#include "transport/client_addresses.h"
#include "transport/peer_watch.h"
#include "transport/shard.h"
#include "transport/tcp_options.h"
#include "transport/transport.h"

namespace fairlead {
namespace {

// To servers, in a turn. One takes the kernel 20 to 30 µs, up to 1.2 ms where most ports towards the server are taken.
constexpr unsigned kConnectsPerTurn = 32;

ClientAddresses addresses_of(Kernel& kernel, const Socket& socket) noexcept {
  Address peer, local;
  if (kernel.peer_address(socket.fd(), peer) != 0 || kernel.local_address(socket.fd(), local) != 0) return {};
  return client_addresses(peer, local);
}

void tune_for_server(Socket& socket, const Address& address, const ConnectionLimits& limits) noexcept {
  if (address.family() == AF_UNIX) return;
  set_tcp_options(socket, address);
  if (!is_loopback(address)) watch_peer(socket, limits);  // a peer on this machine does not vanish without a word
}

}  // namespace

// ---- clients and streams that come in

void Shard::accept_client(Listener& listener, Socket socket) noexcept {
  std::string_view key;
  if (forwarder_) key = listener.routing_keys().choose(*forwarder_, options_.incarnation ^ next_stream_number_);
  if (!key.empty()) return start_client(listener, key, std::move(socket), true);
  ++counters_.no_route;
  socket.close_with_reset();
}

void Shard::start_client(Listener& listener, std::string_view routing_key, Socket socket, bool may_hand_over) noexcept {
  Opening wanted;
  wanted.name = {options_.incarnation, std::uint64_t{index_} << 56 | ++next_stream_number_};
  wanted.strategy = listener.strategy();
  wanted.set_routing_key(routing_key);
  const Route route = forwarder_ ? forwarder_->route(wanted.query(), path_) : Route{};
  KeyFigures& figures = figures_of(KeySide::kClients, routing_key);
  if (route.kind == Route::Kind::kNone) {
    ++counters_.no_route;
    figures.failed.count(ResetCode::kNoRoute);
    return socket.close_with_reset();
  }
  if (route.kind == Route::Kind::kLink && session_for(route.links) == nullptr && may_hand_over) {
    ++counters_.handed_over;
    return transport_.hand_over_client(index_, route.links.front(), listener.id(), routing_key, std::move(socket));
  }
  const ClientAddresses addresses = addresses_of(kernel_, socket);
  describe_client(wanted, addresses);
  Opening* opening = make_opening(wanted);
  EdgeGroup& group = listener.group();
  EdgeSocket* client = opening != nullptr ? make_edge(socket, group, figures) : nullptr;
  if (client == nullptr) {
    ++group.figures.refused;
    figures.failed.count(ResetCode::kLimit);
    if (opening != nullptr) release(*opening);
    return socket.close_with_reset();
  }
  if (group.options->accept_proxy) return client->start_preface(*opening);
  if (group.options->credentials != nullptr) return client->start_handshake(*opening);
  client->start_accepted();
  open_client(route, *opening, *client);
}

void Shard::describe_client(Opening& opening, const ClientAddresses& addresses) noexcept {
  std::array<std::uint8_t, ClientAttributes::kEncodedMax> encoded{};
  const ClientAttributes attributes{addresses, options_.site_id};
  opening.set_attributes(std::span(encoded).first(attributes.encode(encoded)));
}

void Shard::lead_client(EdgeSocket& client, Opening& opening) noexcept {
  open_client(forwarder_ ? forwarder_->route(opening.query(), path_) : Route{}, opening, client);
}

void Shard::open_client(const Route& route, Opening& opening, EdgeSocket& client) noexcept {
  ResetCode refused = ResetCode::kNoRoute;
  if (route.kind != Route::Kind::kNone) {
    refused = open_route(route, opening, client, nullptr, false, 0);
    if (refused == ResetCode::kNone) return;
    if (opening.note_tried(route.destination)) {
      SliceQueue nothing(slice_nodes_);
      return reopen(opening, client, nothing, false, 0, refused);
    }
  } else {
    ++counters_.no_route;
  }
  release(opening);
  client.end(refused);
}

ResetCode Shard::connect_stream(Stream& stream, const OpenFrame& open, Strategy strategy,
                                std::uint32_t arrived_on) noexcept {
  if (open.path.empty() && Meters::is_key(open.routing_key)) [[unlikely]]
    return meters_.serve(stream, open.routing_key);
  if (!forwarder_) return ResetCode::kNoRoute;
  const RouteQuery query{.routing_key = open.routing_key,
                         .arrived_on = arrived_on,
                         .strategy = strategy,
                         .path = open.path,
                         .tried = {},
                         .choice = open.name.number};
  const Route route = forwarder_->route(query, path_);
  if (route.kind == Route::Kind::kNone || open.hops_left == 0) {
    ++counters_.no_route;
    return ResetCode::kNoRoute;
  }
  Opening wanted;
  wanted.name = open.name;
  wanted.arrived_on = route.decided_here ? arrived_on : Opening::kFromLink;
  wanted.strategy = strategy;
  wanted.hops_left = static_cast<std::uint8_t>(open.hops_left - 1);
  wanted.client_is_stream = true;
  wanted.set_routing_key(open.routing_key);
  wanted.set_attributes(open.attributes);
  if (route.kind == Route::Kind::kLink && !route.decided_here) {
    // Transit: whoever decided the path tries another one if this one fails.
    Session* next = session_for(route.links);
    if (next == nullptr) return ResetCode::kNoRoute;
    Stream* onward = next->open_stream({open.name, wanted.hops_left, route.path, open.routing_key, open.attributes}, 0);
    if (onward == nullptr) return ResetCode::kLimit;
    Channel::pair(stream, *onward);
    stream.start_transit();
    onward->start_transit();
    return ResetCode::kNone;
  }
  Opening* opening = make_opening(wanted);
  if (opening == nullptr) return ResetCode::kLimit;
  const ResetCode refused = open_route(route, *opening, stream, nullptr, false, 0);
  if (refused != ResetCode::kNone) release(*opening);
  return refused;
}

// ---- the far end

Opening* Shard::make_opening(const Opening& opening) noexcept {
  Opening* made = openings_.make(opening);
  if (made == nullptr) ++counters_.edges_exhausted;
  return made;
}

ResetCode Shard::open_route(const Route& route, Opening& opening, Channel& client, SliceQueue* sent, bool finished,
                            std::uint64_t granted) noexcept {
  switch (route.kind) {
    case Route::Kind::kNone:
      return ResetCode::kNoRoute;
    case Route::Kind::kConnector:
      return open_edge(route, opening, client, sent, finished, granted);
    case Route::Kind::kLink:
      return open_onward(route, opening, client, sent, finished, granted);
  }
  return ResetCode::kInternal;
}

ResetCode Shard::open_edge(const Route& route, Opening& opening, Channel& client, SliceQueue* sent, bool finished,
                           std::uint64_t granted) noexcept {
  ShardConnector* const connector = find_connector(route.connector);
  if (connector == nullptr || connector->removed || connector->addresses.empty()) return ResetCode::kConnectFailed;
  ShardConnector& target = *connector;
  const Address& address = target.addresses[target.group.figures.failed % target.addresses.size()];
  const int fd = kernel_.open_socket(address.family());
  if (fd < 0) {
    ++counters_.descriptors_exhausted;
    return ResetCode::kLimit;
  }
  Socket socket(kernel_, fd);
  tune_for_server(socket, address, target.group.options->limits);
  EdgeSocket* edge = make_edge(socket, target.group, *target.key);
  if (edge == nullptr) {
    ++target.group.figures.failed;
    target.key->failed.count(ResetCode::kLimit);
    return ResetCode::kLimit;
  }
  static_cast<void>(opening.note_tried(route.destination));
  if (sent != nullptr) edge->replay(*sent, finished);
  Channel::pair(*edge, client);
  edge->start_connect(address, opening, LoadShare(route.load));
  if (opening.client_is_stream) {
    Stream& stream = static_cast<Stream&>(client);
    stream.owe(granted);
    stream.start_with_edge(0);
  } else {
    edge->grant(kLocalRoomBytes);
    if (granted < kLocalRoomBytes) client.grant(kLocalRoomBytes - granted);
  }
  return ResetCode::kNone;
}

ResetCode Shard::open_onward(const Route& route, Opening& opening, Channel& client, SliceQueue* sent, bool finished,
                             std::uint64_t granted) noexcept {
  Session* session = session_for(route.links);
  if (session == nullptr) return ResetCode::kNoRoute;
  const std::uint8_t flags = opening.strategy == Strategy::kLowestCost ? kFlagLowestCost : std::uint8_t{0};
  Stream* onward = session->open_stream(
      {opening.name, opening.hops_left, route.path, opening.routing_key(), opening.attributes()}, flags);
  if (onward == nullptr) return ResetCode::kLimit;
  static_cast<void>(opening.note_tried(route.destination));
  onward->keep_opening(opening, LoadShare(route.load));
  Channel::pair(client, *onward);
  if (opening.client_is_stream) {
    Stream& stream = static_cast<Stream&>(client);
    stream.owe(granted);
    stream.start_transit();
    onward->start_transit();
    if (sent != nullptr) onward->replay(*sent, finished);
  } else {
    if (sent != nullptr) onward->replay(*sent, finished);
    onward->start_with_edge(granted);
  }
  return ResetCode::kNone;
}

// ---- connections to servers

void Shard::connect(EdgeSocket& edge) noexcept {
  if (connects_left_ == 0) return waiting_connects_.push_back(edge);
  --connects_left_;
  edge.connect();
}

void Shard::start_connects() noexcept {
  connects_left_ = kConnectsPerTurn;
  while (connects_left_ > 0 && !waiting_connects_.empty()) {
    EdgeSocket& edge = waiting_connects_.front();
    waiting_connects_.pop_front();
    connect(edge);
  }
}

// ---- another destination

void Shard::reopen(Opening& opening, Channel& client, SliceQueue& sent, bool finished, std::uint64_t granted,
                   ResetCode code) noexcept {
  while (!stopping_ && forwarder_ && opening.tried_count < Opening::kTriedMax) {
    const Route route = forwarder_->route(opening.query(), path_);
    if (route.kind == Route::Kind::kNone) break;
    ++counters_.reopened;
    const ResetCode refused = open_route(route, opening, client, &sent, finished, granted);
    if (refused == ResetCode::kNone) return;
    static_cast<void>(opening.note_tried(route.destination));
    code = refused;
  }
  release(opening);
  client.abort(code);
}

Session* Shard::session_for(std::span<const std::uint32_t> links) noexcept {
  const std::size_t count = sessions_.size();
  for (std::size_t i = 0; i < count; ++i) {
    Session& session = *sessions_[(next_session_ + i) % count];
    if (std::find(links.begin(), links.end(), session.link()) == links.end() || !session.takes_streams()) continue;
    next_session_ = static_cast<std::uint32_t>((next_session_ + i + 1) % count);
    return &session;
  }
  return nullptr;
}

void Shard::report_connect_failed(const EdgeGroup& group, int error) noexcept {
  for (const auto& connector : connectors_) {
    if (&connector->group == &group) return transport_.report_connect_failed(index_, connector->id, error);
  }
}

}  // namespace fairlead
