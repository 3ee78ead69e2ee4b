#include "router/routing/tracer.h"

#include <algorithm>
#include <utility>

#include "router/routing/bounded.h"

namespace fairlead {
namespace {

constexpr const char* kNoRoute = "no route: nobody who can be reached from here serves the key";

}  // namespace

Tracer::Tracer(std::string site_id, std::string site_name, std::uint64_t first_id, TracerHost& host)
    : site_id_(std::move(site_id)), site_name_(std::move(site_name)), next_id_(first_id), host_(host) {}

std::uint64_t Tracer::begin(const Forwarder& forwarder, const std::string& routing_key, Instant now) {
  now_ = now;
  forget_oldest(own_, kReportsMax, &Own::began);
  const std::uint64_t id = next_id_++;
  Own& own = own_[id];
  own.began = now;
  own.report.routing_key = routing_key;
  RouteQuery query;
  query.routing_key = routing_key;
  query.choice = id;
  advance({id, 0, routing_key, {}}, query, forwarder);
  return id;
}

Result<void> Tracer::receive(std::uint32_t link, std::span<const std::uint8_t> bytes, const Forwarder& forwarder,
                             Instant now) {
  now_ = now;
  auto message = decode_trace(bytes);
  if (!message) return std::unexpected(message.error());
  if (auto* trace = std::get_if<TraceMessage>(&*message)) {
    take(link, std::move(*trace), forwarder, now);
  } else {
    take(link, std::get<TraceAnswer>(std::move(*message)), now);
  }
  return {};
}

void Tracer::take(std::uint32_t link, TraceMessage message, const Forwarder& forwarder, Instant now) {
  // Ids are drawn far apart. One that is here already is a peer's mistake, and must not lead answers elsewhere.
  if (own_.contains(message.id) || relayed_.contains(message.id)) return;
  forget_oldest(relayed_, kRelayedMax, &Relayed::until);
  relayed_[message.id] = {link, 0, message.hop, now + kTimeout};
  RouteQuery query;
  query.routing_key = message.routing_key;
  query.arrived_on = link;
  query.path = message.path;
  query.choice = message.id;
  advance(message, query, forwarder);
}

// Whichever way a stream would go from here.
void Tracer::advance(const TraceMessage& message, const RouteQuery& query, const Forwarder& forwarder) {
  PathBuffer buffer;
  const Route route = forwarder.route(query, buffer);
  const auto ended = [&](const char* why) {
    TraceAnswer answer = answer_from_here(message.id, message.hop, TraceAnswer::State::kEnded);
    answer.error = why;
    tell(std::move(answer), now_);
  };
  switch (route.kind) {
    case Route::Kind::kNone:
      return ended(kNoRoute);
    case Route::Kind::kConnector:
      return host_.try_server(route.connector, message.id);
    case Route::Kind::kLink: {
      if (message.hop == UINT8_MAX) return ended("too many hops");
      const std::uint32_t link = route.links[message.id % route.links.size()];
      if (const auto at = relayed_.find(message.id); at != relayed_.end()) at->second.onward = link;
      tell(answer_from_here(message.id, message.hop, TraceAnswer::State::kPassedOn), now_);
      const std::uint8_t hop = static_cast<std::uint8_t>(message.hop + 1);
      return host_.send_trace(
          link, encode(TraceMessage{message.id, hop, message.routing_key, {route.path.begin(), route.path.end()}}));
    }
  }
}

TraceAnswer Tracer::answer_from_here(std::uint64_t id, std::uint8_t hop, TraceAnswer::State state) const {
  TraceAnswer answer;
  answer.id = id;
  answer.hop = hop;
  answer.state = state;
  answer.site_id = site_id_;
  answer.site_name = site_name_;
  return answer;
}

void Tracer::server_tried(std::uint64_t token, std::string server, std::string error, Duration took, Instant now) {
  const auto relayed = relayed_.find(token);
  if (relayed == relayed_.end() && !own_.contains(token)) return;
  const std::uint8_t hop = relayed == relayed_.end() ? std::uint8_t{0} : relayed->second.hop;
  TraceAnswer answer = answer_from_here(token, hop, TraceAnswer::State::kArrived);
  answer.server = std::move(server);
  answer.error = std::move(error);
  answer.connect = took;
  tell(std::move(answer), now);
}

// An answer of ours, to where the trace began.
void Tracer::tell(TraceAnswer answer, Instant now) {
  if (const auto own = own_.find(answer.id); own != own_.end()) return note(own->second, std::move(answer), now);
  if (const auto at = relayed_.find(answer.id); at != relayed_.end()) host_.send_trace(at->second.back, encode(answer));
}

void Tracer::take(std::uint32_t link, TraceAnswer answer, Instant now) {
  if (const auto own = own_.find(answer.id); own != own_.end()) return note(own->second, std::move(answer), now);
  const auto at = relayed_.find(answer.id);
  if (at == relayed_.end() || at->second.onward != link) return;
  host_.send_trace(at->second.back, encode(answer));
}

void Tracer::note(Own& own, TraceAnswer answer, Instant now) {
  TraceReport& report = own.report;
  // In order, each once, whatever a peer says.
  if (report.done || answer.hop != report.hops.size()) return;
  const Duration took = now - own.began - answer.connect;
  report.done = answer.state != TraceAnswer::State::kPassedOn;
  report.error = answer.error;
  report.hops.push_back({std::move(answer), std::max(took, Duration{})});
}

void Tracer::tick(Instant now) {
  now_ = now;
  std::erase_if(relayed_, [&](const auto& relayed) { return relayed.second.until <= now; });
  for (auto& [id, own] : own_) {
    if (own.report.done || now - own.began < kTimeout) continue;
    own.report.done = true;
    own.report.error = "no answer within " + std::to_string(kTimeout.milliseconds() / 1000) + " s from the next one";
  }
}

Instant Tracer::due() const noexcept {
  Instant due = Instant::max();
  for (const auto& relayed : relayed_)
    due = std::min(due, relayed.second.until);
  for (const auto& own : own_) {
    if (!own.second.report.done) due = std::min(due, own.second.began + kTimeout);
  }
  return due;
}

const TraceReport* Tracer::report(std::uint64_t id) const noexcept {
  const auto at = own_.find(id);
  return at == own_.end() ? nullptr : &at->second.report;
}

}  // namespace fairlead
