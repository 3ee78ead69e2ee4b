// StreamState: all nine pairs of halves are reached and every event is given to each, against the table of what is
// allowed.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "transport/wire/stream_state.h"

namespace fairlead {
namespace {

using Half = StreamState::Half;

// Events: s FIN sent, r FIN received, x reset.
bool apply(StreamState& state, char event) {
  switch (event) {
    case 's':
      return state.fin_sent();
    case 'r':
      return state.fin_received();
    default:
      return state.reset();
  }
}

TEST(StreamState, BeginsOpenBothWays) {
  const StreamState state;
  EXPECT_TRUE(state.can_send());
  EXPECT_TRUE(state.can_receive());
  EXPECT_FALSE(state.over());
}

// A second model of the same rules: which events happened, and in which order they were allowed.
struct Model {
  bool sent = false;
  bool received = false;
  bool was_reset = false;

  bool over() const { return was_reset || (sent && received); }

  bool apply(char event) {
    switch (event) {
      case 's':
        return !was_reset && !std::exchange(sent, true);
      case 'r':
        return !was_reset && !std::exchange(received, true);
      default:
        return !over() && (was_reset = true);
    }
  }
};

TEST(StreamState, FollowsTheModelOverEverySequenceOfFiveEvents) {
  const std::string events = "srx";
  for (int code = 0; code < 3 * 3 * 3 * 3 * 3; ++code) {
    StreamState state;
    Model model;
    std::string sequence;
    for (int rest = code, i = 0; i < 5; ++i, rest /= 3) {
      const char event = events[static_cast<std::size_t>(rest % 3)];
      sequence += event;
      const Half sending = state.sending();
      const Half receiving = state.receiving();
      const bool allowed = apply(state, event);
      ASSERT_EQ(allowed, model.apply(event)) << sequence;
      if (!allowed) {
        ASSERT_EQ(state.sending(), sending) << sequence;
        ASSERT_EQ(state.receiving(), receiving) << sequence;
      }
      ASSERT_EQ(state.over(), model.over()) << sequence;
      ASSERT_EQ(state.can_send(), !model.was_reset && !model.sent) << sequence;
      ASSERT_EQ(state.can_receive(), !model.was_reset && !model.received) << sequence;
      const Half ended = model.was_reset ? Half::kReset : Half::kFinished;
      ASSERT_EQ(state.sending(), state.can_send() ? Half::kOpen : ended) << sequence;
      ASSERT_EQ(state.receiving(), state.can_receive() ? Half::kOpen : ended) << sequence;
    }
  }
}

TEST(StreamState, AResetEndsAHalfThatWasFinished) {
  StreamState state;
  EXPECT_TRUE(state.fin_sent());
  EXPECT_TRUE(state.reset());
  EXPECT_EQ(state.sending(), Half::kReset);
  EXPECT_EQ(state.receiving(), Half::kReset);
}

TEST(StreamState, AStreamThatEndedInOrderStaysSo) {
  StreamState state;
  EXPECT_TRUE(state.fin_received());
  EXPECT_TRUE(state.fin_sent());
  EXPECT_TRUE(state.over());
  EXPECT_FALSE(state.reset());
  EXPECT_EQ(state.sending(), Half::kFinished);
  EXPECT_EQ(state.receiving(), Half::kFinished);
}

}  // namespace
}  // namespace fairlead
