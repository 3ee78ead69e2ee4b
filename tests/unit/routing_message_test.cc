// Router messages: what is encoded comes back the same; cut at every length, they are refused or (never) misread; what
// is malformed in other ways is refused. Random bytes: tests/fuzz/message_fuzz.cc.
#include "router/routing/message.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/routing_fixtures.h"
#include "transport/base/prng.h"

namespace fairlead {
namespace {

using Bytes = std::vector<std::uint8_t>;

LinkState full_state(std::size_t number) {
  LinkState state = state_of(number, {7, 9}, {{1, 3}, {2, UINT32_MAX}, {3, 1}}, {{"a", 1}, {"key", UINT16_MAX}});
  state.edges.push_back({"edge-1", "first", 4, {{"at-edge", 2}}});
  state.edges.push_back({"edge-2", "", 1, {}});
  return state;
}

Bytes update_of(const std::vector<LinkState>& states) {
  std::vector<const LinkState*> pointers;
  for (const LinkState& state : states)
    pointers.push_back(&state);
  const auto messages = encode_updates(pointers);
  EXPECT_EQ(messages.size(), 1U);
  return messages.front();
}

template <class T>
T decoded(const Bytes& bytes) {
  auto message = decode_message(bytes);
  if (!message) {
    ADD_FAILURE() << message.error().message;
    return {};
  }
  const T* wanted = std::get_if<T>(&*message);
  if (wanted == nullptr) ADD_FAILURE() << "of another kind";
  return wanted == nullptr ? T{} : *wanted;
}

std::vector<Bytes> one_of_each() {
  return {
      encode(SummaryMessage{{{router_of(1), {1, 2, 3}}, {router_of(2), {UINT64_MAX, 0, 1}}}}),
      encode(RequestMessage{{router_of(1), router_of(2), router_of(3)}}),
      update_of({full_state(5), state_of(6, {1, 1}, {})}),
      encode(CostMessage{12}),
      encode(OfferMessage{true, {{"a", 1}, {"b", 2}}}),
      encode(ReachMessage{{{"a", {5, 2}}, {"bc", {0, 1}}}}),
  };
}

TEST(RouterMessage, EachKindComesBackTheSame) {
  const auto summary = decoded<SummaryMessage>(encode(SummaryMessage{{{router_of(1), {4, 5, 6}}, {router_of(2), {}}}}));
  ASSERT_EQ(summary.lines.size(), 2U);
  EXPECT_EQ(summary.lines[0].router, router_of(1));
  EXPECT_EQ(summary.lines[0].version, (LinkStateVersion{4, 5, 6}));
  EXPECT_EQ(summary.lines[1].version, LinkStateVersion{});
  EXPECT_EQ(decoded<RequestMessage>(encode(RequestMessage{{router_of(3)}})).routers, std::vector{router_of(3)});
  EXPECT_EQ(decoded<CostMessage>(encode(CostMessage{UINT32_MAX})).cost, UINT32_MAX);
  const auto offer = decoded<OfferMessage>(encode(OfferMessage{true, {{"a", 1}, {"b", 7}}}));
  EXPECT_TRUE(offer.active);
  EXPECT_EQ(offer.keys, (ServedKeys{{"a", 1}, {"b", 7}}));
  EXPECT_FALSE(decoded<OfferMessage>(encode(OfferMessage{})).active);
  const ReachableKeys keys{{"a", {0, 1}}, {std::string(255, 'k'), {UINT32_MAX, UINT16_MAX}}};
  EXPECT_EQ(decoded<ReachMessage>(encode(ReachMessage{keys})).keys, keys);
}

TEST(RouterMessage, ALinkStateComesBackTheSameAndKnowsItsDigest) {
  const LinkState state = full_state(5);
  const auto update = decoded<UpdateMessage>(update_of({state, state_of(6, {1, 1}, {})}));
  ASSERT_EQ(update.states.size(), 2U);
  EXPECT_TRUE(update.states[0].same_content(state));
  EXPECT_EQ(update.states[0].version, (LinkStateVersion{7, 9, digest_of(state)}));
  EXPECT_TRUE(update.states[1].neighbours.empty());
  EXPECT_NE(update.states[0].version.digest, update.states[1].version.digest);
  EXPECT_EQ(update_of(update.states), update_of({state, state_of(6, {1, 1}, {})}));
}

TEST(RouterMessage, ADigestIsOfTheContentsOnly) {
  LinkState state = full_state(5);
  const std::uint64_t digest = digest_of(state);
  state.version = {100, 100, 100};
  EXPECT_EQ(digest_of(state), digest);
  std::vector<LinkState> others(7, state);
  others[0].site_id += "x";
  others[1].site_name += "x";
  others[2].neighbours.pop_back();
  others[3].neighbours[0].cost += 1;
  others[4].keys["key"] = 1;
  others[5].edges[1].cost = 2;
  others[6].edges[0].keys.clear();
  for (const LinkState& other : others) {
    EXPECT_FALSE(other.same_content(state));
    EXPECT_NE(digest_of(other), digest);
  }
}

TEST(RouterMessage, WhatIsCutShortIsRefused) {
  for (const Bytes& message : one_of_each()) {
    ASSERT_TRUE(decode_message(message).has_value());
    for (std::size_t size = 0; size < message.size(); ++size) {
      // Memory of its own, so that a step beyond the end is seen.
      const Bytes cut(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
      const auto taken = decode_message(cut);
      ASSERT_FALSE(taken.has_value()) << "kind " << int{message[1]} << ", " << size << " of " << message.size();
      EXPECT_EQ(taken.error().code, ErrorCode::kProtocol);
      EXPECT_FALSE(taken.error().message.empty());
    }
  }
}

// A later version may have more to say at the end of a message.
TEST(RouterMessage, WhatFollowsIsIgnored) {
  for (Bytes message : one_of_each()) {
    message.push_back(0);
    message.push_back(0xff);
    EXPECT_TRUE(decode_message(message).has_value()) << int{message[1]};
  }
}

TEST(RouterMessage, AnotherVersionIsRefusedAnotherKindIgnored) {
  for (Bytes message : one_of_each()) {
    message[0] = 2;
    EXPECT_FALSE(decode_message(message).has_value());
  }
  decoded<UnknownMessage>({1, 0});
  decoded<UnknownMessage>({1, 7, 1, 2, 3});
  decoded<UnknownMessage>({1, 255});
}

// Every byte of every message replaced by some others: refused, or something that is put together and taken apart again
// as the same.
TEST(RouterMessage, WhatIsTakenFromBrokenBytesIsWhole) {
  std::size_t refused = 0;
  std::size_t taken = 0;
  for (const Bytes& message : one_of_each()) {
    for (std::size_t at = 0; at < message.size(); ++at) {
      for (const std::uint8_t value : Bytes{0x00, 0x01, 0x02, 0x7f, 0x80, 0xfe, 0xff}) {
        Bytes broken = message;
        broken[at] = value;
        const auto result = decode_message(broken);
        result ? ++taken : ++refused;
        if (!result) continue;
        if (const auto* update = std::get_if<UpdateMessage>(&*result); update != nullptr && !update->states.empty()) {
          const Bytes again = update_of(update->states);
          ASSERT_LE(again.size(), broken.size());
          ASSERT_TRUE(std::equal(again.begin(), again.end(), broken.begin()));
        }
      }
    }
  }
  EXPECT_GT(refused, 100U);
  EXPECT_GT(taken, 100U);
}

template <class Change>
bool refused(Change change) {
  LinkState state = full_state(5);
  change(state);
  return !decode_message(update_of({state})).has_value();
}

TEST(RouterMessage, AMalformedLinkStateIsRefused) {
  EXPECT_FALSE(refused([](LinkState&) {}));
  EXPECT_TRUE(refused([](LinkState& state) { state.site_id.clear(); }));
  EXPECT_TRUE(refused([](LinkState& state) { state.neighbours[1].cost = 0; }));
  EXPECT_TRUE(refused([](LinkState& state) { std::swap(state.neighbours[0], state.neighbours[1]); }));
  EXPECT_TRUE(refused([](LinkState& state) { state.neighbours[1] = state.neighbours[0]; }));
  EXPECT_TRUE(refused([](LinkState& state) { std::swap(state.edges[0], state.edges[1]); }));
  EXPECT_TRUE(refused([](LinkState& state) { state.edges[1].site_id = state.edges[0].site_id; }));
  EXPECT_TRUE(refused([](LinkState& state) { state.edges[0].site_id.clear(); }));
  EXPECT_TRUE(refused([](LinkState& state) { state.edges[0].cost = 0; }));
  EXPECT_TRUE(decode_message(encode(CostMessage{0})).error().message.find("cost") != std::string::npos);
}

Bytes offer_of(std::initializer_list<std::pair<std::string, std::uint16_t>> keys) {
  ByteWriter writer;
  writer.put(std::uint8_t{1});
  writer.put(std::uint8_t{5});
  writer.put(std::uint8_t{1});
  writer.put(static_cast<std::uint16_t>(keys.size()));
  for (const auto& [key, instances] : keys) {
    writer.put(instances);
    writer.put_text(key);
  }
  return writer.take();
}

TEST(RouterMessage, KeysAreInOrderAndServedBySomebody) {
  EXPECT_TRUE(decode_message(offer_of({{"a", 1}, {"b", 1}})).has_value());
  EXPECT_FALSE(decode_message(offer_of({{"b", 1}, {"a", 1}})).has_value());
  EXPECT_FALSE(decode_message(offer_of({{"a", 1}, {"a", 1}})).has_value());
  EXPECT_FALSE(decode_message(offer_of({{"", 1}})).has_value());
  EXPECT_FALSE(decode_message(offer_of({{"a", 0}})).has_value());
}

// They cannot be put in such a way that the other end refuses all the rest.
TEST(RouterMessage, KeysThatNobodyCouldAskForAreLeftOut) {
  ServedKeys keys{{"", 1}, {"good", 1}, {"nobody", 0}, {std::string(300, 'x'), 1}};
  EXPECT_EQ(decoded<OfferMessage>(encode(OfferMessage{true, keys})).keys, (ServedKeys{{"good", 1}}));
  const ReachableKeys reach{{"", {1, 1}}, {"good", {1, 1}}, {std::string(300, 'x'), {1, 1}},
                            {std::string(300, 'x') + "y", {1, 1}}};
  EXPECT_EQ(decoded<ReachMessage>(encode(ReachMessage{reach})).keys, (ReachableKeys{{"good", {1, 1}}}));
}

// A count that promises more than there is must not be believed.
TEST(RouterMessage, AHugeCountTakesNoMemory) {
  for (const std::uint8_t kind : Bytes{1, 2, 3}) {
    const Bytes message{1, kind, 0xff, 0xff, 0xff, 0xff};
    EXPECT_FALSE(decode_message(message).has_value());
  }
  EXPECT_FALSE(decode_message(Bytes{1, 5, 1, 0xff, 0xff}).has_value());
  EXPECT_FALSE(decode_message(Bytes{1, 6, 0xff, 0xff}).has_value());
}

TEST(RouterMessage, ManyLinkStatesTravelInSeveralUpdates) {
  std::vector<LinkState> states;
  for (std::size_t i = 0; i < 4000; ++i)
    states.push_back(state_of(i, {1, 1}, {{1, 1}, {2, 2}}, {{std::string(200, 'k') + std::to_string(i), 1}}));
  // One that is larger than a message should be, all by itself.
  for (int i = 0; i < 3000; ++i)
    states[100].keys[std::string(200, 'l') + std::to_string(i)] = 1;
  std::vector<const LinkState*> pointers;
  for (const LinkState& state : states)
    pointers.push_back(&state);
  const auto messages = encode_updates(pointers);
  EXPECT_GT(messages.size(), 4U);
  std::size_t at = 0;
  for (const Bytes& message : messages) {
    const auto update = decoded<UpdateMessage>(message);
    std::size_t largest = 0;
    for (const LinkState& state : update.states) {
      ASSERT_LT(at, states.size());
      EXPECT_TRUE(state.same_content(states[at]));
      largest = std::max(largest, update_of({states[at]}).size());
      ++at;
    }
    EXPECT_LE(message.size(), kUpdateBytes + largest);
  }
  EXPECT_EQ(at, states.size());
  EXPECT_TRUE(encode_updates({}).empty());
}

TEST(RouterMessage, RandomOnesComeBackTheSame) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Prng prng(seed);
    std::vector<LinkState> states;
    for (std::uint64_t n = 1 + prng.below(4); n > 0; --n) {
      LinkState state = state_of(prng.below(100), {prng.next(), prng.next()}, {});
      std::map<RouterId, std::uint32_t> neighbours;
      for (std::uint64_t i = prng.below(20); i > 0; --i)
        neighbours[RouterId{prng.next()}] = static_cast<std::uint32_t>(1 + prng.below(UINT32_MAX));
      for (const auto& [router, cost] : neighbours)
        state.neighbours.push_back({router, cost});
      for (std::uint64_t i = prng.below(10); i > 0; --i)
        state.keys[std::string(1 + prng.below(255), static_cast<char>(prng.next()))] =
            static_cast<std::uint16_t>(1 + prng.below(UINT16_MAX));
      std::map<std::string, EdgeSite> edges;
      for (std::uint64_t i = prng.below(5); i > 0; --i) {
        const std::string id = site_of(prng.below(1000));
        edges[id] = {id, "name", static_cast<std::uint32_t>(1 + prng.below(9)), {{"key", 1}}};
      }
      for (const auto& edge : edges)
        state.edges.push_back(edge.second);
      states.push_back(std::move(state));
    }
    const auto update = decoded<UpdateMessage>(update_of(states));
    ASSERT_EQ(update.states.size(), states.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
      EXPECT_TRUE(update.states[i].same_content(states[i])) << seed;
      EXPECT_EQ(update.states[i].version.sequence, states[i].version.sequence);
      EXPECT_EQ(update.states[i].version.incarnation, states[i].version.incarnation);
    }
  }
}

}  // namespace
}  // namespace fairlead
