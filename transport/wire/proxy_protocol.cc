#include "transport/wire/proxy_protocol.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <system_error>

#include <arpa/inet.h>

namespace fairlead {
namespace {

using Bytes = std::span<const std::uint8_t>;
using Family = ClientAddresses::Family;

// ---- version 1 (section 2.1): a line of text

constexpr std::string_view kV1Start = "PROXY ";
constexpr std::string_view kV1Unknown = "PROXY UNKNOWN";

// The next word of the line; nothing at its end, or where there is more than one space.
std::optional<std::string_view> take_word(std::string_view& line) noexcept {
  const std::size_t size = std::min(line.find(' '), line.size());
  if (size == 0) return std::nullopt;
  const std::string_view word = line.substr(0, size);
  line.remove_prefix(std::min(size + 1, line.size()));
  return word;
}

bool parse_ip(std::string_view text, Family family, std::array<std::uint8_t, 16>& ip) noexcept {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  // inet_pton() would take what stands before a NUL for all of it.
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return false;
  std::copy(text.begin(), text.end(), copy.begin());
  return inet_pton(family == Family::kIpv4 ? AF_INET : AF_INET6, copy.data(), ip.data()) == 1;
}

bool parse_port(std::string_view text, std::uint16_t& port) noexcept {
  if (text.size() > 1 && text.front() == '0') return false;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// `line` is without CR LF.
bool parse_v1(std::string_view line, ClientAddresses& addresses) noexcept {
  if (line == kV1Unknown || (line.starts_with(kV1Unknown) && line[kV1Unknown.size()] == ' ')) return true;
  line.remove_prefix(kV1Start.size());
  const auto family = take_word(line);
  if (family != "TCP4" && family != "TCP6") return false;
  addresses.family = family == "TCP4" ? Family::kIpv4 : Family::kIpv6;
  const auto source = take_word(line);
  const auto destination = take_word(line);
  const auto source_port = take_word(line);
  if (!source || !destination || !source_port || line.empty()) return false;
  return parse_ip(*source, addresses.family, addresses.source) &&
         parse_ip(*destination, addresses.family, addresses.destination) &&
         parse_port(*source_port, addresses.source_port) && parse_port(line, addresses.destination_port);
}

ProxyCheck check_v1(Bytes bytes, ProxyHeader& header) noexcept {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kProxyV1Max));
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return bytes.size() >= kProxyV1Max ? ProxyCheck::kTooLong : ProxyCheck::kNeedMore;
  if (text[end - 1] != '\r' || !parse_v1(text.substr(0, end - 1), header.addresses)) return ProxyCheck::kMalformed;
  header.size = end + 1;
  return ProxyCheck::kOk;
}

std::size_t put_v1(const ClientAddresses& addresses, std::span<std::uint8_t, kProxyHeaderSentMax> room) noexcept {
  char* const first = reinterpret_cast<char*>(room.data());
  char* const last = first + room.size();
  char* at = first;
  const auto put = [&](std::string_view text) { at = std::copy(text.begin(), text.end(), at); };
  const auto put_ip = [&](const std::array<std::uint8_t, 16>& ip) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(addresses.family == Family::kIpv4 ? AF_INET : AF_INET6, ip.data(), text.data(), text.size());
    put(text.data());
    put(" ");
  };
  if (addresses.family == Family::kUnknown) {
    put(kV1Unknown);
  } else {
    put(addresses.family == Family::kIpv4 ? "PROXY TCP4 " : "PROXY TCP6 ");
    put_ip(addresses.source);
    put_ip(addresses.destination);
    at = std::to_chars(at, last, addresses.source_port).ptr;
    put(" ");
    at = std::to_chars(at, last, addresses.destination_port).ptr;
  }
  put("\r\n");
  return static_cast<std::size_t>(at - first);
}

// ---- version 2 (section 2.2): binary

constexpr std::array<std::uint8_t, 12> kV2Start = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D,
                                                   0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
constexpr std::size_t kV2FixedSize = 16;
constexpr std::uint8_t kLocal = 0x20;  // version 2 and command
constexpr std::uint8_t kProxy = 0x21;
constexpr std::uint8_t kTcp4 = 0x11;
constexpr std::uint8_t kTcp6 = 0x21;
constexpr std::uint8_t kUnspecified = 0x00;
constexpr std::size_t kDetailHeaderSize = 3;
constexpr std::uint8_t kDetailChecksum = 0x03;
constexpr std::uint8_t kDetailUniqueId = 0x05;
constexpr std::uint8_t kDetailSiteId = 0xE0;

// CRC-32C (RFC 3720 appendix B.4), reflected, a bit at a time: it is seldom there, and short.
std::uint32_t crc32c(std::uint32_t crc, std::uint8_t byte) noexcept {
  crc ^= byte;
  for (int bit = 0; bit < 8; ++bit)
    crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78U : 0U);
  return crc;
}

// Of the whole header, with zeros in place of the checksum itself.
bool checksum_fits(Bytes header, std::size_t at) noexcept {
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < header.size(); ++i)
    crc = crc32c(crc, i >= at && i < at + 4 ? std::uint8_t{0} : header[i]);
  return wire::load<std::uint32_t>(header.data() + at) == ~crc;
}

// What stands behind the addresses has to be well-formed, and is otherwise ignored.
ProxyCheck check_details(Bytes header, std::size_t at) noexcept {
  while (at < header.size()) {
    if (header.size() - at < kDetailHeaderSize) return ProxyCheck::kMalformed;
    const std::size_t size = wire::load<std::uint16_t>(header.data() + at + 1);
    if (header.size() - at - kDetailHeaderSize < size) return ProxyCheck::kMalformed;
    if (header[at] == kDetailChecksum) {
      if (size != 4) return ProxyCheck::kMalformed;
      if (!checksum_fits(header, at + kDetailHeaderSize)) return ProxyCheck::kChecksum;
    }
    at += kDetailHeaderSize + size;
  }
  return ProxyCheck::kOk;
}

ProxyCheck check_v2(Bytes bytes, ProxyHeader& header) noexcept {
  if (bytes.size() < kV2FixedSize) return ProxyCheck::kNeedMore;
  const std::uint8_t command = bytes[12];
  if (command != kLocal && command != kProxy) return ProxyCheck::kMalformed;
  header.size = kV2FixedSize + wire::load<std::uint16_t>(bytes.data() + 14);
  if (header.size > kProxyHeaderMax) return ProxyCheck::kTooLong;
  if (bytes.size() < header.size) return ProxyCheck::kNeedMore;
  const Bytes whole = bytes.first(header.size);
  if (command == kLocal) return ProxyCheck::kOk;  // whatever it says is to be ignored
  ClientAddresses& addresses = header.addresses;
  switch (bytes[13]) {
    case kTcp4:
      addresses.family = Family::kIpv4;
      break;
    case kTcp6:
      addresses.family = Family::kIpv6;
      break;
    default:
      return ProxyCheck::kOk;  // neither TCP nor IP: nothing that we could tell anybody
  }
  const std::size_t ip_size = addresses.ip_size();
  if (whole.size() < kV2FixedSize + 2 * ip_size + 4) return ProxyCheck::kMalformed;
  const std::uint8_t* at = whole.data() + kV2FixedSize;
  std::copy_n(at, ip_size, addresses.source.begin());
  std::copy_n(at + ip_size, ip_size, addresses.destination.begin());
  addresses.source_port = wire::load<std::uint16_t>(at + 2 * ip_size);
  addresses.destination_port = wire::load<std::uint16_t>(at + 2 * ip_size + 2);
  return check_details(whole, kV2FixedSize + 2 * ip_size + 4);
}

std::size_t put_v2(const ClientAddresses& addresses, const ProxyDetails& details,
                   std::span<std::uint8_t, kProxyHeaderSentMax> room) noexcept {
  std::uint8_t* at = std::copy(kV2Start.begin(), kV2Start.end(), room.data());
  *at++ = kProxy;
  *at++ = addresses.family == Family::kIpv4 ? kTcp4 : addresses.family == Family::kIpv6 ? kTcp6 : kUnspecified;
  std::uint8_t* const length = at;
  at += 2;
  if (const std::size_t ip_size = addresses.ip_size(); ip_size > 0) {
    at = std::copy_n(addresses.source.begin(), ip_size, at);
    at = std::copy_n(addresses.destination.begin(), ip_size, at);
    wire::store<std::uint16_t>(at, addresses.source_port);
    wire::store<std::uint16_t>(at + 2, addresses.destination_port);
    at += 4;
  }
  const auto put_detail = [&](std::uint8_t type, std::size_t size) {
    *at = type;
    wire::store<std::uint16_t>(at + 1, static_cast<std::uint16_t>(size));
    at += kDetailHeaderSize;
  };
  put_detail(kDetailUniqueId, 16);
  wire::store<std::uint64_t>(at, details.name.origin);
  wire::store<std::uint64_t>(at + 8, details.name.number);
  at += 16;
  if (!details.site_id.empty() && details.site_id.size() <= ClientAttributes::kSiteIdMax) {
    put_detail(kDetailSiteId, details.site_id.size());
    at = std::copy(details.site_id.begin(), details.site_id.end(), at);
  }
  wire::store<std::uint16_t>(length, static_cast<std::uint16_t>(at - length - 2));
  return static_cast<std::size_t>(at - room.data());
}

// Whether `bytes` begin with `start`, or `start` with `bytes`.
bool may_begin_with(Bytes bytes, Bytes start) noexcept {
  const std::size_t size = std::min(bytes.size(), start.size());
  return std::memcmp(bytes.data(), start.data(), size) == 0;
}

}  // namespace

std::string_view name_of(ProxyCheck check) noexcept {
  switch (check) {
    case ProxyCheck::kOk:
      return "fine";
    case ProxyCheck::kNeedMore:
      return "its PROXY protocol header is not complete";
    case ProxyCheck::kNone:
      return "it does not begin with a PROXY protocol header";
    case ProxyCheck::kMalformed:
      return "its PROXY protocol header is malformed";
    case ProxyCheck::kTooLong:
      return "its PROXY protocol header is too long";
    case ProxyCheck::kChecksum:
      return "the checksum of its PROXY protocol header does not fit";
  }
  return "unknown";
}

ProxyCheck check_proxy_header(Bytes bytes, ProxyHeader& header) noexcept {
  header = {};
  if (bytes.empty()) return ProxyCheck::kNeedMore;
  const Bytes v1_start(reinterpret_cast<const std::uint8_t*>(kV1Start.data()), kV1Start.size());
  if (may_begin_with(bytes, kV2Start)) {
    return bytes.size() < kV2Start.size() ? ProxyCheck::kNeedMore : check_v2(bytes, header);
  }
  if (!may_begin_with(bytes, v1_start)) return ProxyCheck::kNone;
  return bytes.size() < v1_start.size() ? ProxyCheck::kNeedMore : check_v1(bytes, header);
}

std::size_t put_proxy_header(ProxyProtocol version, const ClientAddresses& addresses, const ProxyDetails& details,
                             std::span<std::uint8_t, kProxyHeaderSentMax> room) noexcept {
  return version == ProxyProtocol::kV1 ? put_v1(addresses, room) : put_v2(addresses, details, room);
}

}  // namespace fairlead
