// What a neighbour says as a router message: arbitrary bytes as one message, and runs of them against live Routing
// machines: an interior one with two interior neighbours and an edge site, and an edge one with two uplinks. Whatever
// comes, what they send must be understood, and their tables must answer.
//
// First byte of the input: 0 one message; otherwise steps: what (1), and for messages length (2) and as many bytes.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "router/routing/routing.h"
#include "router/routing/survey.h"
#include "router/routing/trace_message.h"
#include "tests/fuzz/fuzz_target.h"
#include "transport/wire/frame.h"

namespace fairlead {
namespace {

Bytes encode_again(const RouterMessage& message) {
  return std::visit(
      [](const auto& kind) -> Bytes {
        using Kind = std::decay_t<decltype(kind)>;
        if constexpr (std::is_same_v<Kind, UnknownMessage>) {
          return {};
        } else if constexpr (std::is_same_v<Kind, UpdateMessage>) {
          std::vector<const LinkState*> states;
          for (const LinkState& state : kind.states)
            states.push_back(&state);
          // More than one message only if there is that much.
          const auto messages = encode_updates(states);
          return messages.size() == 1 ? messages.front() : Bytes{};
        } else {
          return encode(kind);
        }
      },
      message);
}

// What was understood must be the same when it is said again.
template <class Decoded>
void feed_question(std::span<const std::uint8_t> bytes, const Decoded& message) {
  if (!message) return expect(!message.error().message.empty());
  const Bytes again = std::visit([](const auto& kind) { return encode(kind); }, *message);
  expect(again.size() <= bytes.size() && std::equal(again.begin(), again.end(), bytes.begin()));
}

void feed_message(std::span<const std::uint8_t> bytes) {
  if (is_trace(bytes)) return feed_question(bytes, decode_trace(bytes));
  if (is_survey(bytes)) return feed_question(bytes, decode_survey(bytes));
  const auto message = decode_message(bytes);
  if (!message) return expect(!message.error().message.empty());
  const Bytes again = encode_again(*message);
  // Only the byte that says whether an offer is active has several ways to say the same.
  if (again.empty() || again[1] == 5) return;
  expect(again.size() <= bytes.size() && std::equal(again.begin(), again.end(), bytes.begin()));
}

class Machine final : public RoutingOutbox {
 public:
  explicit Machine(bool edge) : routing_({"fuzzed", "fuzzed", 1000, edge}, *this) {
    LocalConnectors connectors;
    connectors["own"] = {{1, LoadRef::make()}, {2, LoadRef::make()}};
    routing_.set_connectors(std::move(connectors), now_);
    for (std::uint32_t link = 1; link <= kLinks; ++link)
      link_up(link);
  }

  void step(std::uint8_t what, std::span<const std::uint8_t> bytes) {
    const std::uint32_t link = 1 + what % kLinks;
    switch (what / kLinks % 8) {
      case 0:
      case 1:
      case 2: {
        const auto taken = routing_.receive(link, bytes, now_);
        expect(taken.has_value() || !taken.error().message.empty());
        break;
      }
      case 3:
        now_ = now_ + Duration::milliseconds(1 + what);
        break;
      case 4:
        now_ = now_ + Duration::seconds(61);
        break;
      case 5:
        routing_.link_reset(link, now_);
        break;
      case 6:
        routing_.link_down(link, now_);
        link_up(link);
        break;
      case 7:
        routing_.set_link_cost(link, 1 + what % 5, now_);
        break;
    }
    if (routing_.due() <= now_) routing_.tick(now_);
    expect(routing_.due() > now_);
  }

  void ask() {
    const auto table = routing_.table();
    PathBuffer buffer;
    std::vector<std::string> keys = table->keys();
    expect(std::find(keys.begin(), keys.end(), "own") != keys.end());
    keys.resize(std::min<std::size_t>(keys.size(), 8));
    for (const std::string& key : keys) {
      expect(table->reachable(key) && !table->candidates(key).empty());
      for (std::uint32_t from = 0; from <= kLinks; ++from) {
        RouteQuery query;
        query.routing_key = key;
        if (from > 0) query.arrived_on = from;
        const Route route = table->route(query, buffer);
        expect(from > 0 || route.kind != Route::Kind::kNone);
        if (route.kind != Route::Kind::kLink) continue;
        expect(!route.links.empty() && route.links.front() != from);
        expect(route.path.size() % 8 == 0 && route.path.size() <= buffer.size());
      }
    }
  }

  void send(std::uint32_t link, Bytes message) override {
    expect(link >= 1 && link <= kLinks);
    expect(decode_message(message).has_value());
  }

 private:
  static constexpr std::uint32_t kLinks = 3;

  void link_up(std::uint32_t link) {
    const LinkKind kind = routing_.edge() ? LinkKind::kUplink : link == 3 ? LinkKind::kEdge : LinkKind::kInterior;
    const std::string peer = "peer-" + std::to_string(link);
    routing_.link_up(link, {peer, peer, kind, 1, link}, now_);
  }

  Instant now_{1'000'000'000};
  Routing routing_;
};

void feed_steps(std::span<const std::uint8_t> input) {
  Machine interior(false);
  Machine edge(true);
  while (input.size() >= 3) {
    const std::uint8_t what = input[0];
    const std::size_t size = std::min<std::size_t>(wire::load<std::uint16_t>(&input[1]), input.size() - 3);
    // Memory of its own, so that a step beyond the message is seen.
    const Bytes message(input.begin() + 3, input.begin() + 3 + static_cast<std::ptrdiff_t>(size));
    input = input.subspan(3 + size);
    interior.step(what, message);
    edge.step(what, message);
  }
  interior.ask();
  edge.ask();
}

}  // namespace

void fuzz(std::span<const std::uint8_t> input) {
  input[0] == 0 ? feed_message(input.subspan(1)) : feed_steps(input.subspan(1));
}

}  // namespace fairlead
