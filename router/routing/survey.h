// Survey: what routers measure and do not tell unasked: the round trips of their links, and the connections that they
// have open to each destination. Asked for by `fairlead network status` and `route --from`, so that a network that
// nobody looks at stays silent.
//
//   router messages (message.h), between interior routers
//     9 survey   id (8), path: count (1) and 8 bytes for each router still ahead
//    10 answer   id (8), router (8), links: count (2), then router (8), round trip (4: microseconds, 0 not known);
//                loads: count (2), then routing key, site (8), open connections (4). Goes back the way the survey came
//
// Pure. Owner of a Surveyor: Router. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "router/routing/route_table.h"
#include "router/routing/router_id.h"
#include "transport/base/error.h"
#include "transport/base/time.h"

namespace fairlead {

struct SurveyMessage {
  std::uint64_t id = 0;
  std::vector<std::uint8_t> path;  // as OPEN carries it
};

struct SurveyAnswer {
  struct Link {
    RouterId router = kNoRouter;
    Duration round_trip{};
  };

  struct Load {
    std::string routing_key;
    RouterId site = kNoRouter;
    std::uint32_t open = 0;
  };

  std::uint64_t id = 0;
  RouterId router = kNoRouter;
  std::vector<Link> links;
  std::vector<Load> loads;
};

std::vector<std::uint8_t> encode(const SurveyMessage& message);
std::vector<std::uint8_t> encode(const SurveyAnswer& answer);

bool is_survey(std::span<const std::uint8_t> message) noexcept;
Result<std::variant<SurveyMessage, SurveyAnswer>> decode_survey(std::span<const std::uint8_t> message);

struct SurveyReport {
  std::map<RouterId, SurveyAnswer> answers;
  std::size_t asked = 0;
  bool done = false;  // all have answered, or the time is over
};

class SurveyHost {
 public:
  virtual void send_survey(std::uint32_t link, std::vector<std::uint8_t> message) = 0;
  // What this router has to say, without an id.
  virtual SurveyAnswer survey_here() const = 0;

 protected:
  ~SurveyHost() = default;
};

class Surveyor {
 public:
  // Who has not answered by then is not waited for.
  static constexpr Duration kTimeout = Duration::seconds(1);
  static constexpr std::size_t kRelayedMax = 256;
  static constexpr std::size_t kReportsMax = 16;

  Surveyor(std::uint64_t first_id, SurveyHost& host) : next_id_(first_id), host_(host) {}

  Surveyor(const Surveyor&) = delete;
  Surveyor& operator=(const Surveyor&) = delete;

  // Asks every interior router that can be reached. Returns its id.
  std::uint64_t begin(const RouteTable& table, Instant now);
  // An error is the peer's fault and changes nothing.
  Result<void> receive(std::uint32_t link, std::span<const std::uint8_t> message, const Forwarder& forwarder,
                       Instant now);
  // To be called at due(), or later.
  void tick(Instant now);
  Instant due() const noexcept;

  // Null if it is not known, or forgotten.
  const SurveyReport* report(std::uint64_t id) const noexcept;

 private:
  struct Own {
    SurveyReport report;
    Instant until{};
  };

  struct Relayed {
    std::uint32_t back = 0;
    Instant until{};
  };

  void take(std::uint32_t link, const SurveyMessage& message, const Forwarder& forwarder, Instant now);
  void take(SurveyAnswer answer);

  std::uint64_t next_id_;
  SurveyHost& host_;
  std::map<std::uint64_t, Own> own_;
  std::map<std::uint64_t, Relayed> relayed_;
};

}  // namespace fairlead
