#include "transport/link_record.h"

#include <algorithm>
#include <utility>

#include "transport/tls/credentials.h"

namespace fairlead {
namespace {

// Of what sessions have carried; not of what is open.
void add(SessionFigures& sum, const SessionFigures& figures) {
  sum.bytes_in += figures.bytes_in;
  sum.bytes_out += figures.bytes_out;
  sum.streams_total += figures.streams_total;
  sum.resets += figures.resets;
  sum.round_trips += figures.round_trips;
  sum.queueing += figures.queueing;
}

}  // namespace

void LinkRecord::note_peer(const Hello& hello, const HandshakeResult& tls) {
  status.remote_site_id = hello.site_id;
  status.remote_site_name = hello.site_name;
  status.remote_edge = (hello.flags & Hello::kFlagEdge) != 0;
  peer_incarnation = hello.incarnation;
  peer_cost = hello.cost;
  peer_moves = (hello.features & Hello::kFeatureMove) != 0;
  status.tls_version = "TLSv1.3";
  status.cipher = name_of(tls.suite);
  status.tls_group = tls.group;
  status.post_quantum = tls.post_quantum;
  status.peer_authenticated = tls.peer_certificate.has_value();
  status.peer_subject = tls.peer_certificate ? tls.peer_certificate->subject : std::string();
  status.peer_certificate_expires_unix_s = tls.peer_certificate ? tls.peer_certificate->not_after_unix_s : 0;
}

void LinkRecord::note_credentials(const Credentials& credentials, bool present_certificate) {
  const bool presents = present_certificate && credentials.has_certificate();
  status.credentials = describe(credentials);
  if (!presents) status.credentials.subject.clear();
  if (!presents) status.credentials.expires_unix_s = 0;
}

CredentialsStatus describe(const Credentials& credentials) {
  return {.subject = credentials.certificate().subject,
          .expires_unix_s = credentials.has_certificate() ? credentials.certificate().not_after_unix_s : 0,
          .ca_expires_unix_s = credentials.ca().not_after_unix_s,
          .refused = {}};
}

void LinkRecord::note_state(LinkPhase state, std::int64_t unix_s) {
  const bool flips = (status.state == LinkPhase::kUp) != (state == LinkPhase::kUp);
  if (flips || status.since_unix_s == 0) status.since_unix_s = unix_s;
  if (state == LinkPhase::kUp) failures.clear();
  status.state = state;
}

bool LinkRecord::note_error(const std::string& place, const Error& error, std::int64_t unix_s) {
  const auto at = failures.find(place);
  const bool same =
      at != failures.end() && at->second.error.code == error.code && at->second.error.message == error.message;
  const std::int64_t since_unix_s = same ? at->second.error.since_unix_s : unix_s;
  status.last_error = LastError{error.code, error.message, since_unix_s};
  failures[place] = {*status.last_error, true};
  return !same;
}

void LinkRecord::end_round() {
  std::erase_if(failures, [](const auto& entry) { return !entry.second.in_this_round; });
  for (auto& [place, row] : failures)
    row.in_this_round = false;
}

bool LinkRecord::take_message_of(std::uint64_t session_id) {
  const auto at = sessions.find(session_id);
  if (at == sessions.end() || at->second.overtaken) return false;
  const std::uint64_t before = std::exchange(control_session, session_id);
  if (before == session_id) return true;
  if (const auto old = sessions.find(before); old != sessions.end()) old->second.overtaken = true;
  return true;
}

void LinkRecord::drop_session(std::uint64_t session_id) {
  const auto at = sessions.find(session_id);
  if (at == sessions.end()) return;
  add(ended, at->second.figures);
  sessions.erase(at);
}

std::optional<std::uint64_t> LinkRecord::session_at(std::uint16_t index) const noexcept {
  // The newest, should one that it replaces not have ended yet.
  for (auto at = sessions.rbegin(); at != sessions.rend(); ++at) {
    if (at->second.index == index) return at->first;
  }
  return std::nullopt;
}

Duration LinkRecord::round_trip() const noexcept {
  std::int64_t sum_ns = 0;
  std::int64_t measured = 0;
  for (const auto& session : sessions) {
    sum_ns += session.second.figures.rtt_ns;
    if (session.second.figures.rtt_ns != 0) ++measured;
  }
  return {measured == 0 ? 0 : sum_ns / measured};
}

LinkStatus LinkRecord::snapshot() const {
  LinkStatus result = status;
  SessionFigures sum = ended;
  result.sessions_up = static_cast<std::uint32_t>(sessions.size());
  std::int64_t rtt_min_ns = 0;
  for (const auto& session : sessions) {
    const SessionFigures& figures = session.second.figures;
    add(sum, figures);
    result.streams += figures.streams_open;
    if (figures.rtt_ns == 0) continue;
    rtt_min_ns = rtt_min_ns == 0 ? figures.rtt_min_ns : std::min(rtt_min_ns, figures.rtt_min_ns);
  }
  result.bytes_in = sum.bytes_in;
  result.bytes_out = sum.bytes_out;
  result.streams_total = sum.streams_total;
  result.resets = sum.resets;
  result.round_trips = sum.round_trips;
  result.queueing = sum.queueing;
  result.rtt = round_trip();
  result.rtt_min = {rtt_min_ns};
  return result;
}

}  // namespace fairlead
