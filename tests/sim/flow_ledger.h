// FlowLedger: what every application connection of a simulation sent, received and was told about its end, and the
// rules that this has to follow whatever fails in between:
//
//   - what was received is a beginning of what the other end sent, byte by byte;
//   - an end of stream is seen only by who received everything and whose other end finished. Anything else has to be a
//     reset; only the kernel of a gateway that was killed closes cut streams in order, as Linux does after a SIGKILL;
//   - two connections that talk to each other are of one routing key, one is the client, and nobody else joins in.
//
// Every connection sends a header with its number first, so a receiver knows whose bytes to expect, and never finishes
// without it. What follows is a function of the number and the offset.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace fairlead::sim {

// Writes what connection `number` sends at `offset`.
void write_pattern(std::uint64_t number, std::uint64_t offset, std::span<std::uint8_t> to);

inline constexpr std::uint64_t kFlowHeaderBytes = 16;

struct FlowEnd {
  std::uint64_t number = 0;
  bool client = false;
  std::string routing_key;
  unsigned site = 0;            // the gateway it is connected to
  unsigned life = 0;            // of that gateway, when the connection began
  bool scripted_abort = false;  // this end means to end it by a reset
  bool stalls = false;          // this end stops reading until it is told to go on

  std::uint64_t sent = 0;
  bool finished = false;  // and said so to its kernel
  std::uint64_t received = 0;
  bool peer_finished = false;
  bool over = false;
  std::string cut;            // why it ended other than in order
  std::uint64_t partner = 0;  // number of the other end; 0: nothing was received yet

  std::array<std::uint8_t, kFlowHeaderBytes> header{};

  bool clean() const noexcept { return over && cut.empty() && finished && peer_finished; }
};

class FlowLedger {
 public:
  // `gateway_port` is the port that a server sees its client use: it tells the lives of a gateway apart.
  FlowEnd& open_client(const std::string& routing_key, unsigned site) {
    return open(true, routing_key, site, life_of(site));
  }

  FlowEnd& open_server(const std::string& routing_key, unsigned site, std::uint16_t gateway_port) {
    return open(false, routing_key, site, life_at(site, gateway_port));
  }

  void received(FlowEnd& end, std::span<const std::uint8_t> bytes);
  void peer_finished(FlowEnd& end);

  // The gateway of a site is killed, or starts; it uses ports from `first_port` on.
  void site_killed(unsigned site) { killed_.insert({site, life_of(site)}); }

  void site_started(unsigned site, std::uint16_t first_port);

  unsigned life_of(unsigned site) const noexcept { return static_cast<unsigned>(first_ports_.at(site).size()); }

  const FlowEnd* find(std::uint64_t number) const noexcept;

  const std::deque<FlowEnd>& ends() const noexcept { return ends_; }

  std::size_t open_count() const noexcept;

  const std::vector<std::string>& violations() const noexcept { return violations_; }

  static std::string describe(const FlowEnd& end);

 private:
  FlowEnd& open(bool client, const std::string& routing_key, unsigned site, unsigned life);
  unsigned life_at(unsigned site, std::uint16_t gateway_port) const noexcept;
  void learn_partner(FlowEnd& end);
  void violate(const FlowEnd& end, const std::string& what);

  std::deque<FlowEnd> ends_;                                    // number n is at n - 1
  std::map<unsigned, std::vector<std::uint16_t>> first_ports_;  // by site, of each of its lives
  std::set<std::pair<unsigned, unsigned>> killed_;              // site and life
  std::vector<std::string> violations_;
};

}  // namespace fairlead::sim
