// What a link's status says of times: `since` changes where the link comes up or goes down and not with each redial,
// and errors keep theirs for as long as each place fails in the same way.

#include "transport/link_record.h"

#include <string>

#include <gtest/gtest.h>

namespace fairlead {
namespace {

const Error kRefused{ErrorCode::kRefused, "connect to 10.0.0.1:1: refused"};
const Error kLost{ErrorCode::kTimeout, "connect to 10.0.0.2:1: no answer in time"};

TEST(LinkRecord, SinceWhenItIsUpOrNot) {
  LinkRecord record;
  record.note_state(LinkPhase::kConnecting, 10);
  EXPECT_EQ(record.status.since_unix_s, 10);
  record.note_state(LinkPhase::kWaiting, 20);
  record.note_state(LinkPhase::kConnecting, 30);
  EXPECT_EQ(record.status.since_unix_s, 10);
  EXPECT_EQ(record.status.state, LinkPhase::kConnecting);
  record.note_state(LinkPhase::kUp, 40);
  EXPECT_EQ(record.status.since_unix_s, 40);
  record.note_state(LinkPhase::kUp, 50);
  EXPECT_EQ(record.status.since_unix_s, 40);
  record.note_state(LinkPhase::kConnecting, 60);
  EXPECT_EQ(record.status.since_unix_s, 60);
  record.note_state(LinkPhase::kClosing, 70);
  EXPECT_EQ(record.status.since_unix_s, 60);
}

TEST(LinkRecord, RouterMessagesOfASessionThatWasOvertakenComeTooLate) {
  LinkRecord record;
  EXPECT_FALSE(record.take_message_of(1)) << "of no session of this link";
  for (const std::uint64_t session : {1U, 2U, 3U})
    record.sessions[session] = {};
  EXPECT_TRUE(record.take_message_of(2));
  EXPECT_TRUE(record.take_message_of(2));
  EXPECT_TRUE(record.take_message_of(1)) << "the peer counts its sessions in another order";
  EXPECT_FALSE(record.take_message_of(2));
  record.drop_session(1);
  EXPECT_FALSE(record.take_message_of(1));
  EXPECT_FALSE(record.take_message_of(2));
  EXPECT_TRUE(record.take_message_of(3));
}

TEST(LinkRecord, EachPlaceHasARowOfErrors) {
  LinkRecord record;
  for (const std::int64_t now : {10, 20, 30}) {
    EXPECT_EQ(record.note_error("a", kRefused, now), now == 10);
    EXPECT_EQ(record.status.last_error->message, kRefused.message);
    EXPECT_EQ(record.status.last_error->since_unix_s, 10);
    EXPECT_EQ(record.note_error("b", kLost, now + 1), now == 10);
    EXPECT_EQ(record.status.last_error->message, kLost.message);
    EXPECT_EQ(record.status.last_error->since_unix_s, 11);
    record.end_round();
  }
  // Another error at a place ends its row, so that the first one is news again.
  EXPECT_TRUE(record.note_error("a", kLost, 40));
  EXPECT_TRUE(record.note_error("a", kRefused, 41));
  EXPECT_EQ(record.status.last_error->since_unix_s, 41);
}

TEST(LinkRecord, TheSameErrorAfterTheLinkWasUpIsNews) {
  LinkRecord record;
  EXPECT_TRUE(record.note_error("a", kRefused, 10));
  record.note_state(LinkPhase::kUp, 20);
  EXPECT_EQ(record.status.last_error->since_unix_s, 10);
  record.note_state(LinkPhase::kConnecting, 30);
  EXPECT_TRUE(record.note_error("a", kRefused, 31));
  EXPECT_EQ(record.status.last_error->since_unix_s, 31);
}

TEST(LinkRecord, PlacesThatAreNotTriedAnyMoreAreForgotten) {
  LinkRecord record;
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(record.note_error(std::to_string(i), kRefused, i));
    EXPECT_EQ(record.note_error("always", kLost, i), i == 0);
    record.end_round();
    EXPECT_EQ(record.failures.size(), 2U);
  }
}

}  // namespace
}  // namespace fairlead
