#include <gtest/gtest.h>

#include "tests/unit/tls_fixtures.h"
#include "transport/tls/post_handshake.h"

namespace fairlead {
namespace {

using Action = PostHandshake::Action;
using Role = PostHandshake::Role;

std::expected<Action, RecordFault> give(PostHandshake& post, const Bytes& bytes) {
  return post.handshake(bytes.data(), bytes.size());
}

Bytes message(std::uint8_t type, std::size_t body_size, std::uint8_t filling = 0xab) {
  Bytes bytes(4 + body_size, filling);
  bytes[0] = type;
  bytes[1] = static_cast<std::uint8_t>(body_size >> 16);
  bytes[2] = static_cast<std::uint8_t>(body_size >> 8);
  bytes[3] = static_cast<std::uint8_t>(body_size);
  return bytes;
}

Bytes ticket(std::size_t body_size = 200) {
  return message(4, body_size);
}

Bytes key_update(std::uint8_t request) {
  return message(24, 1, request);
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(PostHandshake, DropsTickets) {
  PostHandshake post(Role::kClient);
  EXPECT_EQ(give(post, ticket()), Action::kNone);
  EXPECT_EQ(give(post, ticket() + ticket(14)), Action::kNone);
  EXPECT_EQ(post.tickets(), 3U);
  EXPECT_TRUE(post.application_data());
}

TEST(PostHandshake, TakesATicketInPiecesOfAnySize) {
  const Bytes whole = ticket(60) + ticket(61);
  for (std::size_t piece = 1; piece < whole.size(); ++piece) {
    PostHandshake post(Role::kClient);
    for (std::size_t at = 0; at < whole.size(); at += piece) {
      const std::size_t size = std::min(piece, whole.size() - at);
      ASSERT_EQ(post.handshake(whole.data() + at, size), Action::kNone) << piece;
    }
    EXPECT_EQ(post.tickets(), 2U);
    EXPECT_TRUE(post.application_data());
  }
}

TEST(PostHandshake, RefusesDataWithinAMessage) {
  PostHandshake post(Role::kClient);
  Bytes half = ticket();
  half.resize(10);
  EXPECT_EQ(give(post, half), Action::kNone);
  EXPECT_FALSE(post.application_data());
}

TEST(PostHandshake, RefusesTicketsFromAClient) {
  PostHandshake post(Role::kServer);
  EXPECT_EQ(give(post, ticket()).error(), RecordFault::kMessage);
}

TEST(PostHandshake, RefusesTicketsThatAreTooLongTooShortOrTooMany) {
  PostHandshake one(Role::kClient);
  EXPECT_EQ(give(one, {4, 2, 0, 1}).error(), RecordFault::kMessageMalformed);
  PostHandshake two(Role::kClient);
  EXPECT_EQ(give(two, ticket(13)).error(), RecordFault::kMessageMalformed);
  PostHandshake three(Role::kClient);
  for (std::uint32_t i = 0; i < PostHandshake::kTicketsMax; ++i)
    ASSERT_EQ(give(three, ticket(20)), Action::kNone);
  EXPECT_EQ(give(three, ticket(20)).error(), RecordFault::kMessageFlood);
}

TEST(PostHandshake, TellsOfKeyUpdates) {
  for (const Role role : {Role::kClient, Role::kServer}) {
    PostHandshake post(role);
    EXPECT_EQ(give(post, key_update(0)), Action::kAdvance);
    EXPECT_EQ(give(post, key_update(1)), Action::kAdvanceAndAnswer);
    EXPECT_EQ(give(post, key_update(2)).error(), RecordFault::kMessageMalformed);
  }
}

TEST(PostHandshake, TakesAKeyUpdateBehindATicketAndInPieces) {
  PostHandshake post(Role::kClient);
  EXPECT_EQ(give(post, ticket() + key_update(1)), Action::kAdvanceAndAnswer);
  EXPECT_EQ(give(post, {24, 0}), Action::kNone);
  EXPECT_EQ(give(post, {0, 1}), Action::kNone);
  EXPECT_EQ(give(post, {0}), Action::kAdvance);
}

// What follows it in the same record is under the old key, which is over.
TEST(PostHandshake, RefusesAnythingBehindAKeyUpdate) {
  PostHandshake post(Role::kClient);
  EXPECT_EQ(give(post, key_update(0) + ticket()).error(), RecordFault::kMessage);
  PostHandshake other(Role::kClient);
  EXPECT_EQ(give(other, key_update(0) + Bytes{24}).error(), RecordFault::kMessage);
}

TEST(PostHandshake, RefusesAKeyUpdateOfAnotherLength) {
  PostHandshake post(Role::kClient);
  EXPECT_EQ(give(post, message(24, 2)).error(), RecordFault::kMessageMalformed);
  PostHandshake other(Role::kClient);
  EXPECT_EQ(give(other, {24, 0, 0, 0}).error(), RecordFault::kMessageMalformed);
}

TEST(PostHandshake, RefusesAFloodOfKeyUpdates) {
  PostHandshake post(Role::kServer);
  for (std::uint32_t i = 0; i < PostHandshake::kKeyUpdatesInARowMax; ++i) {
    ASSERT_EQ(give(post, key_update(0)), Action::kAdvance);
  }
  EXPECT_TRUE(post.application_data());
  for (std::uint32_t i = 0; i < PostHandshake::kKeyUpdatesInARowMax; ++i) {
    ASSERT_EQ(give(post, key_update(0)), Action::kAdvance);
  }
  EXPECT_EQ(give(post, key_update(0)).error(), RecordFault::kMessageFlood);
}

TEST(PostHandshake, RefusesEveryOtherMessage) {
  for (int type = 0; type < 256; ++type) {
    if (type == 4 || type == 24) continue;
    PostHandshake post(Role::kClient);
    EXPECT_EQ(give(post, message(static_cast<std::uint8_t>(type), 20)).error(), RecordFault::kMessage) << type;
  }
}

TEST(PostHandshake, ReadsAlerts) {
  const auto read = [](const Bytes& bytes) { return PostHandshake::alert(bytes.data(), bytes.size()); };
  EXPECT_TRUE(read({1, 0})->is_close_notify());
  EXPECT_TRUE(read({1, 90})->is_ignorable());
  const auto unknown_ca = read({2, 48});
  ASSERT_TRUE(unknown_ca);
  EXPECT_FALSE(unknown_ca->is_close_notify());
  EXPECT_EQ(unknown_ca->description, 48);
  EXPECT_EQ(read({2}).error(), RecordFault::kMessageMalformed);
  EXPECT_EQ(read({2, 48, 2}).error(), RecordFault::kMessageMalformed);
}

TEST(Alert, SaysWhatItMeans) {
  const Error refused = error_of_alert(48, "peer at 10.0.0.1:55671");
  EXPECT_EQ(refused.code, ErrorCode::kTlsRefused);
  EXPECT_EQ(refused.message, "peer at 10.0.0.1:55671 refused our certificate: unknown_ca (alert 48)");
  EXPECT_EQ(error_of_alert(116, "peer").code, ErrorCode::kTlsRefused);
  EXPECT_EQ(error_of_alert(70, "peer").code, ErrorCode::kTlsNotTls);
  EXPECT_EQ(error_of_alert(80, "peer").message, "peer ended the TLS session with an alert: internal_error (alert 80)");
  EXPECT_EQ(alert_name(200), "unknown alert");
}

}  // namespace
}  // namespace fairlead
