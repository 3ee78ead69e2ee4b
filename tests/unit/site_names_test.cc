// Names, hosts, keys, base64, UUIDs and the "did you mean": small functions, each shown with what it takes and refuses.

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "router/site/base64.h"
#include "router/site/diagnostics.h"
#include "router/site/names.h"
#include "router/site/uuid.h"

namespace fairlead {
namespace {

TEST(Names, Resources) {
  for (const char* name : {"a", "0", "west", "west-1", "a--b", "9a"})
    EXPECT_FALSE(check_name(name)) << name;
  for (const char* name : {"", "-a", "a-", "A", "a.b", "a_b", "a b", "ä", "..", "a/b"})
    EXPECT_TRUE(check_name(name)) << name;
  EXPECT_FALSE(check_name(std::string(63, 'a')));
  EXPECT_TRUE(check_name(std::string(64, 'a')));
}

TEST(Names, BundlesMayHaveDotsButNeverLeaveTheirDirectory) {
  for (const char* name : {"a.b", "link-west-10.0.0.1", "a..b"})
    EXPECT_FALSE(check_bundle_name(name)) << name;
  for (const char* name : {"", ".", "..", "../x", "a/b", ".a", "a."})
    EXPECT_TRUE(check_bundle_name(name)) << name;
}

TEST(Names, Hosts) {
  for (const char* host :
       {"a", "gw1.fra.example", "127.0.0.1", "::1", "2001:db8::7", "xn--bcher-kva.example", "1a.example"}) {
    EXPECT_FALSE(check_host(host)) << host;
  }
  for (const char* host : {"", "a..b", "a.-b", "-a", "a.", "1.2.3", "1.2.3.400", "a_b", "fe80::1%eth0", "a b", "a/b"}) {
    EXPECT_TRUE(check_host(host)) << host;
  }
  EXPECT_NE(check_host("[::1]")->find("without brackets"), std::string::npos);
  EXPECT_NE(check_host("GW.example")->find("'gw.example'"), std::string::npos);
}

TEST(Names, HostsToListenOn) {
  for (const char* host : {"127.0.0.1", "0.0.0.0", "::", "::1", "2001:db8::7", "localhost"})
    EXPECT_FALSE(check_bind_host(host)) << host;
  for (const char* host : {"", "gw", "gw1.fra.example", "1.2.3.400", "[::1]", "LOCALHOST", "::ffff:10.0.0.1"})
    EXPECT_TRUE(check_bind_host(host)) << host;
  EXPECT_NE(check_bind_host("gw")->find("0.0.0.0 or :: for all interfaces"), std::string::npos);
}

TEST(Names, AddressesHaveOneSpelling) {
  EXPECT_EQ(canonical_ip("0:0::1"), "::1");
  EXPECT_EQ(canonical_ip("2001:DB8:0::7"), "2001:db8::7");
  EXPECT_EQ(canonical_ip("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(canonical_ip("localhost"), "");
  EXPECT_TRUE(is_any_address("0:0::0"));
  EXPECT_TRUE(is_any_address("0.0.0.0"));
  EXPECT_FALSE(is_any_address("::1"));
  EXPECT_FALSE(is_any_address(""));
}

TEST(Names, RoutingKeys) {
  EXPECT_FALSE(check_routing_key("Any-Thing_with:signs/1"));
  EXPECT_FALSE(check_routing_key(std::string(255, 'k')));
  EXPECT_TRUE(check_routing_key(std::string(256, 'k')));
  EXPECT_TRUE(check_routing_key(""));
  EXPECT_TRUE(check_routing_key("two words"));
  EXPECT_TRUE(check_routing_key("k\xc3\xa4y"));
}

TEST(Names, Closest) {
  constexpr std::array<std::string_view, 3> kWords = {"endpoints", "cost", "tlsCredentials"};
  EXPECT_EQ(closest("endpoint", kWords), "endpoints");
  EXPECT_EQ(closest("csot", kWords), "cost");
  EXPECT_EQ(closest("TLSCREDENTIALS", kWords), "tlsCredentials");
  EXPECT_EQ(closest("port", kWords), "");
  EXPECT_EQ(closest(std::string(100'000, 'c'), kWords), "");
  EXPECT_EQ(closest("cost", std::vector<std::string_view>{}), "");
}

TEST(Diagnostics, QuotedIsShortAndHarmless) {
  EXPECT_EQ(in_quotes("a\x1b\n"), "'a\\x1b\\x0a'");
  EXPECT_EQ(in_quotes(std::string(61, 'a')), "'" + std::string(60, 'a') + "…'");
  // The 60th byte is the first of a two-byte character.
  EXPECT_EQ(in_quotes(std::string(59, 'a') + "\xc3\xa9"), "'" + std::string(59, 'a') + "…'");
}

TEST(Diagnostics, PositionsSayWhatIsKnown) {
  Diagnostics diagnostics;
  diagnostics.error({"f.yaml", 3, 7}, "bad");
  diagnostics.warning({"f.yaml", 3, 0}, "odd");
  diagnostics.error({"f.yaml"}, "bad");
  diagnostics.error({}, "bad");
  ASSERT_EQ(diagnostics.items().size(), 4U);
  EXPECT_EQ(to_string(diagnostics.items()[0]), "f.yaml:3:7: error: bad");
  EXPECT_EQ(to_string(diagnostics.items()[1]), "f.yaml:3: warning: odd");
  EXPECT_EQ(to_string(diagnostics.items()[2]), "f.yaml: error: bad");
  EXPECT_EQ(to_string(diagnostics.items()[3]), "error: bad");
  EXPECT_EQ(diagnostics.error_count(), 3U);
  EXPECT_EQ(diagnostics.warning_count(), 1U);
}

TEST(Base64, AllSizesThereAndBack) {
  std::string bytes;
  for (int i = 0; i < 70; i++) {
    const auto decoded = decode_base64(encode_base64(bytes));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, bytes);
    bytes += static_cast<char>(i * 37);
  }
}

TEST(Base64, KnownAnswers) {
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(decode_base64("Zm9v\n  YmFy\r\n"), "foobar");
  EXPECT_EQ(decode_base64(""), "");
}

TEST(Base64, RefusesEverythingElse) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zg===", "=Zg=", "Zg==Zg==", "Zm9-", "Zm9v=", "Zh==", "Zm9=", "====", "Zm9v*"}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

TEST(Uuid, RandomAndWellFormed) {
  const auto a = make_uuid();
  const auto b = make_uuid();
  ASSERT_TRUE(a && b);
  EXPECT_TRUE(is_uuid(*a)) << *a;
  EXPECT_NE(*a, *b);
  EXPECT_EQ((*a)[14], '4');
  EXPECT_FALSE(is_uuid(""));
  EXPECT_FALSE(is_uuid("4c0a7d0e-6d1f-4a30-9a55-0d3f1d1f2b1"));
  EXPECT_FALSE(is_uuid("4C0A7D0E-6D1F-4A30-9A55-0D3F1D1F2B11"));
  EXPECT_FALSE(is_uuid("4c0a7d0e-6d1f-4a30-9a55-0d3f1d1f2b1g"));
  EXPECT_FALSE(is_uuid("4c0a7d0e06d1f-4a30-9a55-0d3f1d1f2b11"));
}

}  // namespace
}  // namespace fairlead
