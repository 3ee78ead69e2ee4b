// Resolver: literals are answered at once and never go to a name server; names are answered later through the timers,
// which the test advances itself. Only names that every machine knows without a network are asked for.
#include "transport/resolver.h"

#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace fairlead {
namespace {

std::uint16_t port_of(const Address& address) {
  if (address.family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
}

TEST(ParseLiteral, TakesIpv4) {
  const Address address = parse_literal("10.1.2.3", 55671);
  ASSERT_EQ(address.family(), AF_INET);
  EXPECT_EQ(address.size, sizeof(sockaddr_in));
  EXPECT_EQ(port_of(address), 55671);
  EXPECT_EQ(to_string(address), "10.1.2.3:55671");
}

TEST(ParseLiteral, TakesIpv6) {
  for (const auto& [text, shown] : {std::pair{"::1", "[::1]:443"},
                                    {"2001:db8:0:0:0:0:0:1", "[2001:db8::1]:443"},
                                    {"::", "[::]:443"},
                                    {"::ffff:10.0.0.1", "[::ffff:10.0.0.1]:443"}}) {
    const Address address = parse_literal(text, 443);
    ASSERT_EQ(address.family(), AF_INET6) << text;
    EXPECT_EQ(address.size, sizeof(sockaddr_in6));
    EXPECT_EQ(port_of(address), 443);
    EXPECT_EQ(to_string(address), shown);
  }
}

TEST(ParseLiteral, TakesAnIpv6ScopeByName) {
  const Address address = parse_literal("fe80::1%lo", 1);
  ASSERT_EQ(address.family(), AF_INET6);
  // The loopback interface is number one wherever there are interfaces at all.
  EXPECT_EQ(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_scope_id, 1U);
}

TEST(ParseLiteral, TakesNothingElse) {
  for (const char* text :
       {"", "localhost", "10.1.2", "10.1.2.3.4", "10.1.2.256", "1", "0x7f000001", "10.1.2.3 ", " ::1", "[::1]",
        "::1::", "10.1.2.3%lo", "fe80::1%nosuch", "fe80::1%", "1.2.3.4:80", "%lo", "fe80:::1"}) {
    EXPECT_EQ(parse_literal(text, 1).size, 0U) << text;
  }
}

TEST(HostPort, IsShownWithBracketsAroundIpv6) {
  EXPECT_EQ(to_string(HostPort{"::1", 80}), "[::1]:80");
  EXPECT_EQ(to_string(HostPort{"10.0.0.1", 80}), "10.0.0.1:80");
  EXPECT_EQ(to_string(HostPort{"gateway.example", 80}), "gateway.example:80");
}

class ResolverTest : public testing::Test {
 protected:
  using Answer = Result<std::vector<Address>>;

#ifdef __SANITIZE_THREAD__
  void SetUp() override {
    GTEST_SKIP() << "ThreadSanitizer does not survive the C library's own threads (getaddrinfo_a)";
  }
#endif

  void ask(const std::string& host, std::uint16_t port = 80) {
    resolver_->resolve({host, port}, now_, [this](Answer answer) {
      ++answers_;
      last_ = std::move(answer);
    });
  }

  // The timers' clock is the test's own; only the C library's helper thread needs real time.
  void wait_for(unsigned answers) {
    while (answers_ < answers) {
      now_ = now_ + Duration::milliseconds(5);
      timers_.advance(now_);
      std::this_thread::yield();
    }
  }

  Instant now_{Duration::seconds(1).ns};
  Timers timers_{now_};
  std::optional<Resolver> resolver_{std::in_place, timers_};
  unsigned answers_ = 0;
  std::optional<Answer> last_;
};

TEST_F(ResolverTest, AnswersALiteralAtOnce) {
  ask("127.0.0.1", 4711);
  ASSERT_EQ(answers_, 1U);
  ASSERT_TRUE(*last_);
  ASSERT_EQ((*last_)->size(), 1U);
  EXPECT_EQ(to_string((*last_)->front()), "127.0.0.1:4711");
  EXPECT_EQ(timers_.until_next(now_), Duration::max()) << "nothing is left to wait for";
}

TEST_F(ResolverTest, FindsLocalhost) {
  ask("localhost", 4711);
  wait_for(1);
  ASSERT_TRUE(*last_) << last_->error().message;
  ASSERT_FALSE((*last_)->empty());
  for (const Address& address : **last_) {
    EXPECT_TRUE(to_string(address) == "127.0.0.1:4711" || to_string(address) == "[::1]:4711") << to_string(address);
    EXPECT_GT(address.size, 0U);
  }
  EXPECT_EQ(timers_.until_next(now_), Duration::max());
}

TEST_F(ResolverTest, AnswersEachQuestionOnce) {
  for (int i = 0; i < 20; ++i)
    ask("localhost");
  wait_for(20);
  for (int i = 0; i < 100; ++i) {
    now_ = now_ + Duration::milliseconds(5);
    timers_.advance(now_);
  }
  EXPECT_EQ(answers_, 20U);
}

TEST_F(ResolverTest, SaysWhichNameItCannotResolve) {
  // A label of more than 63 characters fits no query, so no name server is asked.
  const std::string name = std::string(64, 'x') + ".test";
  ask(name);
  wait_for(1);
  ASSERT_FALSE(*last_);
  EXPECT_EQ(last_->error().code, ErrorCode::kResolve);
  EXPECT_NE(last_->error().message.find("'" + name + "'"), std::string::npos) << last_->error().message;
}

TEST_F(ResolverTest, MayBeAskedAgainFromItsAnswer) {
  unsigned inner = 0;
  resolver_->resolve({"localhost", 1}, now_, [&](Answer) {
    resolver_->resolve({"localhost", 2}, now_, [&](Answer answer) {
      ++inner;
      EXPECT_TRUE(answer);
    });
    ++answers_;
  });
  wait_for(1);
  while (inner == 0) {
    now_ = now_ + Duration::milliseconds(5);
    timers_.advance(now_);
    std::this_thread::yield();
  }
}

TEST_F(ResolverTest, MayGoWithQuestionsOpen) {
  for (int i = 0; i < 50; ++i)
    ask("localhost");
  resolver_.reset();
  timers_.advance(now_ + Duration::seconds(10));
  EXPECT_LE(answers_, 50U);
}

}  // namespace
}  // namespace fairlead
