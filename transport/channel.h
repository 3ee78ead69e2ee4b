// Channel: one end of a two-way byte flow inside a shard. Its four verbs are the whole contract of the data plane;
// relay client-to-link, link-to-server, link-to-link and client-to-server are the same calls between two Channels.
//
//   deliver(slice)  bytes for you.
//   grant(bytes)    I have room for this much more from you. The sum delivered never exceeds the room: what was
//   granted,
//                   and for a Stream its receive window besides, which the far end was told in advance.
//   finish()        no more deliver will come (half close). At most once.
//   abort(code)     both directions end now. The two are parted: nothing else is called.
//
// Owner: whoever made the implementation (a shard's slab). A Channel and its peer live on the same shard and are
// touched by its thread only. `peer_` is null before pair() and after either end parted: who has no peer drops what it
// gets.
#pragma once

#include <cstdint>

#include "transport/base/check.h"
#include "transport/uring/block_pool.h"
#include "transport/wire/frame.h"

namespace fairlead {

class Channel {
 public:
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  virtual void deliver(Slice bytes) noexcept = 0;
  virtual void grant(std::uint64_t bytes) noexcept = 0;
  virtual void finish() noexcept = 0;
  virtual void abort(ResetCode code) noexcept = 0;
  // Whether something waits for a grant of so many bytes: if not, it need not come before the next event.
  virtual bool awaits_grant(std::uint64_t bytes) const noexcept = 0;
  // The far end is connected: told once by the end that faces the server, before its first deliver.
  virtual void opened() noexcept = 0;

  static void pair(Channel& a, Channel& b) noexcept {
    CHECK(a.peer_ == nullptr && b.peer_ == nullptr);
    a.peer_ = &b;
    b.peer_ = &a;
  }

  Channel* peer() const noexcept { return peer_; }

 protected:
  Channel() noexcept = default;

  ~Channel() { CHECK(peer_ == nullptr); }

  // Ends the pairing in order: both directions are finished, or this end is going away and told its peer so before.
  void part() noexcept {
    if (peer_ == nullptr) return;
    peer_->peer_ = nullptr;
    peer_ = nullptr;
  }

  // Ends both directions at the other end as well.
  void abort_peer(ResetCode code) noexcept {
    Channel* peer = peer_;
    if (peer == nullptr) return;
    part();
    peer->abort(code);
  }

  Channel* peer_ = nullptr;
};

}  // namespace fairlead
