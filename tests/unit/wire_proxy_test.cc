// The PROXY protocol and the attributes of OPEN: what we write is what the specification shows, what we read is what we
// wrote, and whatever is cut, false or too much is told from it.
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "transport/base/prng.h"
#include "transport/wire/client_attributes.h"
#include "transport/wire/proxy_protocol.h"

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Family = ClientAddresses::Family;

constexpr std::string_view kSiteId = "0f7c4f0e-1d2b-4b8e-9c53-55aa0f0e7d11";

ClientAddresses v4() {
  return {Family::kIpv4, {192, 0, 2, 17}, {203, 0, 113, 9}, 56324, 443};
}

ClientAddresses v6() {
  return {Family::kIpv6, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
          {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 0xcd}, 1, 65535};
}

Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

Bytes header_of(ProxyProtocol version, const ClientAddresses& addresses, std::string_view site_id = kSiteId) {
  std::array<std::uint8_t, kProxyHeaderSentMax> room{};
  const std::size_t size = put_proxy_header(version, addresses, {{0x0102030405060708, 9}, site_id}, room);
  return {room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size)};
}

std::string text_of(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

ProxyCheck check(const Bytes& bytes) {
  ProxyHeader header;
  // Memory of exactly this size, so that sanitizers see a step beyond it.
  const std::vector<std::uint8_t> copy(bytes);
  return check_proxy_header(copy, header);
}

TEST(ProxyProtocol, WritesTheLinesOfTheSpecification) {
  EXPECT_EQ(text_of(header_of(ProxyProtocol::kV1, v4())), "PROXY TCP4 192.0.2.17 203.0.113.9 56324 443\r\n");
  EXPECT_EQ(text_of(header_of(ProxyProtocol::kV1, v6())), "PROXY TCP6 2001:db8::1 2001:db8::abcd 1 65535\r\n");
  EXPECT_EQ(text_of(header_of(ProxyProtocol::kV1, {})), "PROXY UNKNOWN\r\n");
}

TEST(ProxyProtocol, WritesTheBinaryHeader) {
  const Bytes expected = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,  // signature
                          0x21, 0x11, 0x00, 0x1F,                                              // PROXY, TCP4, 31 bytes
                          192, 0, 2, 17, 203, 0, 113, 9, 0xDC, 0x04, 0x01, 0xBB,                 // addresses
                          0x05, 0x00, 0x10, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9};     // UNIQUE_ID
  EXPECT_EQ(header_of(ProxyProtocol::kV2, v4(), {}), expected);
  const Bytes with_site = header_of(ProxyProtocol::kV2, v4());
  EXPECT_EQ(with_site.size(), expected.size() + 3 + kSiteId.size());
  EXPECT_EQ(text_of({with_site.end() - static_cast<std::ptrdiff_t>(kSiteId.size()), with_site.end()}), kSiteId);
}

TEST(ProxyProtocol, ReadsWhatItWrote) {
  for (const ProxyProtocol version : {ProxyProtocol::kV1, ProxyProtocol::kV2}) {
    for (const ClientAddresses& addresses : {v4(), v6(), ClientAddresses{}}) {
      const Bytes header = header_of(version, addresses);
      Bytes bytes = header;
      for (const char c : std::string_view("GET / HTTP/1.1\r\n"))
        bytes.push_back(static_cast<std::uint8_t>(c));
      ProxyHeader read;
      ASSERT_EQ(check_proxy_header(bytes, read), ProxyCheck::kOk) << text_of(header);
      EXPECT_EQ(read.size, header.size());
      EXPECT_EQ(read.addresses, addresses);
      for (std::size_t size = 0; size < header.size(); ++size) {
        EXPECT_EQ(check({header.begin(), header.begin() + static_cast<std::ptrdiff_t>(size)}), ProxyCheck::kNeedMore)
            << size;
      }
    }
  }
}

TEST(ProxyProtocol, TakesWhatOthersMaySay) {
  ProxyHeader read;
  ASSERT_EQ(check_proxy_header(bytes_of("PROXY UNKNOWN ffff::1 what ever 1 2\r\n"), read), ProxyCheck::kOk);
  EXPECT_EQ(read.addresses, ClientAddresses{});
  // LOCAL: a health check, whose addresses mean nothing.
  Bytes local = header_of(ProxyProtocol::kV2, v4());
  local[12] = 0x20;
  ASSERT_EQ(check_proxy_header(local, read), ProxyCheck::kOk);
  EXPECT_EQ(read.addresses, ClientAddresses{});
  EXPECT_EQ(read.size, local.size());
  // A Unix socket's client.
  Bytes local_socket = header_of(ProxyProtocol::kV2, v4());
  local_socket[13] = 0x31;
  ASSERT_EQ(check_proxy_header(local_socket, read), ProxyCheck::kOk);
  EXPECT_EQ(read.addresses, ClientAddresses{});
}

TEST(ProxyProtocol, RefusesLinesThatBreakTheRules) {
  for (const std::string_view line :
       {"PROXY TCP4 192.0.2.17 203.0.113.9 56324 443\n", "PROXY TCP4 192.0.2.17  203.0.113.9 56324 443\r\n",
        "PROXY TCP4 192.0.2.17 203.0.113.9 56324\r\n", "PROXY TCP4 192.0.2.17 203.0.113.9 56324 \r\n",
        "PROXY TCP4 192.0.2.17 203.0.113.9 56324 443 \r\n", "PROXY TCP4 192.0.2.17 203.0.113.9 65536 443\r\n",
        "PROXY TCP4 192.0.2.17 203.0.113.9 -1 443\r\n", "PROXY TCP4 192.0.2.17 203.0.113.9 00 443\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n", "PROXY TCP6 192.0.2.17 203.0.113.9 1 443\r\n",
        "PROXY TCP4 192.0.2.300 203.0.113.9 1 443\r\n", "PROXY TCP5 192.0.2.17 203.0.113.9 1 443\r\n",
        "PROXY UNKNOWNS\r\n", "PROXY \r\n", "PROXY TCP4\r\n"}) {
    EXPECT_EQ(check(bytes_of(line)), ProxyCheck::kMalformed) << line;
  }
  using namespace std::string_view_literals;
  EXPECT_EQ(check(bytes_of("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"sv)), ProxyCheck::kMalformed);
  EXPECT_EQ(check(bytes_of("PROXY UNKNOWN " + std::string(200, 'x'))), ProxyCheck::kTooLong);
  EXPECT_EQ(check(bytes_of("PROXY UNKNOWN " + std::string(120, 'x') + "\r\n")), ProxyCheck::kTooLong);
}

TEST(ProxyProtocol, TellsOtherProtocolsAtTheirFirstFalseByte) {
  for (const std::string_view text : {"GET / HTTP/1.1\r\n", "\x16\x03\x01", "PROXX", "\r\n\r\r", " PROXY"})
    EXPECT_EQ(check(bytes_of(text)), ProxyCheck::kNone) << text;
  EXPECT_EQ(check({}), ProxyCheck::kNeedMore);
}

TEST(ProxyProtocol, RefusesBinaryHeadersThatBreakTheRules) {
  const auto changed = [](std::size_t at, std::uint8_t value) {
    Bytes header = header_of(ProxyProtocol::kV2, v6());
    header[at] = value;
    return header;
  };
  EXPECT_EQ(check(changed(12, 0x22)), ProxyCheck::kMalformed);  // a command that there is not
  EXPECT_EQ(check(changed(12, 0x11)), ProxyCheck::kMalformed);  // a version that there is not
  EXPECT_EQ(check(changed(14, 0x10)), ProxyCheck::kTooLong);
  EXPECT_EQ(check(changed(15, 35)), ProxyCheck::kMalformed);  // the addresses are longer
  EXPECT_EQ(check(changed(15, 38)), ProxyCheck::kMalformed);  // a detail without its length
  EXPECT_EQ(check(changed(16 + 36 + 2, 200)), ProxyCheck::kMalformed);  // a detail beyond the end
}

TEST(ProxyProtocol, ChecksumsAreVerified) {
  // "123456789" has the CRC-32C E3069283; here it is that of the header, computed apart from ours.
  Bytes header = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11, 0x00, 0x13,
                  127,  0,    0,    1,    127,  0,    0,    1,    0x30, 0x39, 0x00, 0x50, 0x03, 0x00, 0x04, 0,
                  0,    0,    0};
  constexpr std::array<std::uint8_t, 4> kChecksum = {0xD6, 0x41, 0x75, 0xAF};
  std::copy(kChecksum.begin(), kChecksum.end(), header.end() - 4);
  EXPECT_EQ(check(header), ProxyCheck::kOk);
  header[19] = 2;
  EXPECT_EQ(check(header), ProxyCheck::kChecksum);
  header[30] = 3;
  EXPECT_EQ(check(header), ProxyCheck::kMalformed);
}

TEST(ProxyProtocol, AnyBytesAtAll) {
  Prng prng(3);
  for (int i = 0; i < 200'000; ++i) {
    const ProxyProtocol version = prng.below(2) == 0 ? ProxyProtocol::kV1 : ProxyProtocol::kV2;
    Bytes header = header_of(version, prng.below(2) == 0 ? v4() : v6());
    for (std::uint64_t flips = prng.below(4); flips > 0; --flips)
      header[prng.below(header.size())] = static_cast<std::uint8_t>(prng.next());
    header.resize(prng.below(header.size() + 1));
    ProxyHeader read;
    const ProxyCheck result = check_proxy_header(header, read);
    ASSERT_NE(name_of(result), "unknown");
    if (result == ProxyCheck::kOk) {
      ASSERT_LE(read.size, header.size());
    }
  }
}

Bytes encoded(const ClientAttributes& attributes) {
  std::array<std::uint8_t, ClientAttributes::kEncodedMax> room{};
  const std::size_t size = attributes.encode(room);
  return {room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size)};
}

TEST(ClientAttributes, ComeBackAsTheyWere) {
  static_assert(ClientAttributes::kEncodedMax <= OpenFrame::kAttributesMax);
  for (const ClientAddresses& addresses : {v4(), v6(), ClientAddresses{}}) {
    const std::string longest(ClientAttributes::kSiteIdMax, 's');
    for (const std::string& site_id : {std::string(), std::string(kSiteId), longest}) {
      const Bytes bytes = encoded({addresses, site_id});
      const ClientAttributes read = ClientAttributes::decode(bytes);
      EXPECT_EQ(read.addresses, addresses);
      EXPECT_EQ(read.site_id, site_id);
    }
  }
  EXPECT_TRUE(encoded({{}, std::string(ClientAttributes::kSiteIdMax + 1, 's')}).empty());
}

TEST(ClientAttributes, AreReadAsFarAsTheyAreKnownAndWhole) {
  const Bytes whole = encoded({v4(), kSiteId});
  Bytes bytes = {77, 3, 1, 2, 3};  // of a later version
  bytes.insert(bytes.end(), whole.begin(), whole.end());
  EXPECT_EQ(ClientAttributes::decode(bytes).addresses, v4());
  EXPECT_EQ(ClientAttributes::decode(bytes).site_id, kSiteId);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const ClientAttributes read = ClientAttributes::decode(cut);
    EXPECT_EQ(read.addresses, size < 14 ? ClientAddresses{} : v4()) << size;
    EXPECT_EQ(read.site_id, "") << size;
  }
  const Bytes false_size = {1, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  EXPECT_EQ(ClientAttributes::decode(false_size).addresses, ClientAddresses{});
}

}  // namespace
}  // namespace fairlead
