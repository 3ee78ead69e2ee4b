// Meters: the built-in ends of streams that a link is measured with, in place of an application's. A stream whose
// routing key is one of these, which no user's can be (they have no spaces), ends in the shard that it came to:
//
//   "fairlead echo"     gives back what it gets (as RFC 862 has it)
//   "fairlead discard"  counts what it gets, and answers FIN with the count: u64, network byte order (RFC 863)
//   "fairlead chargen"  gives as much as the stream takes, until FIN (RFC 864)
//
// They send at the beginning of a turn, and not while they are granted room, which happens while streams are sent from.
//
// Owner: the shard. One thread. Meters destroys an end at the end of the turn in which it is over and held by nobody.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "transport/base/time.h"
#include "transport/channel.h"
#include "transport/uring/timers.h"
#include "transport/wire/frame.h"

namespace fairlead {

class Meters;
class Session;
class Shard;
class Stream;

enum class MeterService : std::uint8_t { kEcho, kDiscard, kChargen };

// As OPEN carries it.
std::string_view routing_key_of(MeterService service) noexcept;

class MeterEnd : public Channel,
                 public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual ~MeterEnd() { part(); }

  void grant(std::uint64_t bytes) noexcept override;
  void abort(ResetCode code) noexcept override;

  bool awaits_grant(std::uint64_t) const noexcept override { return true; }

  void opened() noexcept override {}

  // Sends what there is to send and room for.
  virtual void pump() noexcept = 0;
  // No more is sent; it is over once the far end says the same.
  void stop() noexcept;

  // Both directions are over, or the stream was lost. What was sent may still wait in the stream.
  bool over() const noexcept { return sent_fin_ && received_fin_; }

  // Nobody needs it any more.
  bool gone() const noexcept { return over() && peer_ == nullptr && !held_; }

  // Why the stream was lost; kNone: it was not.
  ResetCode lost() const noexcept { return lost_; }

  void hold() noexcept { held_ = true; }

  // Nobody looks at it any more: it stops, and goes once it is over.
  void release() noexcept;

  // When bytes last came or went.
  Instant moved_at() const noexcept { return moved_at_; }

  // For a peer: of that session. Compared, and nothing else.
  void serve_for(const Session& session) noexcept { served_ = &session; }

  const Session* served() const noexcept { return served_; }

  void give_up(ResetCode code) noexcept;

 protected:
  explicit MeterEnd(Shard& shard) noexcept;

  void finish() noexcept override;
  // At most room().
  void send(Slice bytes) noexcept;

  std::uint64_t room() const noexcept { return peer_ != nullptr && !sent_fin_ ? room_ : 0; }

  // So many bytes came: makes room for as many.
  void took(std::uint64_t bytes) noexcept;
  // There is something to send.
  void mark_dirty() noexcept;

  Shard& shard_;

 private:
  std::uint64_t room_ = 0;
  bool sent_fin_ = false;
  bool received_fin_ = false;
  bool held_ = false;
  ResetCode lost_ = ResetCode::kNone;
  Instant moved_at_;
  const Session* served_ = nullptr;
};

// Gives as much as it may, from when it is granted room until stop() or FIN.
class MeterSource final : public MeterEnd {
 public:
  explicit MeterSource(Shard& shard) noexcept : MeterEnd(shard) {}

  void deliver(Slice bytes) noexcept override;
  void finish() noexcept override;
  void pump() noexcept override;

  std::uint64_t bytes() const noexcept { return bytes_; }

  Instant began() const noexcept { return began_; }

  // The far end's answer is whole.
  bool answered() const noexcept { return answer_size_ == answer_.size(); }

  Instant answered_at() const noexcept { return answered_at_; }

  // So much got there.
  std::uint64_t answer() const noexcept;

 private:
  std::uint64_t bytes_ = 0;
  Instant began_{};
  Instant answered_at_{};
  std::size_t answer_size_ = 0;
  std::array<std::uint8_t, 8> answer_{};
};

// Takes and counts. Its answer to FIN is the count, unless stop() came first.
class MeterSink final : public MeterEnd {
 public:
  explicit MeterSink(Shard& shard) noexcept : MeterEnd(shard) {}

  void deliver(Slice bytes) noexcept override;
  void finish() noexcept override;
  void pump() noexcept override;

  std::uint64_t bytes() const noexcept { return bytes_; }

  Instant began() const noexcept { return began_; }

 private:
  std::uint64_t bytes_ = 0;
  Instant began_{};  // when the first came
  bool answer_due_ = false;
};

// Gives back what it gets. It holds little: who sends more than it may give back is reset.
class MeterEcho final : public MeterEnd {
 public:
  static constexpr std::uint32_t kHeldMax = 2048;

  explicit MeterEcho(Shard& shard) noexcept : MeterEnd(shard) {}

  void deliver(Slice bytes) noexcept override;
  void finish() noexcept override;
  void pump() noexcept override;

 private:
  std::uint32_t size_ = 0;
  bool fin_due_ = false;
  std::array<std::uint8_t, kHeldMax> held_bytes_;
};

// Sends messages with the time in them to an echo, and takes the round trips from what comes back.
class MeterProbe final : public MeterEnd {
 public:
  static constexpr std::uint32_t kMessageBytes = 64;
  // Under way; together no more than an echo holds.
  static constexpr std::uint32_t kUnderWayMax = MeterEcho::kHeldMax / kMessageBytes;

  explicit MeterProbe(Shard& shard) noexcept : MeterEnd(shard) {}

  void deliver(Slice bytes) noexcept override;
  void pump() noexcept override;

  // One more, with the next turn, unless many are under way.
  void probe() noexcept;

  // Since the last call.
  std::vector<Duration> take_round_trips() noexcept { return std::move(round_trips_); }

 private:
  std::uint32_t under_way_ = 0;
  bool probe_due_ = false;
  std::uint32_t partial_ = 0;  // of message_
  std::array<std::uint8_t, kMessageBytes> message_{};
  std::vector<Duration> round_trips_;
};

class LinkTestRun;

// Those of a shard.
class Meters {
 public:
  // For peers, who may each open thousands of streams: in all, and of one session. A test takes two.
  static constexpr std::size_t kServedMax = 256;
  static constexpr std::size_t kServedOfSessionMax = 4;
  // Of those, how long one may stand still.
  static constexpr Duration kIdleMax = Duration::seconds(60);

  explicit Meters(Shard& shard) noexcept;
  ~Meters();
  Meters(const Meters&) = delete;
  Meters& operator=(const Meters&) = delete;

  static bool is_key(std::string_view routing_key) noexcept;

  // The stream came in over a link, with such a key: gives it its other end, or says why not.
  ResetCode serve(Stream& stream, std::string_view routing_key) noexcept;
  // A stream to the service of the other end of a session, which `end` becomes this side of.
  ResetCode open(std::uint64_t session_id, MeterService service, std::unique_ptr<MeterEnd> end) noexcept;

  void begin(std::unique_ptr<LinkTestRun> run);
  // Ends the runs of a test, or of all.
  void end_test(std::uint64_t test) noexcept;
  // Tests end; what is served ends with its sessions.
  void stop() noexcept;

  // Streams that end here.
  std::size_t count() const noexcept { return ends_.size(); }

  // What sources send, again and again: a block of nothing but zeros. Null: no memory.
  Block* payload() noexcept;

  // Whether pump() has something to do.
  bool ready() const noexcept { return !dirty_.empty(); }

  bool empty() const noexcept { return ends_.empty() && runs_.empty(); }

  void mark_dirty(MeterEnd& end) noexcept;
  void pump() noexcept;
  // At the end of the turn.
  void reap() noexcept;

 private:
  void keep(std::unique_ptr<MeterEnd> end);
  void on_idle(Instant now) noexcept;

  Shard& shard_;
  Block* payload_ = nullptr;
  std::uint64_t next_number_ = 0;
  std::vector<std::unique_ptr<MeterEnd>> ends_;
  std::vector<std::unique_ptr<LinkTestRun>> runs_;
  boost::intrusive::list<MeterEnd, boost::intrusive::constant_time_size<false>> dirty_;

  TimerOf<&Meters::on_idle> idle_{*this};
};

}  // namespace fairlead
