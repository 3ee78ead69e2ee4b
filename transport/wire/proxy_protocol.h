// The PROXY protocol, versions 1 and 2, as HAProxy's proxy-protocol.txt specifies it: a header in front of a
// connection's bytes that says which addresses the client's own connection has. Pure: bytes in, bytes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "transport/wire/client_attributes.h"
#include "transport/wire/frame.h"

namespace fairlead {

enum class ProxyProtocol : std::uint8_t { kNone, kV1, kV2 };

// What was found at the beginning of a connection.
struct ProxyHeader {
  std::size_t size = 0;
  ClientAddresses addresses;  // unknown: those of the connection that the header came by (UNKNOWN, LOCAL)
};

enum class ProxyCheck : std::uint8_t {
  kOk,
  kNeedMore,
  kNone,       // what there is begins no header
  kMalformed,  // it begins one, and breaks its rules
  kTooLong,
  kChecksum,  // of version 2, which does not fit
};

// As the end of a sentence.
std::string_view name_of(ProxyCheck check) noexcept;

// Longer ones are refused: addresses take 52 bytes, and what is told besides is not meant to be much.
inline constexpr std::size_t kProxyHeaderMax = 4096;

ProxyCheck check_proxy_header(std::span<const std::uint8_t> bytes, ProxyHeader& header) noexcept;

// What version 2 tells besides the addresses.
struct ProxyDetails {
  StreamName name;           // PP2_TYPE_UNIQUE_ID: 16 bytes
  std::string_view site_id;  // of the site where the client came in: type 0xE0, from the range for private use
};

inline constexpr std::size_t kProxyHeaderSentMax = 16 + 36 + 3 + 16 + 3 + ClientAttributes::kSiteIdMax;
inline constexpr std::size_t kProxyV1Max = 107;
static_assert(kProxyV1Max <= kProxyHeaderSentMax);

// Returns how much it took of the room; `version` is not kNone.
std::size_t put_proxy_header(ProxyProtocol version, const ClientAddresses& addresses, const ProxyDetails& details,
                             std::span<std::uint8_t, kProxyHeaderSentMax> room) noexcept;

}  // namespace fairlead
