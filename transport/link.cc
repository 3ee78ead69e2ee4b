#include "transport/link.h"

#include <algorithm>
#include <utility>

#include "transport/base/log.h"
#include "transport/tcp_options.h"
#include "transport/transport.h"

namespace fairlead {
namespace {

// A link that was up for this long has proved itself: the next loss is an accident, and is redialled at once.
constexpr Duration kProved = Duration::seconds(2);

// Where an error happened, for LinkRecord: at an address that is dialled, or with a session of a link that is up.
std::string session_place(std::uint16_t index) {
  return "session " + std::to_string(index);
}

}  // namespace

Link::Link(Transport& transport, std::uint32_t id, LinkConfig config)
    : transport_(transport), config_(std::move(config)), link_id_(transport.random_id()), slots_(1, Slot::kDown),
      renewals_(1) {
  record_.id = id;
  record_.status.name = config_.name;
  record_.status.cost = config_.cost;
  record_.status.sessions_wanted = transport_.options().shards;
  record_.note_credentials(*config_.credentials, config_.present_certificate);
  record_.note_state(LinkPhase::kConnecting, transport_.kernel().unix_seconds());
}

Link::~Link() {
  transport_.abandon_pending(*this);
}

LinkStatus Link::status(Instant now) const {
  LinkStatus status = record_.snapshot();
  if (redial_.armed() && redial_at_ > now) status.next_dial_in = redial_at_ - now;
  return status;
}

unsigned Link::up_count() const noexcept {
  return static_cast<unsigned>(std::count(slots_.begin(), slots_.end(), Slot::kUp));
}

// ---- dialling

void Link::dial() {
  if (closing_ || transport_.draining()) return;
  if (up_count() > 0) return dial_missing();
  if (resolving_ || slots_[0] != Slot::kDown) return;
  record_.note_state(LinkPhase::kConnecting, transport_.kernel().unix_seconds());
  next_endpoint_ = 0;
  targets_.clear();
  next_target_ = 0;
  resolve_next_endpoint();
}

// Of a link that is up.
void Link::dial_missing() {
  for (std::uint16_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index] == Slot::kDown) dial_target(index, current_);
    if (slots_[index] == Slot::kUp && renewals_[index].phase == Renewal::kWanted) dial_target(index, current_, true);
  }
}

void Link::resolve_next_endpoint() {
  current_.endpoint = config_.endpoints[next_endpoint_++];
  record_.status.url = to_string(current_.endpoint);
  resolving_ = true;
  transport_.resolve(current_.endpoint, record_.id,
                     [this](Result<std::vector<Address>> addresses) { endpoint_resolved(std::move(addresses)); });
}

void Link::endpoint_resolved(Result<std::vector<Address>> addresses) {
  resolving_ = false;
  if (closing_) return;
  if (!addresses) return attempt_failed(record_.status.url, addresses.error());
  targets_.clear();
  next_target_ = 0;
  for (const Address& address : *addresses)
    targets_.push_back({current_.endpoint, address});
  current_ = targets_[next_target_++];
  dial_target(0, current_);
}

void Link::dial_target(std::uint16_t index, const Target& target, bool replace) {
  const int fd = transport_.kernel().open_socket(target.address.family());
  ++record_.status.dials;
  if (fd < 0) {
    transport_.count_descriptors_exhausted();
    const Error error = error_from_errno(-fd, "socket for link " + config_.name);
    return index == 0 && up_count() == 0 ? attempt_failed(to_string(target.address), error) : back_off();
  }
  Hello hello = make_hello(index);
  if (replace) {
    hello.flags |= Hello::kFlagReplace;
    renewals_[index].phase = Renewal::kDialling;
    renewals_[index].session = record_.session_at(index).value_or(0);
  } else {
    slots_[index] = Slot::kDialling;
    renewals_[index] = {};
  }
  ClientHandshakeOptions tls;
  tls.host = target.endpoint.host;
  tls.peer = to_string(target.address);
  tls.present_certificate = config_.present_certificate;
  tls.suites = transport_.options().cipher_suites;
  Socket socket(transport_.kernel(), fd);
  set_tcp_options(socket, target.address);
  transport_.add_pending(std::make_unique<PendingSession>(transport_, *this, std::move(socket), target.address,
                                                          config_.credentials, std::move(tls), std::move(hello)));
}

RecordProtection Link::protection() const noexcept {
  return config_.record_protection.value_or(transport_.options().record_protection);
}

Hello Link::make_hello(std::uint16_t index) const {
  Hello hello = transport_.make_hello(protection());
  hello.session_index = index;
  hello.cost = config_.cost;
  hello.link_id = link_id_;
  if (up_count() == 0) hello.flags |= Hello::kFlagBegin;
  return hello;
}

Result<Hello> Link::answer_hello(PendingSession&) {
  return fail(ErrorCode::kProtocol, "unexpected HELLO");
}

// What is wrong with a peer that came through HELLO.
std::optional<Error> Link::why_not_ready(const PendingSession& pending) const {
  const Hello& peer = pending.peer_hello();
  const Hello& hello = pending.hello();
  if (peer.site_id == transport_.options().site_id) {
    return Error{ErrorCode::kInvalid, "link " + config_.name + " leads back to this very site"};
  }
  const bool same_purpose = ((peer.flags ^ hello.flags) & Hello::kFlagReplace) == 0;
  if (peer.session_index != hello.session_index || peer.link_id != link_id_ || !same_purpose) {
    return Error{ErrorCode::kProtocol, record_.status.url + " answered for another session"};
  }
  if ((peer.flags & Hello::kFlagEdge) != 0) {
    return Error{ErrorCode::kProtocol, "an edge site accepted the link, which it never does"};
  }
  if (up_count() > 0 && peer.incarnation != record_.peer_incarnation) {
    // The peer restarted between two of our dials; the sessions to its old life are about to end.
    return Error{ErrorCode::kReset, "another router answered at " + record_.status.url};
  }
  return std::nullopt;
}

void Link::pending_ready(PendingSession& pending) {
  if (auto error = why_not_ready(pending)) return pending_failed(pending, *error);
  if ((pending.hello().flags & Hello::kFlagReplace) != 0) return replacement_ready(pending);
  const std::uint16_t index = pending.hello().session_index;
  const Hello& peer = pending.peer_hello();
  const bool first = up_count() == 0;
  if (auto adopted = transport_.adopt(record_, pending, {protection(), config_.credentials, {}, {}}); !adopted) {
    return pending_failed(pending, adopted.error());
  }
  slots_[index] = Slot::kUp;
  record_.note_peer(peer, pending.tls());
  record_.failures.erase(session_place(index));
  if (!first) return;
  up_since_ = transport_.now();
  ++record_.status.ups;
  redial_.cancel();
  const std::uint16_t wanted =
      std::max<std::uint16_t>(peer.shards, static_cast<std::uint16_t>(transport_.options().shards));
  slots_.resize(wanted, Slot::kDown);
  renewals_.resize(wanted);
  record_.status.sessions_wanted = wanted;
  record_.going_away = false;
  record_.cost_told = pending.hello().cost;  // it may have changed meanwhile
  record_.note_state(LinkPhase::kUp, transport_.kernel().unix_seconds());
  record_.up = true;
  log_info("link {}: up, site {} at {}, {}", config_.name, peer.site_name, record_.status.url, record_.status.cipher);
  transport_.link_up(record_);
  transport_.link_tried(*this);
  dial();
}

// ---- fresh connections for sessions that are up

void Link::set_credentials(std::shared_ptr<const Credentials> credentials) {
  config_.credentials = std::move(credentials);
  record_.note_credentials(*config_.credentials, config_.present_certificate);
  transport_.mark_status_changed();
  renew_all();
}

void Link::set_config(const LinkConfig& config) {
  const bool renew = config.credentials != config_.credentials ||
                     config.present_certificate != config_.present_certificate ||
                     config.record_protection != config_.record_protection;
  config_ = config;
  set_cost(config.cost);
  record_.note_credentials(*config_.credentials, config_.present_certificate);
  if (renew) renew_all();
}

void Link::renew_all() {
  for (std::uint16_t index = 0; index < slots_.size(); ++index) {
    const Renewal phase = renewals_[index].phase;
    renewals_[index].again = phase == Renewal::kDialling || phase == Renewal::kMoving;
    renew(index);
  }
}

void Link::renew(std::uint16_t index) {
  if (closing_ || index >= slots_.size() || slots_[index] != Slot::kUp || !record_.peer_moves) return;
  // The session that asks may be on the fresh connection already, and its keys used up again.
  if (renewals_[index].phase == Renewal::kMoving) renewals_[index].again = true;
  if (renewals_[index].phase != Renewal::kNone) return;
  renewals_[index].phase = Renewal::kWanted;
  dial();
}

void Link::moved(std::uint16_t index) {
  if (index >= slots_.size() || renewals_[index].phase != Renewal::kMoving) return;
  const bool again = renewals_[index].again;
  renewals_[index] = {};
  if (again) renew(index);
}

void Link::replacement_ready(PendingSession& pending) {
  const std::uint16_t index = pending.hello().session_index;
  const auto session = record_.session_at(index);
  // It was lost meanwhile.
  if (slots_[index] != Slot::kUp || !session || *session != renewals_[index].session) return;
  if (auto adopted = transport_.adopt(record_, pending, {protection(), config_.credentials, {}, session}); !adopted) {
    return replacement_failed(index, adopted.error());
  }
  record_.note_peer(pending.peer_hello(), pending.tls());
  record_.failures.erase(session_place(index));
  failures_ = 0;
  renewals_[index].phase = Renewal::kMoving;
}

// The session goes on as it is until another try succeeds.
void Link::replacement_failed(std::uint16_t index, const Error& error) {
  if (slots_[index] != Slot::kUp || renewals_[index].phase != Renewal::kDialling) return;
  renewals_[index] = {Renewal::kWanted};
  set_error(session_place(index), {error.code, "fresh connection: " + error.message});
  back_off();
}

// ---- failing

void Link::pending_failed(PendingSession& pending, const Error& error) {
  const std::uint16_t index = pending.hello().session_index;
  if ((pending.hello().flags & Hello::kFlagReplace) != 0) return closing_ ? void() : replacement_failed(index, error);
  slots_[index] = Slot::kDown;
  if (closing_) return;
  if (up_count() > 0) {
    set_error(session_place(index), error);
    return back_off();
  }
  attempt_failed(to_string(current_.address), error);
}

void Link::attempt_failed(const std::string& place, const Error& error) {
  set_error(place, error);
  if (next_target_ < targets_.size()) {
    current_ = targets_[next_target_++];
    return dial_target(0, current_);
  }
  if (next_endpoint_ < config_.endpoints.size()) return resolve_next_endpoint();
  record_.end_round();
  record_.note_state(LinkPhase::kWaiting, transport_.kernel().unix_seconds());
  transport_.link_tried(*this);
  back_off();
}

void Link::set_error(const std::string& place, const Error& error) {
  const bool news = record_.note_error(place, error, transport_.kernel().unix_seconds());
  transport_.mark_status_changed();
  if (news) log_warning("link {}: {}", config_.name, error.message);
}

void Link::back_off() {
  if (redial_.armed() || closing_) return;
  const std::int64_t ceiling =
      std::min(transport_.options().redial_max.ns, transport_.options().redial_min.ns << std::min(failures_, 20U));
  ++failures_;
  // Jitter over the upper half, so that the sites that a restarted hub left behind do not come back all at once.
  const std::int64_t delay =
      ceiling / 2 + static_cast<std::int64_t>(transport_.prng().below(static_cast<std::uint64_t>(ceiling / 2) + 1));
  redial_at_ = transport_.now() + Duration{delay};
  transport_.timers().arm(redial_, redial_at_);
  transport_.mark_status_changed();
}

void Link::on_redial(Instant) noexcept {
  dial();
}

void Link::session_ended(std::uint16_t index, const Error& error) {
  if (index < slots_.size()) {
    slots_[index] = Slot::kDown;
    renewals_[index] = {};
  }
  if (closing_) return;
  if (up_count() > 0) {
    set_error(session_place(index), error);
    return back_off();
  }
  record_.note_error(session_place(index), error, transport_.kernel().unix_seconds());
  if (record_.up) {
    record_.up = false;
    record_.note_state(LinkPhase::kConnecting, transport_.kernel().unix_seconds());
    log_warning("link {}: down: {}", config_.name, error.message);
    transport_.link_down(record_);
  }
  link_id_ = transport_.random_id();
  if (transport_.now() - up_since_ >= kProved) failures_ = 0;
  // Sessions to a peer that is gone may still be dialling: their outcome does not matter any more.
  transport_.abandon_pending(*this);
  std::replace(slots_.begin(), slots_.end(), Slot::kDialling, Slot::kDown);
  redial_.cancel();
  back_off();
}

void Link::leave() {
  closing_ = true;
  redial_.cancel();
  transport_.abandon_pending(*this);
  transport_.leave(record_);
}

void Link::close() {
  closing_ = true;
  redial_.cancel();
  record_.note_state(LinkPhase::kClosing, transport_.kernel().unix_seconds());
  transport_.abandon_pending(*this);
  transport_.close_sessions(record_);
}

}  // namespace fairlead
