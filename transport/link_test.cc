#include "transport/link_test.h"

#include <algorithm>
#include <utility>

#include "transport/shard.h"

namespace fairlead {
namespace {

std::string why_lost(ResetCode code) {
  switch (code) {
    case ResetCode::kNoRoute:
      return "the other end knows no link tests: its version is older than this one";
    case ResetCode::kLinkLost:
      return "the link was lost during the test";
    case ResetCode::kLimit:
      return "one of the ends has no memory left for the test, or is being tested by too many";
    case ResetCode::kClosing:
      return "the link is being closed";
    case ResetCode::kNone:
    case ResetCode::kConnectRefused:
    case ResetCode::kConnectTimeout:
    case ResetCode::kConnectFailed:
    case ResetCode::kPeerReset:
    case ResetCode::kFlowControl:
    case ResetCode::kProtocol:
    case ResetCode::kInternal:
    case ResetCode::kIdle:
      break;
  }
  return "the other end gave the test up: " + std::string(name_of(code));
}

}  // namespace

LinkTestRun::LinkTestRun(Shard& shard, std::uint64_t test, std::uint64_t session_id, const LinkTestPlan& plan)
    : shard_(shard), test_(test), session_id_(session_id), plan_(plan) {}

void LinkTestRun::end() noexcept {
  if (done()) return;
  findings_.error = Error{ErrorCode::kClosing, "the test was ended"};
  finish();
}

void LinkTestRun::start() noexcept {
  probe_ = open<MeterProbe>(MeterService::kEcho);
  enter(LinkTestPhase::kIdle, shard_.now());
  on_tick(shard_.now());
}

template <class End>
End* LinkTestRun::open(MeterService service) {
  auto made = std::make_unique<End>(shard_);
  End* const end = made.get();
  const ResetCode refused = shard_.meters().open(session_id_, service, std::move(made));
  if (refused == ResetCode::kNone) {
    end->hold();
    return end;
  }
  if (!findings_.error) findings_.error = Error{ErrorCode::kReset, why_lost(refused)};
  return nullptr;
}

void LinkTestRun::enter(LinkTestPhase phase, Instant now) {
  findings_.phase = phase;
  phase_began_ = now;
  stopped_ = {};
}

void LinkTestRun::on_tick(Instant now) noexcept {
  note_lost();
  if (!findings_.error) advance(now);
  if (findings_.error || done()) return finish();
  probe_->probe();
  if (now >= report_next_) {
    report_next_ = now + kReportInterval;
    report();
  }
  shard_.timers().arm(tick_, now + kProbeInterval);
}

void LinkTestRun::note_lost() {
  for (const MeterEnd* end :
       {static_cast<MeterEnd*>(probe_), static_cast<MeterEnd*>(source_), static_cast<MeterEnd*>(sink_)}) {
    if (end == nullptr || end->lost() == ResetCode::kNone || findings_.error) continue;
    findings_.error = Error{ErrorCode::kReset, why_lost(end->lost())};
  }
}

void LinkTestRun::advance(Instant now) {
  take_round_trips();
  findings_.elapsed = now - phase_began_;
  switch (findings_.phase) {
    case LinkTestPhase::kIdle:
      if (findings_.elapsed < plan_.idle) return;
      source_ = open<MeterSource>(MeterService::kDiscard);
      return enter(LinkTestPhase::kUpload, now);
    case LinkTestPhase::kUpload:
      return advance_upload(now);
    case LinkTestPhase::kDownload:
      return advance_download(now);
    case LinkTestPhase::kDone:
      return;
  }
}

void LinkTestRun::advance_upload(Instant now) {
  if (stopped_ == Instant{}) {
    findings_.upload = {source_->bytes(), findings_.elapsed};
    if (findings_.elapsed < plan_.transfer) return;
    source_->stop();
    stopped_ = now;
  }
  if (!source_->over()) return check_patience(stopped_, now, "did not confirm what it got");
  // The answer took its way back as well.
  const auto& idle = findings_.round_trips[0];
  const Duration way = idle.empty() ? Duration{} : *std::ranges::min_element(idle);
  if (!source_->answered() || source_->answer() > source_->bytes() || source_->answered_at() < stopped_) {
    findings_.error = Error{ErrorCode::kProtocol, "the other end did not say what it got, or nonsense"};
  } else {
    findings_.upload = {source_->answer(), source_->answered_at() - source_->began() - way};
  }
  std::exchange(source_, nullptr)->release();
  sink_ = open<MeterSink>(MeterService::kChargen);
  enter(LinkTestPhase::kDownload, now);
}

void LinkTestRun::advance_download(Instant now) {
  if (stopped_ == Instant{}) {
    findings_.download = {sink_->bytes(), sink_->bytes() > 0 ? now - sink_->began() : Duration{}};
    if (findings_.elapsed < plan_.transfer) return;
    sink_->stop();
    stopped_ = now;
  }
  if (!sink_->over()) return check_patience(stopped_, now, "did not stop to send");
  enter(LinkTestPhase::kDone, now);
}

void LinkTestRun::check_patience(Instant since, Instant now, const char* what) {
  if (now - since < kPatience) return;
  findings_.error = Error{ErrorCode::kTimeout, std::string("the other end ") + what + " within 60 s"};
}

void LinkTestRun::take_round_trips() {
  // Those that came back since belong to the phase that they came back in.
  auto& taken = findings_.round_trips[static_cast<std::size_t>(findings_.phase)];
  const std::vector<Duration> fresh = probe_->take_round_trips();
  taken.insert(taken.end(), fresh.begin(), fresh.end());
}

// Round trips only at the end: they may be thousands.
void LinkTestRun::report() {
  LinkTestFindings found{.phase = findings_.phase,
                         .elapsed = findings_.elapsed,
                         .upload = findings_.upload,
                         .download = findings_.download,
                         .round_trips = {},
                         .error = findings_.error};
  if (done()) found.round_trips = std::move(findings_.round_trips);
  shard_.report_link_test(test_, session_id_, std::move(found));
}

void LinkTestRun::finish() {
  tick_.cancel();
  for (MeterEnd* end :
       {static_cast<MeterEnd*>(std::exchange(probe_, nullptr)), static_cast<MeterEnd*>(std::exchange(source_, nullptr)),
        static_cast<MeterEnd*>(std::exchange(sink_, nullptr))}) {
    if (end != nullptr) end->release();
  }
  findings_.phase = LinkTestPhase::kDone;
  report();
}

}  // namespace fairlead
