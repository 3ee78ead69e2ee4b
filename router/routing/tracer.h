// Tracer: `fairlead trace` at one router: sends a trace where the next connection for a routing key would go, answers
// those of others and passes them on, and carries answers back. It asks the very route table that streams are led by,
// and counts as no connection.
//
//   begin ──► trace ──► trace ──► connector: tries its server
//     ◄── answer 1 ──┘    │
//     ◄────── answer 2 ◄──┘          each is timed from the beginning
//
// Pure. Owner: Router. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "router/routing/trace_message.h"
#include "transport/base/error.h"
#include "transport/base/time.h"
#include "transport/forwarder.h"

namespace fairlead {

struct TraceHop {
  TraceAnswer answer;
  Duration round_trip{};  // from the beginning until its answer, without the server's part
};

struct TraceReport {
  std::string routing_key;
  std::vector<TraceHop> hops;  // the first is the router where it began
  bool done = false;
  std::string error;  // why it did not get to a server that answers
};

class TracerHost {
 public:
  virtual void send_trace(std::uint32_t link, std::vector<std::uint8_t> message) = 0;
  // Connects to the connector's server; server_tried() tells with the same token what came of it.
  virtual void try_server(std::uint32_t connector, std::uint64_t token) = 0;

 protected:
  ~TracerHost() = default;
};

class Tracer {
 public:
  // Longer than a server is tried for.
  static constexpr Duration kTimeout = Duration::seconds(5);
  // Traces of others that pass by, or of our own that are remembered. Beyond it the oldest are forgotten.
  static constexpr std::size_t kRelayedMax = 1024;
  static constexpr std::size_t kReportsMax = 64;

  Tracer(std::string site_id, std::string site_name, std::uint64_t first_id, TracerHost& host);
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // Returns its id.
  std::uint64_t begin(const Forwarder& forwarder, const std::string& routing_key, Instant now);
  // An error is the peer's fault and changes nothing.
  Result<void> receive(std::uint32_t link, std::span<const std::uint8_t> message, const Forwarder& forwarder,
                       Instant now);
  void server_tried(std::uint64_t token, std::string server, std::string error, Duration took, Instant now);
  // To be called at due(), or later.
  void tick(Instant now);
  Instant due() const noexcept;

  // Null if it is not known, or forgotten.
  const TraceReport* report(std::uint64_t id) const noexcept;

 private:
  struct Own {
    TraceReport report;
    Instant began{};
  };

  // One that came from a neighbour.
  struct Relayed {
    std::uint32_t back = 0;
    std::uint32_t onward = 0;  // 0: it ended here
    std::uint8_t hop = 0;
    Instant until{};
  };

  void advance(const TraceMessage& message, const RouteQuery& query, const Forwarder& forwarder);
  void take(std::uint32_t link, TraceMessage message, const Forwarder& forwarder, Instant now);
  void take(std::uint32_t link, TraceAnswer answer, Instant now);
  TraceAnswer answer_from_here(std::uint64_t id, std::uint8_t hop, TraceAnswer::State state) const;
  void tell(TraceAnswer answer, Instant now);
  void note(Own& own, TraceAnswer answer, Instant now);

  const std::string site_id_;
  const std::string site_name_;
  std::uint64_t next_id_;
  TracerHost& host_;
  Instant now_{};
  std::map<std::uint64_t, Own> own_;
  std::map<std::uint64_t, Relayed> relayed_;
};

}  // namespace fairlead
