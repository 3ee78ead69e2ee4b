// ClientAttributes: what OPEN says about the client besides its routing key, for the site where the connection ends:
// the addresses of its connection, and the site where it came in. Plain values.
//
// Encoding: attributes of type (1), length (1), value, behind the routing key. Whoever does not know one ignores it;
// one that is cut short ends them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace fairlead {

// Both ends of a TCP connection, in network byte order except for the ports.
struct ClientAddresses {
  enum class Family : std::uint8_t { kUnknown, kIpv4, kIpv6 };  // unknown: a Unix socket's, or not told

  Family family = Family::kUnknown;
  std::array<std::uint8_t, 16> source{};  // of which IPv4 takes the first 4
  std::array<std::uint8_t, 16> destination{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;

  std::size_t ip_size() const noexcept { return family == Family::kIpv4 ? 4 : family == Family::kIpv6 ? 16 : 0; }

  friend bool operator==(const ClientAddresses&, const ClientAddresses&) = default;
};

struct ClientAttributes {
  static constexpr std::size_t kSiteIdMax = 48;
  static constexpr std::size_t kEncodedMax = 2 + 36 + 2 + kSiteIdMax;

  ClientAddresses addresses;
  std::string_view site_id;  // where the client came in; a longer one is left out

  // Returns how much it took of the room.
  std::size_t encode(std::span<std::uint8_t, kEncodedMax> room) const noexcept;
  // site_id points into `bytes`.
  static ClientAttributes decode(std::span<const std::uint8_t> bytes) noexcept;
};

}  // namespace fairlead
