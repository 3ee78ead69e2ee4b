// What stands at the beginning of an application's connection: a header of the PROXY protocol, or anything else; and
// the attributes of OPEN. What was understood must come back the same when it is said again.
#include <array>
#include <cstdint>
#include <span>

#include "tests/fuzz/fuzz_target.h"
#include "transport/wire/client_attributes.h"
#include "transport/wire/proxy_protocol.h"

namespace fairlead {
namespace {

void feed_header(std::span<const std::uint8_t> input) {
  ProxyHeader header;
  if (check_proxy_header(input, header) != ProxyCheck::kOk) return;
  expect(header.size > 0 && header.size <= input.size() && header.size <= kProxyHeaderMax);
  for (const ProxyProtocol version : {ProxyProtocol::kV1, ProxyProtocol::kV2}) {
    std::array<std::uint8_t, kProxyHeaderSentMax> room{};
    const std::size_t size = put_proxy_header(version, header.addresses, {}, room);
    ProxyHeader again;
    expect(check_proxy_header(std::span(room).first(size), again) == ProxyCheck::kOk);
    expect(again.size == size && again.addresses == header.addresses);
  }
}

void feed_attributes(std::span<const std::uint8_t> input) {
  const ClientAttributes attributes = ClientAttributes::decode(input);
  std::array<std::uint8_t, ClientAttributes::kEncodedMax> room{};
  const ClientAttributes again = ClientAttributes::decode(std::span(room).first(attributes.encode(room)));
  expect(again.addresses == attributes.addresses && again.site_id == attributes.site_id);
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  feed_header(input);
  feed_attributes(input);
}

}  // namespace fairlead
