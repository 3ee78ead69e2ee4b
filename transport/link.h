// Link: a link that this site dials: its sessions, one for each shard of the larger end, and the redialling.
//
//   kConnecting ──(session 0 said HELLO)──► kUp ──(last session lost)──► kConnecting …
//        └──(every address failed)──► kWaiting ──(back-off)──► kConnecting
//
// Session 0 goes first: it tells how many shards the peer has. The others then dial the address that worked. Back-off
// is exponential with full jitter in its upper half, from redial_min to redial_max, and starts anew once the link was
// up for a while. Each run of the link, from its first session to the loss of the last, has an id of its own: the two
// ends may notice a loss at different times, and must not take sessions of different runs for one link.
//
// Owner: Transport. Control thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transport/config.h"
#include "transport/link_record.h"
#include "transport/pending_session.h"
#include "transport/uring/timers.h"

namespace fairlead {

class Transport;

class Link final : public PendingSession::Owner {
 public:
  Link(Transport& transport, std::uint32_t id, LinkConfig config);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  std::uint32_t id() const noexcept { return record_.id; }

  const LinkConfig& config() const noexcept { return config_; }

  LinkRecord& record() noexcept { return record_; }

  LinkStatus status(Instant now) const;

  void set_cost(std::uint32_t cost) noexcept { config_.cost = record_.status.cost = cost; }

  // For connections from now on; those of sessions that are up are replaced.
  void set_credentials(std::shared_ptr<const Credentials> credentials);
  // Dials a connection to take the place of that of a session; one that is being dialled does for it.
  void renew(std::uint16_t index);
  // From Transport: a session went over to its fresh connection.
  void moved(std::uint16_t index);

  // All but the endpoints and the name may differ from what it is.
  void set_config(const LinkConfig& config);
  // Fresh connections for all its sessions.
  void renew_all();

  // Dials whatever is missing.
  void dial();
  void close();
  // Dials no more, takes no new streams, and ends once those that it has are over.
  void leave();

  bool leaving() const noexcept { return record_.leave_by != Instant::max(); }

  // Nothing is left of it.
  bool closed() const noexcept { return leaving() && record_.sessions.empty(); }

  // Another one of its name is about to take its place.
  void supersede() noexcept { superseded_ = true; }

  bool superseded() const noexcept { return superseded_; }

  // From Transport: a session of this link ended.
  void session_ended(std::uint16_t index, const Error& error);

  Result<Hello> answer_hello(PendingSession& pending) override;
  void pending_ready(PendingSession& pending) override;
  void pending_failed(PendingSession& pending, const Error& error) override;

 private:
  enum class Slot : std::uint8_t {
    kDown,      // nothing under way
    kDialling,  // a PendingSession works on it
    kUp,        // a session on its shard
  };

  // Of the connection of a session that is up.
  enum class Renewal : std::uint8_t {
    kNone,
    kWanted,    // to be dialled
    kDialling,  // a PendingSession works on it
    kMoving,    // the session goes over to it
  };

  struct RenewalState {
    Renewal phase = Renewal::kNone;
    bool again = false;         // once this one is done: with newer credentials
    std::uint64_t session = 0;  // that it was dialled for
  };

  // What a dial tries next.
  struct Target {
    HostPort endpoint;
    Address address;
  };

  void resolve_next_endpoint();
  void endpoint_resolved(Result<std::vector<Address>> addresses);
  void dial_missing();
  void dial_target(std::uint16_t index, const Target& target, bool replace = false);
  std::optional<Error> why_not_ready(const PendingSession& pending) const;
  void replacement_ready(PendingSession& pending);
  void replacement_failed(std::uint16_t index, const Error& error);
  void attempt_failed(const std::string& place, const Error& error);
  void back_off();
  void on_redial(Instant now) noexcept;
  void set_error(const std::string& place, const Error& error);
  unsigned up_count() const noexcept;
  Hello make_hello(std::uint16_t index) const;
  RecordProtection protection() const noexcept;

  Transport& transport_;
  LinkConfig config_;
  LinkRecord record_;
  std::uint64_t link_id_;        // as told to the peer: of this run, from the first session to the last
  std::vector<Slot> slots_;      // by session index
  std::vector<RenewalState> renewals_;  // one at a time for each session: both ends have to mean the same
  std::vector<Target> targets_;  // of the endpoint being tried
  std::size_t next_target_ = 0;
  std::size_t next_endpoint_ = 0;
  Target current_;         // being dialled by session 0, or the one that worked
  unsigned failures_ = 0;  // rounds over all endpoints since the link was last up for a while
  Instant up_since_{};
  bool resolving_ = false;
  bool closing_ = false;
  bool superseded_ = false;
  Instant redial_at_{};

  TimerOf<&Link::on_redial> redial_{*this};
};

}  // namespace fairlead
