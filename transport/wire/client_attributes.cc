#include "transport/wire/client_attributes.h"

#include <algorithm>

#include "transport/wire/frame.h"

namespace fairlead {
namespace {

enum Attribute : std::uint8_t {
  kIpv4 = 1,    // source (4), port (2), destination (4), port (2)
  kIpv6 = 2,    // the same with addresses of 16 bytes
  kSiteId = 3,  // text
};

constexpr std::size_t kHeaderSize = 2;

std::size_t put_end(std::uint8_t* at, const std::array<std::uint8_t, 16>& ip, std::size_t ip_size,
                    std::uint16_t port) noexcept {
  std::copy_n(ip.data(), ip_size, at);
  wire::store<std::uint16_t>(at + ip_size, port);
  return ip_size + 2;
}

void take_end(const std::uint8_t* at, std::array<std::uint8_t, 16>& ip, std::size_t ip_size,
              std::uint16_t& port) noexcept {
  std::copy_n(at, ip_size, ip.data());
  port = wire::load<std::uint16_t>(at + ip_size);
}

ClientAddresses take_addresses(ClientAddresses::Family family, std::span<const std::uint8_t> value) noexcept {
  ClientAddresses addresses;
  addresses.family = family;
  const std::size_t ip_size = addresses.ip_size();
  if (value.size() != 2 * (ip_size + 2)) return {};
  take_end(value.data(), addresses.source, ip_size, addresses.source_port);
  take_end(value.data() + ip_size + 2, addresses.destination, ip_size, addresses.destination_port);
  return addresses;
}

}  // namespace

std::size_t ClientAttributes::encode(std::span<std::uint8_t, kEncodedMax> room) const noexcept {
  std::uint8_t* at = room.data();
  if (const std::size_t ip_size = addresses.ip_size(); ip_size > 0) {
    *at++ = addresses.family == ClientAddresses::Family::kIpv4 ? kIpv4 : kIpv6;
    *at++ = static_cast<std::uint8_t>(2 * (ip_size + 2));
    at += put_end(at, addresses.source, ip_size, addresses.source_port);
    at += put_end(at, addresses.destination, ip_size, addresses.destination_port);
  }
  if (!site_id.empty() && site_id.size() <= kSiteIdMax) {
    *at++ = kSiteId;
    *at++ = static_cast<std::uint8_t>(site_id.size());
    at = std::copy(site_id.begin(), site_id.end(), at);
  }
  return static_cast<std::size_t>(at - room.data());
}

ClientAttributes ClientAttributes::decode(std::span<const std::uint8_t> bytes) noexcept {
  ClientAttributes attributes;
  while (bytes.size() >= kHeaderSize && bytes.size() - kHeaderSize >= bytes[1]) {
    const std::span<const std::uint8_t> value = bytes.subspan(kHeaderSize, bytes[1]);
    switch (bytes[0]) {
      case kIpv4:
        attributes.addresses = take_addresses(ClientAddresses::Family::kIpv4, value);
        break;
      case kIpv6:
        attributes.addresses = take_addresses(ClientAddresses::Family::kIpv6, value);
        break;
      case kSiteId:
        if (value.size() <= kSiteIdMax) {
          attributes.site_id = {reinterpret_cast<const char*>(value.data()), value.size()};
        }
        break;
      default:
        break;
    }
    bytes = bytes.subspan(kHeaderSize + value.size());
  }
  return attributes;
}

}  // namespace fairlead
