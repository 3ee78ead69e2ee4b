// A link test: round trips while the link carries nothing of the test, then while as much as it takes goes one way,
// then the other. Each session of the link is tested by a run of its own, on its shard; they keep the same timetable.
//
//   kIdle (echo) ──► kUpload (echo beside discard) ──► kDownload (echo beside chargen) ──► kDone, or with an error
//
// LinkTestRun: owned by the shard's Meters, its thread. The rest are values.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transport/base/error.h"
#include "transport/meters.h"
#include "transport/uring/timers.h"

namespace fairlead {

struct LinkTestPlan {
  Duration idle = Duration::seconds(1);
  Duration transfer = Duration::seconds(3);  // each way
};

enum class LinkTestPhase : std::uint8_t { kIdle, kUpload, kDownload, kDone };

inline constexpr std::size_t kLinkTestPhases = 3;  // without kDone

// What went one way.
struct LinkTestTransfer {
  std::uint64_t bytes = 0;
  Duration took{};

  double bits_per_second() const noexcept {
    return took.ns > 0 ? static_cast<double>(bytes) * 8e9 / static_cast<double>(took.ns) : 0;
  }
};

// What a run, or all of a link together, found out so far.
struct LinkTestFindings {
  LinkTestPhase phase = LinkTestPhase::kIdle;
  Duration elapsed{};  // of the phase
  LinkTestTransfer upload;
  LinkTestTransfer download;
  std::array<std::vector<Duration>, kLinkTestPhases> round_trips;  // by phase, as they came
  std::optional<Error> error;                                      // then it is done
};

class LinkTestRun {
 public:
  // How long the other end may take to confirm what it got, or to stop.
  static constexpr Duration kPatience = Duration::seconds(60);

  LinkTestRun(Shard& shard, std::uint64_t test, std::uint64_t session_id, const LinkTestPlan& plan);
  LinkTestRun(const LinkTestRun&) = delete;
  LinkTestRun& operator=(const LinkTestRun&) = delete;

  // Once Meters has it.
  void start() noexcept;
  // Before its time: the shard stops.
  void end() noexcept;

  std::uint64_t test() const noexcept { return test_; }

  // It told so; to be destroyed.
  bool done() const noexcept { return findings_.phase == LinkTestPhase::kDone; }

 private:
  static constexpr Duration kProbeInterval = Duration::milliseconds(10);
  static constexpr Duration kReportInterval = Duration::milliseconds(100);

  void on_tick(Instant now) noexcept;
  void advance(Instant now);
  void advance_upload(Instant now);
  void advance_download(Instant now);
  void enter(LinkTestPhase phase, Instant now);
  template <class End>
  End* open(MeterService service);
  void note_lost();
  void take_round_trips();
  void check_patience(Instant since, Instant now, const char* what);
  void report();
  void finish();

  Shard& shard_;
  const std::uint64_t test_;
  const std::uint64_t session_id_;
  const LinkTestPlan plan_;
  LinkTestFindings findings_;
  MeterProbe* probe_ = nullptr;
  MeterSource* source_ = nullptr;
  MeterSink* sink_ = nullptr;
  Instant phase_began_{};
  Instant stopped_{};  // the transfer of the phase; {}: not yet
  Instant report_next_{};

  TimerOf<&LinkTestRun::on_tick> tick_{*this};
};

}  // namespace fairlead
