#include "tests/sim/connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_socket.h"

namespace fairlead::sim {

Connection::Connection(SimWorld& world, const std::shared_ptr<SimSocket>& client,
                       const std::shared_ptr<SimSocket>& server)
    : world_(world), heals_at_birth_(world.heal_count()) {
  const Faults& faults = world.faults();
  Prng& prng = world.prng();
  ends_[kClient].socket = client;
  ends_[kServer].socket = server;
  for (const Side side : {kClient, kServer}) {
    End& end = ends_[side];
    const SimSocket& socket = side == kClient ? *client : *server;
    end.host = socket.host();
    const std::size_t wanted = socket.send_buffer_bytes();
    end.send_buffer_bytes = wanted > 0 ? wanted : faults.send_buffer_bytes;
    if (world.chance(faults.tiny_send_buffer)) end.send_buffer_bytes = 1;
    const std::int64_t spread_ns = (faults.latency_max - faults.latency_min).ns;
    end.latency = faults.latency_min;
    if (spread_ns > 0) end.latency.ns += static_cast<std::int64_t>(prng.below(static_cast<std::uint64_t>(spread_ns)));
  }
  strike_resets_ = world.chance(faults.reset);
  // A host does not lose its own packets.
  const bool may_fall_silent = client->kernel().options().may_fall_silent &&
                               server->kernel().options().may_fall_silent && &client->kernel() != &server->kernel();
  if (strike_resets_ || (may_fall_silent && world.chance(faults.silence))) {
    strike_side_ = prng.below(2) == 0 ? kClient : kServer;
    strike_at_bytes_ = prng.below(faults.strike_bytes_max + 1);
  }
}

// ---- the socket's side

std::size_t Connection::send_buffer_bytes(const End& end) const noexcept {
  return healed() ? world_.faults().send_buffer_bytes : end.send_buffer_bytes;
}

bool Connection::readable(Side side) const noexcept {
  const End& end = ends_[side];
  return !end.received.empty() || end.finished || end.receive_shut || end.dead || end.error != 0;
}

bool Connection::writable(Side side) const noexcept {
  const End& end = ends_[side];
  // Who waits for room is woken when a third of the buffer is free, as on Linux; otherwise bytes would trickle.
  return end.on_the_way_bytes * 3 <= send_buffer_bytes(end) * 2 || end.send_shut || end.dead || end.error != 0;
}

int Connection::take_error(End& end, int otherwise) noexcept {
  const int error = std::exchange(end.error, 0);
  return error != 0 ? -error : otherwise;
}

int Connection::receive(Side side, std::span<const iovec> to, std::size_t bytes_max) {
  End& end = ends_[side];
  if (end.received.empty()) {
    // A FIN that came first hides a later error, as on Linux.
    if (end.finished) return 0;
    if (end.error != 0) return take_error(end, 0);
    return end.receive_shut || end.dead ? 0 : -EAGAIN;
  }
  std::size_t left = std::min(bytes_max, end.received.size());
  std::size_t done = 0;
  for (const iovec& piece : to) {
    const std::size_t size = std::min(piece.iov_len, left);
    end.received.take({static_cast<std::uint8_t*>(piece.iov_base), size});
    left -= size;
    done += size;
  }
  move(other(side));  // room again
  return static_cast<int>(done);
}

int Connection::room(Side side) noexcept {
  End& end = ends_[side];
  if (end.error != 0 || end.send_shut || end.dead) return take_error(end, -EPIPE);
  const std::size_t buffer_bytes = send_buffer_bytes(end);
  return end.on_the_way_bytes >= buffer_bytes ? -EAGAIN : static_cast<int>(buffer_bytes - end.on_the_way_bytes);
}

void Connection::push_whole(Side side, std::span<const std::uint8_t> bytes) {
  push(side, Kind::kData, {bytes.begin(), bytes.end()});
}

int Connection::send(Side side, std::span<const iovec> from, std::size_t bytes_max) {
  const int room_bytes = room(side);
  if (room_bytes <= 0) return room_bytes;
  std::size_t left = std::min(bytes_max, static_cast<std::size_t>(room_bytes));
  std::size_t done = 0;
  std::vector<std::uint8_t> bytes;
  for (const iovec& piece : from) {
    const auto* at = static_cast<const std::uint8_t*>(piece.iov_base);
    for (std::size_t here = std::min(piece.iov_len, left); here > 0;) {
      const std::size_t size = std::min(here, kSegmentBytesMax - bytes.size());
      bytes.insert(bytes.end(), at, at + size);
      at += size;
      here -= size;
      left -= size;
      done += size;
      if (bytes.size() == kSegmentBytesMax) push(side, Kind::kData, std::exchange(bytes, {}));
    }
  }
  if (!bytes.empty()) push(side, Kind::kData, std::move(bytes));
  return static_cast<int>(done);
}

void Connection::shut_receive(Side side) {
  ends_[side].receive_shut = true;
  wake(ends_[side]);
}

void Connection::shut_send(Side side) {
  End& end = ends_[side];
  if (end.send_shut || end.dead) return;
  end.send_shut = true;
  push(side, Kind::kFinish, {});
  wake(end);
}

void Connection::close(Side side, bool abort) {
  End& end = ends_[side];
  end.closed = true;
  if (end.dead) return;
  if (abort || !end.received.empty()) {
    send_reset(side);
    return;
  }
  if (!end.send_shut) {
    end.send_shut = true;
    push(side, Kind::kFinish, {});
  }
}

// ---- on the way

void Connection::push(Side from, Kind kind, std::vector<std::uint8_t> bytes) {
  End& end = ends_[from];
  Instant arrives = world_.now() + (healed() ? world_.faults().latency_min : end.latency);
  if (!end.on_the_way.empty()) arrives = std::max(arrives, end.on_the_way.back().arrives);
  end.on_the_way_bytes += bytes.size();
  end.on_the_way.push_back({kind, arrives, std::move(bytes)});
  move(from);
}

void Connection::move(Side from) {
  End& end = ends_[from];
  if (end.moving || end.on_the_way.empty()) return;
  if (silent_) return watch_for_give_up(from);
  const End& to = ends_[other(from)];
  const Segment& next = end.on_the_way.front();
  if (next.kind != Kind::kReset && to.received.size() >= world_.faults().receive_buffer_bytes && !to.closed) {
    return;  // no window; receive() goes on from here
  }
  end.moving = true;
  world_.at(next.arrives, [self = shared_from_this(), from] { self->arrive(from); });
}

void Connection::arrive(Side from) {
  End& end = ends_[from];
  End& to = ends_[other(from)];
  end.moving = false;
  if (end.on_the_way.empty()) return;
  if (world_.cut(end.host, to.host)) {
    end.moving = true;
    watch_for_give_up(from);
    return world_.when_joined(end.host, to.host, [self = shared_from_this(), from] { self->arrive(from); });
  }
  if (silent_) return watch_for_give_up(from);
  const Segment segment = std::move(end.on_the_way.front());
  end.on_the_way.pop_front();
  end.on_the_way_bytes -= segment.bytes.size();
  ++end.arrived_segments;
  switch (segment.kind) {
    case Kind::kData:
      arrive_data(from, segment.bytes);
      break;
    case Kind::kFinish:
      if (to.dead) break;
      to.finished = true;
      wake(to);
      break;
    case Kind::kReset:
      die(to, to.finished ? EPIPE : ECONNRESET);
      break;
  }
  wake(end);  // room in the send buffer
  move(from);
}

void Connection::arrive_data(Side from, const std::vector<std::uint8_t>& bytes) {
  End& end = ends_[from];
  End& to = ends_[other(from)];
  if (to.dead) return;
  if (to.closed) return send_reset(other(from));  // nobody will ever read this
  std::size_t size = bytes.size();
  const bool struck = !healed() && from == strike_side_ && end.arrived_bytes + size >= strike_at_bytes_;
  if (struck) size = static_cast<std::size_t>(strike_at_bytes_ - end.arrived_bytes);
  end.arrived_bytes += size;
  to.received.append({bytes.data(), size});
  to.last_data = world_.now();
  wake(to);
  if (!struck) return;
  world_.trace({strike_resets_ ? "reset on the way" : "silence on the way", to.host,
                static_cast<std::int64_t>(end.arrived_bytes)});
  strike_at_bytes_ = UINT64_MAX;
  if (strike_resets_) {
    die(end, ECONNRESET);
    die(to, ECONNRESET);
    return;
  }
  silent_ = true;
  // The rest of the segment is lost with everything behind it, and takes up the send buffer as unacknowledged bytes.
  if (size < bytes.size()) {
    std::vector<std::uint8_t> rest(bytes.begin() + static_cast<std::ptrdiff_t>(size), bytes.end());
    end.on_the_way_bytes += rest.size();
    end.on_the_way.push_front({Kind::kData, world_.now(), std::move(rest)});
  }
}

void Connection::watch_for_give_up(Side from) {
  const std::uint64_t stuck_at = ends_[from].arrived_segments;
  world_.at(world_.now() + kGiveUp, [self = shared_from_this(), from, stuck_at] {
    End& end = self->ends_[from];
    if (end.dead || end.on_the_way.empty() || end.arrived_segments != stuck_at) return;
    if (self->silent_ || self->world_.cut(end.host, self->ends_[other(from)].host)) self->die(end, ETIMEDOUT);
  });
}

void Connection::die(End& end, int error) {
  if (end.dead) return;
  end.dead = true;
  end.error = error;
  end.on_the_way.clear();
  end.on_the_way_bytes = 0;
  wake(end);
}

void Connection::send_reset(Side from) {
  End& end = ends_[from];
  end.dead = true;
  end.received.clear();
  // What the other's full window kept back is thrown away; of what is on the way, a network that loses packets may
  // lose any tail.
  const End& to = ends_[other(from)];
  std::size_t keep = end.on_the_way.size();
  if (!end.moving) keep = 0;
  if (keep > 0 && !to.closed && world_.chance(world_.faults().reset)) keep = world_.prng().below(keep + 1);
  while (end.on_the_way.size() > keep) {
    end.on_the_way_bytes -= end.on_the_way.back().bytes.size();
    end.on_the_way.pop_back();
  }
  push(from, Kind::kReset, {});
}

void Connection::wake(End& end) {
  if (const auto socket = end.socket.lock(); socket != nullptr && !end.closed) socket->wake();
}

std::string Connection::describe(Side side) const {
  const End& end = ends_[side];
  const End& to = ends_[other(side)];
  return fmt::format("{} B to read{}{}, {} of {} B on the way to host {}{}{}{}", end.received.size(),
                     end.finished ? " and the end" : "", end.receive_shut ? ", shut for reading" : "",
                     end.on_the_way_bytes, end.send_buffer_bytes, to.host, end.send_shut ? ", shut for writing" : "",
                     end.dead ? ", dead" : "", silent_ ? ", silent" : "");
}

}  // namespace fairlead::sim
