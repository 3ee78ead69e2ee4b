// LinkRecord: what is known of a link, dialled or incoming, while Transport keeps it: for status and for the router.
// Plain values of the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "transport/config.h"
#include "transport/session.h"
#include "transport/tls/handshake.h"
#include "transport/wire/hello.h"

namespace fairlead {

struct LinkRecord {
  struct SessionEntry {
    std::uint16_t index = 0;
    unsigned shard = 0;
    SessionFigures figures;
  };

  std::uint32_t id = 0;  // as in Route
  bool up = false;
  bool going_away = false;  // the peer takes no new streams
  LinkStatus status;        // the fields that do not follow from `sessions`
  std::uint64_t peer_incarnation = 0;
  std::uint32_t peer_cost = 1;
  std::map<std::uint64_t, SessionEntry> sessions;  // by session id
  std::uint64_t ended_bytes_in = 0;                // of sessions that are gone
  std::uint64_t ended_bytes_out = 0;
  std::uint64_t ended_streams = 0;

  void note_peer(const Hello& hello, const HandshakeResult& tls);
  void note_state(LinkPhase state, std::int64_t unix_s);
  void note_error(const Error& error, std::int64_t unix_s);
  void drop_session(std::uint64_t session_id);
  // `status` with the figures of the sessions added up.
  LinkStatus snapshot() const;
};

}  // namespace fairlead
