// Connection: an established TCP connection as its two ends see it. Each direction is a queue of segments on the way,
// which arrive in order after the direction's latency, and a queue of bytes that have arrived and were not yet read.
//
//   End a: send() ──► on_the_way ──(latency)──► End b: received ──► receive()
//
// The send buffer limits what is on the way, the receive buffer what is unread: when it is full, arrival stops.
// It outlives both sockets while something is on the way.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <sys/uio.h>

#include "tests/sim/byte_queue.h"
#include "tests/sim/sim_world.h"

namespace fairlead::sim {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  enum Side : unsigned { kClient = 0, kServer = 1 };

  Connection(SimWorld& world, const std::shared_ptr<SimSocket>& client, const std::shared_ptr<SimSocket>& server);

  static Side other(Side side) noexcept { return side == kClient ? kServer : kClient; }

  // When bytes last arrived at this end.
  Instant last_data(Side side) const noexcept { return ends_[side].last_data; }

  bool readable(Side side) const noexcept;
  bool writable(Side side) const noexcept;

  std::size_t unread(Side side) const noexcept { return ends_[side].received.size(); }

  // Fills `to` piece by piece. Returns the bytes taken, 0 at the end, -EAGAIN, or the connection's error, once.
  int receive(Side side, std::span<const iovec> to, std::size_t bytes_max);
  // Takes what the send buffer has room for. Returns the bytes taken, -EAGAIN, the connection's error, or -EPIPE.
  int send(Side side, std::span<const iovec> from, std::size_t bytes_max);

  // Bytes that send() would take now, or as it: -EAGAIN, an error.
  int room(Side side) noexcept;
  // Sends all, whatever the send buffer holds.
  void push_whole(Side side, std::span<const std::uint8_t> bytes);

  void shut_receive(Side side);
  void shut_send(Side side);
  // The socket of this end is closed: an orderly end, or a reset if bytes are unread or `abort` asks for it.
  void close(Side side, bool abort);

  std::string describe(Side side) const;

 private:
  enum class Kind : std::uint8_t { kData, kFinish, kReset };

  struct Segment {
    Kind kind;
    Instant arrives;
    std::vector<std::uint8_t> bytes;
  };

  struct End {
    std::weak_ptr<SimSocket> socket;
    bool closed = false;
    unsigned host = 0;
    // The direction that starts at this end.
    std::deque<Segment> on_the_way;
    std::size_t on_the_way_bytes = 0;
    std::uint64_t arrived_segments = 0;
    std::uint64_t arrived_bytes = 0;
    std::size_t send_buffer_bytes = 0;
    Duration latency{};
    bool moving = false;  // an arrival is scheduled, or waits for a partition to end
    bool send_shut = false;
    // What has come to this end.
    ByteQueue received;
    Instant last_data{};
    bool finished = false;  // the other's FIN is here
    bool receive_shut = false;
    bool dead = false;  // reset, or given up
    int error = 0;      // reported once, to whoever asks first
  };

  // How long Linux retransmits before it gives up (tcp_retries2 = 15).
  static constexpr Duration kGiveUp = Duration::milliseconds(924'600);
  static constexpr std::size_t kSegmentBytesMax = 64 * 1024;

  bool healed() const noexcept { return world_.heal_count() != heals_at_birth_; }

  std::size_t send_buffer_bytes(const End& end) const noexcept;
  int take_error(End& end, int otherwise) noexcept;
  void push(Side from, Kind kind, std::vector<std::uint8_t> bytes);
  void move(Side from);
  void arrive(Side from);
  void arrive_data(Side from, const std::vector<std::uint8_t>& bytes);
  void watch_for_give_up(Side from);
  void die(End& end, int error);
  void send_reset(Side from);
  void wake(End& end);

  SimWorld& world_;
  const unsigned heals_at_birth_;
  std::array<End, 2> ends_;
  std::uint64_t strike_at_bytes_ = UINT64_MAX;  // in the direction strike_side_: reset or silence
  Side strike_side_ = kClient;
  bool strike_resets_ = false;
  bool silent_ = false;
};

}  // namespace fairlead::sim
