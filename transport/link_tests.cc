#include "transport/link_tests.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "transport/transport.h"

namespace fairlead {
namespace {

void add(LinkTestTransfer& sum, const LinkTestTransfer& part) {
  sum.bytes += part.bytes;
  sum.took = std::max(sum.took, part.took);
}

}  // namespace

bool LinkTests::Test::done() const noexcept {
  return std::ranges::all_of(parts, [](const auto& part) { return part.second.phase == LinkTestPhase::kDone; });
}

Result<std::uint64_t> LinkTests::begin(const LinkRecord& record, const LinkTestPlan& plan) {
  const std::string& name = record.status.name;
  if (!record.up || record.going_away || record.sessions.empty()) {
    const std::optional<LastError>& error = record.status.last_error;
    return fail(ErrorCode::kUnreachable, "link " + name + " is not up" + (error ? ": " + error->message : ""));
  }
  const auto under_way = [&](const auto& test) { return test.second.link_id == record.id && !test.second.done(); };
  if (std::ranges::any_of(tests_, under_way)) {
    return fail(ErrorCode::kDuplicate, "link " + name + " is being tested already");
  }
  if (tests_.size() == kReportsMax) tests_.erase(tests_.begin());
  const std::uint64_t id = next_++;
  Test& test = tests_[id];
  test.link_id = record.id;
  test.report.link = name;
  test.report.site = record.status.remote_site_name;
  test.report.sessions = record.sessions.size();
  for (const auto& [session_id, entry] : record.sessions) {
    test.parts[session_id];
    transport_.shards()[entry.shard]->mailbox().post(make_task<Shard>([id, session = session_id, plan](Shard& shard) {
      shard.meters().begin(std::make_unique<LinkTestRun>(shard, id, session, plan));
    }));
  }
  return id;
}

void LinkTests::end(std::uint64_t test) {
  const auto at = tests_.find(test);
  if (at == tests_.end() || at->second.done()) return;
  for (const auto& shard : transport_.shards())
    shard->mailbox().post(make_task<Shard>([test](Shard& target) { target.meters().end_test(test); }));
}

void LinkTests::take(std::uint64_t test, std::uint64_t session_id, LinkTestFindings findings) {
  const auto at = tests_.find(test);
  if (at != tests_.end()) at->second.parts[session_id] = std::move(findings);
}

std::optional<LinkTestReport> LinkTests::report(std::uint64_t test) const {
  const auto at = tests_.find(test);
  if (at == tests_.end()) return std::nullopt;
  LinkTestReport report = at->second.report;
  report.done = at->second.done();
  LinkTestFindings& sum = report.findings;
  sum.phase = LinkTestPhase::kDone;
  for (const auto& [session, part] : at->second.parts) {
    if (part.phase < sum.phase) sum.elapsed = {};
    if (part.phase <= sum.phase) sum.elapsed = std::max(sum.elapsed, part.elapsed);
    sum.phase = std::min(sum.phase, part.phase);
    add(sum.upload, part.upload);
    add(sum.download, part.download);
    for (std::size_t i = 0; i < kLinkTestPhases; ++i) {
      sum.round_trips[i].insert(sum.round_trips[i].end(), part.round_trips[i].begin(), part.round_trips[i].end());
    }
    if (part.error && !sum.error) sum.error = part.error;
  }
  return report;
}

// ---- which link

Result<std::uint64_t> Transport::begin_link_test(const std::string& name, const LinkTestPlan& plan) {
  if (draining_) return fail(ErrorCode::kClosing, "the gateway is being stopped: it opens no streams any more");
  if (Link* link = find_link(name); link != nullptr) return link_tests_.begin(link->record(), plan);
  std::vector<const LinkRecord*> up, down;
  const auto consider = [&](const LinkRecord& record) {
    const LinkStatus& status = record.status;
    const bool meant = status.name == name || status.remote_site_name == name || status.url == name;
    if (meant && !record.going_away) (record.up ? up : down).push_back(&record);
  };
  for (const auto& link : links_)
    consider(link->record());
  for (const auto& link : incoming_)
    consider(link->record);
  const std::vector<const LinkRecord*>& found = up.empty() ? down : up;
  if (found.empty())
    return fail(ErrorCode::kNotFound, "there is no link " + name + ", and none to a site of that name");
  if (found.size() == 1) return link_tests_.begin(*found.front(), plan);
  std::string links;
  for (const LinkRecord* record : found) {
    const LinkStatus& status = record->status;
    links += (links.empty() ? "" : ", ") + status.name + " with " + status.remote_site_name + " at " + status.url;
  }
  return fail(ErrorCode::kDuplicate, name + " may be several links (" + links + "): name its site or address");
}

}  // namespace fairlead
