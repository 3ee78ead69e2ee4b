#include "router/routing/survey.h"

#include <algorithm>
#include <array>
#include <utility>

#include "router/routing/bounded.h"
#include "router/routing/message_header.h"

namespace fairlead {
namespace {

constexpr std::size_t kRouterSize = 8;

auto malformed(const char* what) {
  return fail(ErrorCode::kProtocol, std::string("a router message: a survey ") + what);
}

}  // namespace

std::vector<std::uint8_t> encode(const SurveyMessage& message) {
  ByteWriter writer = begin_message(RouterMessageKind::kSurvey);
  writer.put(message.id);
  writer.put(static_cast<std::uint8_t>(message.path.size() / kRouterSize));
  writer.put_bytes(message.path);
  return writer.take();
}

std::vector<std::uint8_t> encode(const SurveyAnswer& answer) {
  ByteWriter writer = begin_message(RouterMessageKind::kSurveyAnswer);
  writer.put(answer.id);
  writer.put(value_of(answer.router));
  const std::size_t links = std::min<std::size_t>(answer.links.size(), UINT16_MAX);
  writer.put(static_cast<std::uint16_t>(links));
  for (const SurveyAnswer::Link& link : std::span(answer.links).first(links)) {
    writer.put(value_of(link.router));
    writer.put(static_cast<std::uint32_t>(std::clamp<std::int64_t>(link.round_trip.microseconds(), 0, UINT32_MAX)));
  }
  const std::size_t loads = std::min<std::size_t>(answer.loads.size(), UINT16_MAX);
  writer.put(static_cast<std::uint16_t>(loads));
  for (const SurveyAnswer::Load& load : std::span(answer.loads).first(loads)) {
    writer.put_text(load.routing_key);
    writer.put(value_of(load.site));
    writer.put(load.open);
  }
  return writer.take();
}

bool is_survey(std::span<const std::uint8_t> message) noexcept {
  return is_message_of(message, RouterMessageKind::kSurvey) || is_message_of(message, RouterMessageKind::kSurveyAnswer);
}

Result<std::variant<SurveyMessage, SurveyAnswer>> decode_survey(std::span<const std::uint8_t> bytes) {
  if (!is_survey(bytes)) return malformed("of another kind");
  ByteReader reader(bytes.subspan(kRouterMessageHeaderSize));
  const std::uint64_t id = reader.take<std::uint64_t>();
  if (is_message_of(bytes, RouterMessageKind::kSurvey)) {
    const auto path = reader.take_bytes(reader.take<std::uint8_t>() * kRouterSize);
    if (!reader.ok()) return malformed("cut short");
    return SurveyMessage{id, {path.begin(), path.end()}};
  }
  SurveyAnswer answer;
  answer.id = id;
  answer.router = RouterId{reader.take<std::uint64_t>()};
  const std::uint16_t links = reader.take<std::uint16_t>();
  for (std::uint16_t i = 0; i < links && reader.ok(); ++i) {
    const RouterId router{reader.take<std::uint64_t>()};
    answer.links.push_back({router, Duration::microseconds(reader.take<std::uint32_t>())});
  }
  const std::uint16_t loads = reader.take<std::uint16_t>();
  for (std::uint16_t i = 0; i < loads && reader.ok(); ++i) {
    std::string key = reader.take_text();
    const RouterId site{reader.take<std::uint64_t>()};
    answer.loads.push_back({std::move(key), site, reader.take<std::uint32_t>()});
  }
  if (!reader.ok()) return malformed("answer cut short");
  return answer;
}

// ---- Surveyor

std::uint64_t Surveyor::begin(const RouteTable& table, Instant now) {
  forget_oldest(own_, kReportsMax, &Own::until);
  const std::uint64_t id = next_id_++;
  Own& own = own_[id];
  own.until = now + kTimeout;
  const PathTree* paths = table.paths();
  for (std::uint32_t node = 0; paths != nullptr && node < paths->size(); ++node) {
    std::array<RouterId, PathTree::kHopsMax> path;
    const std::uint32_t hops = paths->path_to(node, id, path);
    const auto links = hops > 0 ? table.links_to(path[0]) : std::span<const std::uint32_t>();
    if (links.empty()) continue;
    ByteWriter ahead;
    for (std::uint32_t i = 1; i < hops; ++i)
      ahead.put(value_of(path[i]));
    ++own.report.asked;
    host_.send_survey(links.front(), encode(SurveyMessage{id, ahead.take()}));
  }
  own.report.done = own.report.asked == 0;
  return id;
}

Result<void> Surveyor::receive(std::uint32_t link, std::span<const std::uint8_t> bytes, const Forwarder& forwarder,
                               Instant now) {
  auto message = decode_survey(bytes);
  if (!message) return std::unexpected(message.error());
  if (const auto* survey = std::get_if<SurveyMessage>(&*message)) {
    take(link, *survey, forwarder, now);
  } else {
    take(std::get<SurveyAnswer>(std::move(*message)));
  }
  return {};
}

void Surveyor::take(std::uint32_t link, const SurveyMessage& message, const Forwarder& forwarder, Instant now) {
  if (message.path.empty()) {
    SurveyAnswer answer = host_.survey_here();
    answer.id = message.id;
    return host_.send_survey(link, encode(answer));
  }
  RouteQuery query;
  query.arrived_on = link;
  query.path = message.path;
  PathBuffer buffer;
  const Route route = forwarder.route(query, buffer);
  if (route.kind != Route::Kind::kLink) return;  // who asked goes on without that answer
  // Several of one survey pass here. All answers go back to where the first came from, which is on the way to whoever
  // asked, so that they cannot go round in a circle.
  if (!relayed_.contains(message.id)) {
    forget_oldest(relayed_, kRelayedMax, &Relayed::until);
    relayed_[message.id] = {link, now + kTimeout};
  }
  host_.send_survey(route.links.front(), encode(SurveyMessage{message.id, {route.path.begin(), route.path.end()}}));
}

void Surveyor::take(SurveyAnswer answer) {
  if (const auto at = own_.find(answer.id); at != own_.end()) {
    SurveyReport& report = at->second.report;
    // Each router once, and no more of them than were asked, whatever a peer says.
    if (report.done) return;
    report.answers.emplace(answer.router, std::move(answer));
    report.done = report.answers.size() >= report.asked;
    return;
  }
  const auto at = relayed_.find(answer.id);
  if (at != relayed_.end()) host_.send_survey(at->second.back, encode(answer));
}

void Surveyor::tick(Instant now) {
  std::erase_if(relayed_, [&](const auto& relayed) { return relayed.second.until <= now; });
  for (auto& own : own_) {
    if (own.second.until <= now) own.second.report.done = true;
  }
}

Instant Surveyor::due() const noexcept {
  Instant due = Instant::max();
  for (const auto& relayed : relayed_)
    due = std::min(due, relayed.second.until);
  for (const auto& own : own_) {
    if (!own.second.report.done) due = std::min(due, own.second.until);
  }
  return due;
}

const SurveyReport* Surveyor::report(std::uint64_t id) const noexcept {
  const auto at = own_.find(id);
  return at == own_.end() ? nullptr : &at->second.report;
}

}  // namespace fairlead
