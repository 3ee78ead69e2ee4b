#include "tests/sim/flow_ledger.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace fairlead::sim {
namespace {

constexpr std::uint64_t kMagic = 0x66'6c'6f'77'2d'65'6e'64;

// One word of the pattern (the finisher of splitmix64): each depends on all bits of number and offset.
std::uint64_t word_at(std::uint64_t number, std::uint64_t index) noexcept {
  if (index == 0) return kMagic;
  if (index == 1) return number;
  std::uint64_t z = number * 0x9e3779b97f4a7c15ULL + index;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace

void write_pattern(std::uint64_t number, std::uint64_t offset, std::span<std::uint8_t> to) {
  std::size_t done = 0;
  while (done < to.size()) {
    const std::uint64_t word = word_at(number, (offset + done) / 8);
    const std::size_t skip = (offset + done) % 8;
    const std::size_t size = std::min(8 - skip, to.size() - done);
    std::memcpy(to.data() + done, reinterpret_cast<const std::uint8_t*>(&word) + skip, size);
    done += size;
  }
}

FlowEnd& FlowLedger::open(bool client, const std::string& routing_key, unsigned site, unsigned life) {
  FlowEnd& end = ends_.emplace_back();
  end.number = ends_.size();
  end.client = client;
  end.routing_key = routing_key;
  end.site = site;
  end.life = life;
  return end;
}

void FlowLedger::site_started(unsigned site, std::uint16_t first_port) {
  first_ports_[site].push_back(first_port);
}

unsigned FlowLedger::life_at(unsigned site, std::uint16_t gateway_port) const noexcept {
  const auto& ports = first_ports_.at(site);
  const auto later = std::upper_bound(ports.begin(), ports.end(), gateway_port);
  return static_cast<unsigned>(later - ports.begin());
}

const FlowEnd* FlowLedger::find(std::uint64_t number) const noexcept {
  return number > 0 && number <= ends_.size() ? &ends_[number - 1] : nullptr;
}

std::size_t FlowLedger::open_count() const noexcept {
  return static_cast<std::size_t>(
      std::count_if(ends_.begin(), ends_.end(), [](const FlowEnd& end) { return !end.over; }));
}

void FlowLedger::received(FlowEnd& end, std::span<const std::uint8_t> bytes) {
  if (end.peer_finished) violate(end, "bytes behind the end of the stream");
  while (end.received < kFlowHeaderBytes && !bytes.empty()) {
    end.header[end.received++] = bytes.front();
    bytes = bytes.subspan(1);
    if (end.received == kFlowHeaderBytes) learn_partner(end);
  }
  if (bytes.empty()) return;
  std::vector<std::uint8_t> expected(bytes.size());
  write_pattern(end.partner, end.received, expected);
  const auto [got, wanted] = std::mismatch(bytes.begin(), bytes.end(), expected.begin());
  if (got != bytes.end() && violations_.size() < 20) {
    violate(end, fmt::format("byte {} is 0x{:02x} and not 0x{:02x}",
                             end.received + static_cast<std::uint64_t>(got - bytes.begin()), *got, *wanted));
  }
  end.received += bytes.size();
}

void FlowLedger::learn_partner(FlowEnd& end) {
  std::uint64_t magic = 0;
  std::uint64_t number = 0;
  std::memcpy(&magic, end.header.data(), 8);
  std::memcpy(&number, end.header.data() + 8, 8);
  const FlowEnd* partner = find(number);
  if (magic != kMagic || partner == nullptr) return violate(end, "what was received does not begin with a header");
  end.partner = number;
  if (partner->client == end.client) violate(end, fmt::format("talks to connection {} of its own kind", number));
  if (partner->routing_key != end.routing_key)
    violate(end, "talks to a connection of routing key " + partner->routing_key);
  if (partner->partner != 0 && partner->partner != end.number)
    violate(end, "talks to one who talks to another: " + describe(*partner));
}

void FlowLedger::peer_finished(FlowEnd& end) {
  end.peer_finished = true;
  if (killed_.contains({end.site, end.life})) return;
  const FlowEnd* partner = find(end.partner);
  if (partner == nullptr) return violate(end, "an end of stream in front of the header");
  if (!partner->finished || partner->sent != end.received) {
    violate(end, "an end of stream where the other end did not finish: " + describe(*partner));
  }
}

std::string FlowLedger::describe(const FlowEnd& end) {
  return fmt::format("{} {} of site {} life {}, key {}: sent {}{}, received {}{}{}{}{}{}, partner {}",
                     end.client ? "client" : "server", end.number, end.site, end.life, end.routing_key, end.sent,
                     end.finished ? " and finished" : "", end.received, end.peer_finished ? " and the end" : "",
                     end.over ? ", over" : "", end.cut.empty() ? "" : ", cut: ", end.cut,
                     end.scripted_abort ? ", means to abort" : "", end.partner);
}

void FlowLedger::violate(const FlowEnd& end, const std::string& what) {
  violations_.push_back(describe(end) + ": " + what);
}

}  // namespace fairlead::sim
