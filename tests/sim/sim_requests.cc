// How each kind of request is executed: the part of SimRing that knows what Linux answers. tests/conformance holds it
// to what the live kernel does.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/tls.h>

#include "tests/sim/sim_kernel.h"
#include "tests/sim/sim_ring.h"
#include "transport/uring/abi.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace fairlead::sim {
namespace {

constexpr std::uint32_t buffer_flags(std::uint16_t id) noexcept {
  return IORING_CQE_F_BUFFER | static_cast<std::uint32_t>(id) << IORING_CQE_BUFFER_SHIFT;
}

constexpr std::uint8_t kApplicationData = 23;

}  // namespace

SimRing::Outcome SimRing::reject(const SimRequest& request, const char* why) {
  world_.violate(fmt::format("host {} opcode {} fd {}: {}", kernel_.host(), request.sqe.opcode, request.sqe.fd, why));
  return {-EINVAL};
}

SimRing::Tried SimRing::attempt(SimRequest& request) {
  const std::uint8_t known_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
  if ((request.sqe.flags & ~known_flags) != 0) return reject(request, "a request flag that is not modelled");
  switch (request.sqe.opcode) {
    case IORING_OP_NOP:
      return Outcome{0};
    case IORING_OP_ASYNC_CANCEL:
      return cancel(request);
    case IORING_OP_ACCEPT:
    case IORING_OP_CONNECT:
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_READ:
      break;
    default:
      return reject(request, "an opcode that is not modelled");
  }
  if (request.file == nullptr) {
    reject(request, "the descriptor is not open");
    return Outcome{-EBADF};
  }
  if (request.sqe.opcode == IORING_OP_READ) return attempt_read(request);
  if (dynamic_cast<SimSocket*>(request.file.get()) == nullptr) return Outcome{-ENOTSOCK};
  switch (request.sqe.opcode) {
    case IORING_OP_ACCEPT:
      return attempt_accept(request);
    case IORING_OP_CONNECT:
      return attempt_connect(request);
    case IORING_OP_RECV:
      return attempt_receive(request);
    case IORING_OP_RECVMSG:
      return attempt_receive_message(request);
    default:
      return attempt_send(request);
  }
}

SimRing::Tried SimRing::attempt_accept(SimRequest& request) {
  auto& listener = static_cast<SimSocket&>(*request.file);
  const bool multishot = (request.sqe.ioprio & IORING_ACCEPT_MULTISHOT) != 0;
  // The kernel reserves a descriptor before it looks for a client.
  if (kernel_.out_of_descriptors()) return Outcome{-EMFILE};
  if (listener.state() != SimSocket::State::kListening) return Outcome{-EINVAL};
  if (!listener.has_client()) return std::nullopt;
  if (world_.chance(world_.faults().accept_failure)) return Outcome{-EMFILE};
  const std::shared_ptr<SimSocket> client = listener.take_client();
  if (request.sqe.addr != 0) {
    auto* size = reinterpret_cast<socklen_t*>(request.sqe.addr2);
    std::memcpy(reinterpret_cast<void*>(request.sqe.addr), client->peer().get(), std::min(*size, client->peer().size));
    *size = client->peer().size;
  }
  const int fd = kernel_.add_socket(client);
  const bool more = multishot && !world_.chance(world_.faults().multishot_end);
  return Outcome{fd, more ? static_cast<std::uint32_t>(IORING_CQE_F_MORE) : 0U};
}

SimRing::Tried SimRing::attempt_connect(SimRequest& request) {
  auto& socket = static_cast<SimSocket&>(*request.file);
  const int result = request.started ? socket.connect_result() : socket.start_connect(request.address);
  request.started = true;
  if (result == -EINPROGRESS) return std::nullopt;
  return Outcome{result};
}

SimRing::Tried SimRing::attempt_receive(SimRequest& request) {
  auto& socket = static_cast<SimSocket&>(*request.file);
  const io_uring_sqe& sqe = request.sqe;
  const std::uint16_t known = IORING_RECVSEND_POLL_FIRST | abi::kRecvSendBundle;
  if ((sqe.ioprio & ~known) != 0 || sqe.msg_flags != 0) return reject(request, "a receive flag that is not modelled");
  // Without POLL_FIRST the first try happens at once, and takes a buffer before it knows whether there are bytes.
  const bool try_now = !request.waiting && (sqe.ioprio & IORING_RECVSEND_POLL_FIRST) == 0;
  if (!try_now && !socket.readable()) return std::nullopt;
  if ((sqe.flags & IOSQE_BUFFER_SELECT) != 0) {
    const auto group = groups_.find(sqe.buf_group);
    if (group == groups_.end()) return Outcome{-ENOBUFS};
    return receive_into_group(request, group->second);
  }
  if ((sqe.ioprio & abi::kRecvSendBundle) != 0) return Outcome{-EINVAL};
  std::size_t bytes_max = sqe.len;
  if (bytes_max > 1 && world_.chance(world_.faults().short_receive)) bytes_max = 1 + world_.prng().below(bytes_max);
  const int result = socket.receive(request.vectors, bytes_max);
  if (result == -EAGAIN) return std::nullopt;
  return Outcome{result,
                 result > 0 && socket.has_unread() ? static_cast<std::uint32_t>(IORING_CQE_F_SOCK_NONEMPTY) : 0U};
}

// With room for a TLS record's type, as control data.
SimRing::Tried SimRing::attempt_receive_message(SimRequest& request) {
  auto& socket = static_cast<SimSocket&>(*request.file);
  const io_uring_sqe& sqe = request.sqe;
  if ((sqe.ioprio & ~IORING_RECVSEND_POLL_FIRST) != 0 || sqe.msg_flags != 0 || sqe.flags != 0) {
    return reject(request, "a receive flag that is not modelled");
  }
  const bool try_now = !request.waiting && (sqe.ioprio & IORING_RECVSEND_POLL_FIRST) == 0;
  if (!try_now && !socket.readable()) return std::nullopt;
  std::size_t bytes_max = size_of(request.vectors);
  if (bytes_max > 1 && world_.chance(world_.faults().short_receive)) bytes_max = 1 + world_.prng().below(bytes_max);
  std::uint8_t type = 0;
  const bool has_room = request.message.msg_controllen >= CMSG_SPACE(sizeof type);
  const int result = socket.receive(request.vectors, bytes_max, has_room ? &type : nullptr);
  if (result == -EAGAIN) return std::nullopt;
  // The header of the caller, which it kept where it was.
  auto* const message = reinterpret_cast<msghdr*>(sqe.addr);
  message->msg_controllen = 0;
  if (result >= 0 && type != 0) {
    message->msg_control = request.message.msg_control;
    message->msg_controllen = CMSG_SPACE(sizeof type);
    cmsghdr* const control = CMSG_FIRSTHDR(message);
    control->cmsg_level = SOL_TLS;
    control->cmsg_type = TLS_GET_RECORD_TYPE;
    control->cmsg_len = CMSG_LEN(sizeof type);
    *CMSG_DATA(control) = type;
  }
  return Outcome{result,
                 result > 0 && socket.has_unread() ? static_cast<std::uint32_t>(IORING_CQE_F_SOCK_NONEMPTY) : 0U};
}

SimRing::Tried SimRing::receive_into_group(SimRequest& request, BufferGroup& group) {
  auto& socket = static_cast<SimSocket&>(*request.file);
  const bool bundle = (request.sqe.ioprio & abi::kRecvSendBundle) != 0;
  if (bundle && !kernel_.options().receive_bundles) return Outcome{-EINVAL};
  const std::uint16_t tail = __atomic_load_n(&group.ring->tail, __ATOMIC_ACQUIRE);
  const std::uint16_t available = static_cast<std::uint16_t>(tail - group.head);
  if (available > group.entries) return reject(request, "the buffer ring's tail is ahead by more than its entries");
  if (available == 0) return Outcome{-ENOBUFS};
  if (socket.readable() && world_.chance(world_.faults().spurious_no_buffers)) return Outcome{-ENOBUFS};

  const std::size_t length = request.sqe.len > 0 ? request.sqe.len : SIZE_MAX;
  std::vector<iovec> pieces;
  std::size_t room = 0;
  for (std::uint16_t i = 0; i < (bundle ? available : 1); ++i) {
    const io_uring_buf& buffer = group.ring->bufs[static_cast<std::uint16_t>(group.head + i) & (group.entries - 1)];
    // A bundle has no partly used buffer but the last it fills, so it leaves out one that its length would cut. A
    // length that ends with a buffer does not bound it at all: Linux receives again while there is more to read.
    if (room > 0 && room < length && room + buffer.len > length) break;
    pieces.push_back({reinterpret_cast<void*>(buffer.addr), buffer.len});
    room += buffer.len;
    if (room > length && pieces.size() == 1) break;
  }
  std::size_t bytes_max = pieces.size() == 1 ? std::min(length, room) : room;
  if (bytes_max > 1 && world_.chance(world_.faults().short_receive)) bytes_max = 1 + world_.prng().below(bytes_max);
  const int result = socket.receive(pieces, bytes_max);
  if (result == -EAGAIN) return std::nullopt;
  if (result <= 0) return Outcome{result};  // no buffer is used up

  const std::uint16_t first = group.ring->bufs[group.head & (group.entries - 1)].bid;
  std::size_t left = static_cast<std::size_t>(result);
  for (const iovec& piece : pieces) {
    if (left == 0) break;
    left -= std::min(left, piece.iov_len);
    ++group.head;
  }
  std::uint32_t flags = buffer_flags(first);
  if (socket.has_unread()) flags |= IORING_CQE_F_SOCK_NONEMPTY;
  return Outcome{result, flags};
}

SimRing::Tried SimRing::attempt_send(SimRequest& request) {
  auto& socket = static_cast<SimSocket&>(*request.file);
  const io_uring_sqe& sqe = request.sqe;
  const unsigned quiet_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
  const bool modelled = request.quiet()
                            ? sqe.flags == IOSQE_CQE_SKIP_SUCCESS && sqe.ioprio == 0 && sqe.msg_flags == quiet_flags
                            : (sqe.ioprio & ~IORING_RECVSEND_POLL_FIRST) == 0 && sqe.flags == 0 &&
                                  (sqe.msg_flags & ~static_cast<unsigned>(MSG_NOSIGNAL)) == 0;
  if (!modelled) return reject(request, "a send flag that is not modelled");
  if (request.quiet() && socket.sends_tls()) return Outcome{-EOPNOTSUPP};
  const bool wait_first = (sqe.ioprio & IORING_RECVSEND_POLL_FIRST) != 0;
  if ((request.waiting || wait_first) && !socket.writable()) return std::nullopt;
  std::size_t bytes_max = size_of(request.vectors);
  // A TLS record that is no data has a few bytes, which fit or do not.
  const bool may_be_short = bytes_max > 1 && request.type == kApplicationData;
  if (may_be_short && world_.chance(world_.faults().short_send)) bytes_max = 1 + world_.prng().below(bytes_max);
  const int result = socket.send(request.vectors, bytes_max, request.type);
  if (result == -EAGAIN && !request.quiet()) return std::nullopt;
  return Outcome{result};
}

SimRing::Tried SimRing::attempt_read(SimRequest& request) {
  auto* event = dynamic_cast<SimEvent*>(request.file.get());
  if (event == nullptr) return reject(request, "a read of something other than an eventfd");
  if (request.sqe.len < sizeof(std::uint64_t)) return Outcome{-EINVAL};
  if (!event->readable()) return std::nullopt;
  const std::uint64_t value = event->take();
  std::memcpy(reinterpret_cast<void*>(request.sqe.addr), &value, sizeof value);
  return Outcome{sizeof value};
}

SimRing::Outcome SimRing::cancel(const SimRequest& request) {
  if (request.sqe.cancel_flags != 0) return reject(request, "a cancel flag that is not modelled");
  const auto target = std::find_if(requests_.begin(), requests_.end(), [&](const auto& entry) {
    return entry.second->sqe.user_data == request.sqe.addr && entry.second->id != request.id;
  });
  if (target == requests_.end()) return {-ENOENT};
  SimRequest& victim = *target->second;
  if (victim.late_cancel) return {-EALREADY};
  if (!world_.chance(world_.faults().late_cancel)) {
    finish(victim, {-ECANCELED});
    return {0};
  }
  // Too late to stop it: it goes on, and ends by itself if its moment does not come soon.
  victim.late_cancel = true;
  const Duration delay{static_cast<std::int64_t>(world_.prng().below(2'000'000))};
  world_.at(world_.now() + delay, [this, id = victim.id, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;
    found->second->must_end = true;
    make_ready(*found->second);
  });
  return {-EALREADY};
}

}  // namespace fairlead::sim
