// Frames of the link protocol fairlead/1: layout, encoding and decoding. Pure: no clock, no descriptor, no allocation.
// transport/README.md is the specification; this is its one implementation.
//
//    0        2      3       4            8
//   +--------+------+-------+------------+----------------------+
//   | length | type | flags | stream id  | payload, length bytes|     integers in network byte order
//   +--------+------+-------+------------+----------------------+
//
// A record carries any number of frames, and a frame may span records.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace fairlead {

inline constexpr std::uint32_t kFrameHeaderSize = 8;
// Header and payload fit one TLS record (RFC 8446 5.1: 2^14 bytes).
inline constexpr std::uint32_t kFramePayloadMax = 16'384 - kFrameHeaderSize;
inline constexpr std::uint32_t kRoutingKeySizeMax = 255;
inline constexpr std::uint32_t kReasonSizeMax = 255;

enum class FrameType : std::uint8_t {
  kHello = 1,     // stream 0, first frame each way: who we are (hello.h)
  kOpen = 2,      // a new stream: OpenFrame. Flag kFlagLowestCost
  kOpened = 3,    // the stream's far end is connected; empty payload
  kData = 4,      // bytes of a stream
  kCredit = 5,    // u64: the receiver takes bytes below this absolute offset
  kReset = 6,     // the stream ends now, both ways: u32 code, then a reason for people
  kPing = 7,      // stream 0: u64, sent back as it came
  kPong = 8,      // stream 0: the u64 of the ping
  kGoAway = 9,    // stream 0: the sender takes no new streams; u32 code, reason
  kControl = 10,  // stream 0: for the router, opaque here
  kMove = 11,     // stream 0: the sender's last frame on this connection; it goes on over the one that replaces it
  kRenew = 12,    // stream 0: the sender asks the end that dialled for a connection that replaces this one
};

// Flags. The high bit has the same meaning on every type, known or not.
inline constexpr std::uint8_t kFlagFin = 0x01;        // kData: the last bytes of this direction
inline constexpr std::uint8_t kFlagLowestCost = 0x01;  // kOpen that asks for a route: only the nearest site will do
inline constexpr std::uint8_t kFlagFirst = 0x01;      // kControl: first part of a message
inline constexpr std::uint8_t kFlagLast = 0x02;       // kControl: last part of a message
inline constexpr std::uint8_t kFlagSkippable = 0x80;  // whoever does not know the type ignores the frame

// Why a stream or session ended, as told to the peer.
enum class ResetCode : std::uint32_t {
  kNone = 0,
  kNoRoute = 1,         // nobody serves the routing key
  kConnectRefused = 2,  // the server refused the connection
  kConnectTimeout = 3,  // the server did not answer in time
  kConnectFailed = 4,   // any other failure to reach the server
  kPeerReset = 5,       // the application at the far end reset its connection
  kLinkLost = 6,        // the link that carried the stream is gone
  kFlowControl = 7,     // more bytes than credit
  kLimit = 8,           // a limit of the receiver was reached
  kClosing = 9,         // the site is being shut down
  kProtocol = 10,       // the peer broke the protocol
  kInternal = 11,
  kIdle = 12,           // nothing was carried for longer than the listener or connector allows
};

inline constexpr std::size_t kResetCodes = 13;

std::string_view name_of(ResetCode code) noexcept;

struct FrameHeader {
  std::uint16_t length = 0;
  FrameType type{};
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
};

namespace wire {

template <class T>
inline T load(const std::uint8_t* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (sizeof(T) > 1) value = std::byteswap(value);
  return value;
}

template <class T>
inline void store(std::uint8_t* at, T value) noexcept {
  if constexpr (sizeof(T) > 1) value = std::byteswap(value);
  std::memcpy(at, &value, sizeof value);
}

}  // namespace wire

static_assert(std::endian::native == std::endian::little, "wire::load and wire::store swap unconditionally");

inline void encode_header(const FrameHeader& header, std::uint8_t* at) noexcept {
  wire::store<std::uint16_t>(at, header.length);
  at[2] = static_cast<std::uint8_t>(header.type);
  at[3] = header.flags;
  wire::store<std::uint32_t>(at + 4, header.stream);
}

inline FrameHeader decode_header(const std::uint8_t* at) noexcept {
  return {wire::load<std::uint16_t>(at), static_cast<FrameType>(at[2]), at[3], wire::load<std::uint32_t>(at + 4)};
}

// A stream's name in both sites and, unlike its id, in the whole network for ever: (incarnation of the opening site,
// counter). Made once by the site where the client came in; carried unchanged over transit routers.
struct StreamName {
  std::uint64_t origin = 0;
  std::uint64_t number = 0;

  friend bool operator==(const StreamName&, const StreamName&) = default;
};

// Payload of kOpen: name (16 bytes), hops left (1), path length (1), key length (1), path (8 for each router), key,
// attributes of the client (client_attributes.h), which are passed on as they came; too many are left out. The path
// names the routers that are still ahead of the receiver, whose own connectors serve the key if it is empty. Each
// router takes the first one off and one from the hops left, so that a path which a peer made up ends as well.
struct OpenFrame {
  static constexpr std::uint32_t kFixedSize = 19;
  static constexpr std::uint32_t kHopSize = 8;
  static constexpr std::uint32_t kPathMax = 255;
  static constexpr std::uint32_t kAttributesMax = 96;
  static constexpr std::uint32_t kEncodedMax =
      kFixedSize + kPathMax * kHopSize + kRoutingKeySizeMax + kAttributesMax;

  StreamName name;
  std::uint8_t hops_left = 255;
  std::span<const std::uint8_t> path;  // a multiple of kHopSize
  std::string_view routing_key;
  std::span<const std::uint8_t> attributes{};  // at most kAttributesMax

  std::uint32_t encoded_size() const noexcept {
    return kFixedSize + static_cast<std::uint32_t>(path.size() + routing_key.size() + attributes.size());
  }

  void encode(std::uint8_t* at) const noexcept;
  // Path, key and attributes point into the payload.
  static bool decode(std::span<const std::uint8_t> payload, OpenFrame& open) noexcept;
};

// Payload of kReset and kGoAway: code (4), reason (rest).
struct ResetFrame {
  ResetCode code = ResetCode::kNone;
  std::string_view reason;

  static bool decode(std::span<const std::uint8_t> payload, ResetFrame& reset) noexcept;
};

enum class FrameCheck : std::uint8_t {
  kOk,
  kNeedMore,     // fewer bytes than the frame has
  kTooLong,      // length above kFramePayloadMax
  kBadStream,    // stream id 0 where a stream is meant, or a stream id on a session frame
  kBadSize,      // payload of a size that the type does not allow
  kUnknownType,  // and not skippable
};

std::string_view name_of(FrameCheck check) noexcept;

// Looks at the frame at the front of `bytes`: complete, and well-formed as far as one frame shows. On kOk the frame is
// header + header.length bytes long.
FrameCheck check_frame(std::span<const std::uint8_t> bytes, FrameHeader& header) noexcept;

// True for types this version handles; an unknown skippable frame passes check_frame and is dropped by the caller.
bool known_type(FrameType type) noexcept;

}  // namespace fairlead
