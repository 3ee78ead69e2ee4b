// LinkRecord: what is known of a link, dialled or incoming, while Transport keeps it: for status and for the router.
// Plain values of the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "transport/config.h"
#include "transport/session.h"
#include "transport/tls/handshake.h"
#include "transport/wire/hello.h"

namespace fairlead {

CredentialsStatus describe(const Credentials& credentials);

struct LinkRecord {
  struct SessionEntry {
    std::uint16_t index = 0;
    unsigned shard = 0;
    SessionFigures figures;
    std::vector<Der> peer_chain{};  // of its connection
    std::string access{};           // that it came in by; empty: we dialled
    bool overtaken = false;  // router messages came over another one since
  };

  // What fails at one place (an address that is dialled, a session), and since when it fails in this way.
  struct FailureRow {
    LastError error;
    bool in_this_round = true;
  };

  std::uint32_t id = 0;  // as in Route
  bool up = false;
  bool going_away = false;  // takes no new streams: the peer does not, or we do not
  Instant leave_by = Instant::max();  // when the last of its streams has to be over; max: it stays
  LinkStatus status;        // the fields that do not follow from `sessions`
  std::uint64_t peer_incarnation = 0;
  std::uint32_t peer_cost = 1;
  bool peer_moves = false;  // knows MOVE and RENEW
  std::uint32_t cost_told = 1;        // ours, in the HELLO of this run
  std::uint64_t control_session = 0;  // which router messages come over
  std::map<std::uint64_t, SessionEntry> sessions;  // by session id
  std::map<std::string, FailureRow> failures;      // by place
  SessionFigures ended;                            // added up, of sessions that are gone

  void note_peer(const Hello& hello, const HandshakeResult& tls);
  // Ours.
  void note_credentials(const Credentials& credentials, bool present_certificate);
  // `since` changes only where the link comes up or goes down: redials are not worth a new one.
  void note_state(LinkPhase state, std::int64_t unix_s);
  // False if the same error was the last at this place. Then it keeps its `since`, although other places may have
  // failed meanwhile, each in its own way.
  bool note_error(const std::string& place, const Error& error, std::int64_t unix_s);
  // Forgets the places that were not tried since the last call: a name may stand for ever new addresses.
  void end_round();
  void drop_session(std::uint64_t session_id);
  // The id of the session of that index, if it is up.
  std::optional<std::uint64_t> session_at(std::uint16_t index) const noexcept;
  // Whether a router message of this session counts. All of a link's come over one session, in order, until the peer
  // has lost it. What comes over that one afterwards was under way for too long: newer ones may have been handled.
  bool take_message_of(std::uint64_t session_id);
  // Of its sessions, smoothed; 0: not measured yet.
  Duration round_trip() const noexcept;
  // `status` with the figures of the sessions added up.
  LinkStatus snapshot() const;
};

}  // namespace fairlead
