#include "tests/sim/site_world.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/sim/ipv4.h"
#include "transport/base/check.h"
#include "transport/tls/certificates.h"

namespace fairlead::sim {
namespace {

constexpr Duration kStopWithin = Duration::seconds(5);
// Slow worlds are healed in the middle of what they do.
constexpr std::uint64_t kRoundsOfFaultsMax = 40'000;
constexpr Duration kTimeOfFaultsMax = Duration::seconds(60);
constexpr std::uint64_t kRoundsMax = 1'500'000;
constexpr std::uint64_t kRoundsBetweenChecks = 256;

bool may_be_cut(const FlowEnd& end) {
  return end.scripted_abort || end.routing_key.starts_with("abort") || end.routing_key.starts_with("refuse");
}

}  // namespace

std::string host_literal(const SimKernel& kernel) {
  const std::string text = sim::to_string(make_address(kernel.ip(), 0));
  return text.substr(0, text.find(':'));
}

std::shared_ptr<const Credentials> fresh_credentials() {
  static const auto authority = make_ca({.common_name = "simulated", .kind = KeyKind::kEd25519});
  CHECK(authority.has_value());
  CertificateRequest request{.common_name = "site", .kind = KeyKind::kEd25519};
  for (unsigned host = 1; host <= 8; ++host)
    request.hosts.push_back(fmt::format("10.0.0.{}", host));
  const auto bundle = make_certificate(*authority, request);
  CHECK(bundle.has_value());
  auto loaded = Credentials::load(*bundle);
  CHECK(loaded.has_value());
  return *loaded;
}

std::shared_ptr<const Credentials> shared_credentials() {
  static const std::shared_ptr<const Credentials> credentials = fresh_credentials();
  return credentials;
}

std::string describe(const Verdict& verdict) {
  return fmt::format("{} of {} connection ends in order, {} rounds, {:.3f} s simulated, trace {:016x}", verdict.clean,
                     verdict.ends, verdict.rounds, static_cast<double>(verdict.simulated.ns) / 1e9, verdict.trace_hash);
}

SiteWorld::SiteWorld(std::uint64_t seed, const Faults& faults, Manners manners, std::FILE* trace)
    : world_(seed, faults), prng_(world_.prng().next()), manners_(manners) {
  world_.print_trace_to(trace);
}

void SiteWorld::add_site(const std::string& name) {
  const auto number = static_cast<unsigned>(sides_.size());
  sides_.emplace_back().site = std::make_unique<GatewaySite>(world_, ledger_, number, name);
}

void SiteWorld::add_apps(unsigned number, const FlowSizes& sizes) {
  Side& side = sides_[number];
  side.apps = std::make_unique<AppHost>(world_, ledger_, side.site->kernel().name() + "-apps", number, sizes);
}

// ---- what happens

void SiteWorld::schedule(Duration after, std::function<void()> run) {
  actions_.push_back({world_.now() + after, std::move(run)});
  world_.at(world_.now() + after, [] {});  // the clock stops there
}

void SiteWorld::start_at(Side& side, Instant when) {
  side.start_at = when;
  world_.at(when, [] {});
}

void SiteWorld::schedule_disaster(const Disaster& disaster) {
  Side& side = sides_[disaster.side];
  const Duration end = disaster.after + disaster.lasts;
  const auto cut = [&](SimKernel& a, SimKernel& b) {
    schedule(disaster.after, [this, &a, &b] { world_.partition(a, b); });
    schedule(end, [this, &a, &b] { world_.join(a, b); });
  };
  switch (disaster.kind) {
    case Disaster::Kind::kCutLink:
      return cut(side.site->kernel(), sides_[disaster.other].site->kernel());
    case Disaster::Kind::kCutApps:
      return cut(side.site->kernel(), side.apps->kernel());
    case Disaster::Kind::kKill:
      schedule(disaster.after, [this, &side, lasts = disaster.lasts] { kill_side(side, lasts); });
      break;
    case Disaster::Kind::kRestart:
      schedule(disaster.after, [&side] {
        if (side.site->running()) side.site->drain();
      });
      schedule(end, [this, &side] {
        if (!side.site->running()) return;
        side.start_at = world_.now();
        side.site->stop();
      });
      break;
    case Disaster::Kind::kDescriptors:
      schedule(disaster.after, [this, &side] {
        side.site->kernel().options().descriptors_max = world_.descriptors_of(side.site->kernel().host());
      });
      schedule(end, [&side] { side.site->kernel().options().descriptors_max = SimKernel::Options{}.descriptors_max; });
      break;
  }
}

void SiteWorld::kill_side(Side& side, Duration lasts) {
  if (!side.site->running()) return;
  start_at(side, world_.now() + lasts);
  if (const std::string wrong = side.site->kill(); !wrong.empty()) fail(wrong);
}

// ---- the phases

const Verdict& SiteWorld::judge() {
  check_safety();
  verdict_.trace_hash = world_.trace_hash();
  verdict_.ends = ledger_.ends().size();
  verdict_.clean = static_cast<std::size_t>(
      std::count_if(ledger_.ends().begin(), ledger_.ends().end(), [](const FlowEnd& end) { return end.clean(); }));
  verdict_.simulated = world_.now() - Instant{1'000'000'000};
  return verdict_;
}

void SiteWorld::live_through_faults() {
  const std::uint64_t rounds_max = verdict_.rounds + kRoundsOfFaultsMax;
  run_until(kTimeOfFaultsMax, [&] { return verdict_.rounds >= rounds_max || (actions_.empty() && over_but_held(0)); });
}

void SiteWorld::end_faults() {
  actions_.clear();
  world_.heal();
  for (Side& side : sides_) {
    side.site->kernel().options().descriptors_max = SimKernel::Options{}.descriptors_max;
    if (side.site->running() && !side.site->draining()) continue;
    side.start_at = world_.now();
    if (side.site->running()) side.site->stop();
  }
}

void SiteWorld::demand_flows(std::size_t first, const char* when) {
  const bool over = run_until(kFlowsOverWithin, [&] { return over_but_held(first); });
  if (failed()) return;
  if (!over) return fail(fmt::format("new connections do not come to their end {}\n{}", when, describe_open()));
  demand_clean(first, when);
}

void SiteWorld::come_to_rest() {
  for (Side& side : sides_)
    side.apps->release_stalls();
  const bool over = run_until(kFlowsOverWithin, [&] { return ledger_.open_count() == 0; });
  if (failed()) return;
  if (!over) return fail("connections do not come to their end in a healed world\n" + describe_open());
  if (manners_.calm) demand_clean(0, "although nothing happened that an application may notice");
  const bool rest = run_until(kRestWithin, [&] { return leftovers().empty(); });
  if (!rest && !failed()) fail("something is left although no application is connected\n" + leftovers());
}

void SiteWorld::stop() {
  for (Side& side : sides_) {
    side.start_at = Instant::max();
    side.site->stop();
  }
  const bool stopped = run_until(kStopWithin, [&] {
    return std::none_of(sides_.begin(), sides_.end(), [](const Side& side) { return side.site->running(); });
  });
  if (!stopped && !failed()) fail("a gateway does not come to an end\n" + world_.describe());
}

// ---- time

std::vector<SiteWorld::Loop> SiteWorld::loops() {
  std::vector<Loop> loops;
  for (Side& side : sides_) {
    GatewaySite& site = *side.site;
    for (unsigned loop = 0; loop < site.loop_count(); ++loop)
      loops.push_back({&site.kernel(), [&site, loop] { site.turn(loop); }});
    loops.push_back({&side.apps->kernel(), [&apps = *side.apps] { apps.turn(); }});
  }
  world_.shuffle(loops);
  return loops;
}

void SiteWorld::run_actions() {
  for (std::size_t i = 0; i < actions_.size();) {
    if (actions_[i].when > world_.now()) {
      ++i;
      continue;
    }
    const auto run = std::move(actions_[i].run);
    actions_.erase(actions_.begin() + static_cast<std::ptrdiff_t>(i));
    run();
  }
}

void SiteWorld::start_sites() {
  for (Side& side : sides_) {
    if (!side.site->running() && side.start_at <= world_.now() && side.site->start()) side.start_at = Instant::max();
    side.site->set_up();
  }
}

void SiteWorld::round() {
  ++verdict_.rounds;
  run_actions();
  start_sites();
  std::vector<Loop> all = loops();
  if (late_rounds_ == 0 && world_.chance(world_.faults().late_loop)) {
    late_loop_ = world_.prng().below(all.size());
    late_rounds_ = 1 + static_cast<unsigned>(world_.prng().below(kLateRoundsMax));
  }
  const bool anyone_late = late_rounds_ > 0;
  if (anyone_late) {
    --late_rounds_;
    world_.note_progress();  // it has its turn before time goes on
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!(anyone_late && i == late_loop_) && world_.may_run(*all[i].kernel)) all[i].turn();
  }
  if (verdict_.rounds % kRoundsBetweenChecks == 0) check_safety();
}

bool SiteWorld::run_until(Duration limit, const std::function<bool()>& done) {
  const Instant end = world_.now() + limit;
  // A turn may find out only at its end until when the next one has to sleep, so two rounds without progress are needed
  // before only the clock can help.
  bool quiet = false;
  while (!done()) {
    if (failed() || world_.now() >= end) return false;
    if (verdict_.rounds >= kRoundsMax) {
      fail("more turns than anything here should need\n" + describe_open());
      return false;
    }
    const std::uint64_t before = world_.progress();
    round();
    const bool was_quiet = std::exchange(quiet, world_.progress() == before);
    if (!quiet || !was_quiet) continue;
    if (!world_.advance_to_next_event(end)) return done();
    quiet = false;
  }
  return true;
}

void SiteWorld::run_for(Duration time) {
  run_until(time, [] { return false; });
}

// ---- judging

void SiteWorld::fail(const std::string& what) {
  verdict_.failures.push_back(what);
}

void SiteWorld::check_safety() {
  if (failed()) return;  // what follows from it would only hide it
  for (const std::string& violation : world_.violations())
    fail("kernel: " + violation);
  for (const std::string& violation : ledger_.violations())
    fail("applications: " + violation);
  for (Side& side : sides_) {
    if (!side.site->running()) continue;
    for (const char* counter : {"protocol_errors", "slice_nodes_exhausted", "control_overflows"}) {
      if (manners_.tight && std::string_view(counter) != "protocol_errors") continue;
      const std::uint64_t value = side.site->counter(counter);
      if (value > 0)
        fail(fmt::format("{} counts {} {}\n{}", side.site->kernel().name(), value, counter,
                         side.site->describe_links()));
    }
  }
  if (!failed()) check_more();
}

std::vector<bool> SiteWorld::held_ends() const {
  std::vector<bool> held(ledger_.ends().size() + 1);
  for (const FlowEnd& end : ledger_.ends()) {
    if (end.stalls) held[end.number] = held[end.partner] = true;
  }
  for (const FlowEnd& end : ledger_.ends()) {
    if (end.partner != 0 && held[end.partner]) held[end.number] = true;
  }
  return held;
}

// Whether all connections are over but those that stall, or talk to one who does.
bool SiteWorld::over_but_held(std::size_t first) const {
  if (ledger_.open_count() == 0) return true;
  const std::vector<bool> held = held_ends();
  return std::all_of(ledger_.ends().begin() + static_cast<std::ptrdiff_t>(first), ledger_.ends().end(),
                     [&](const FlowEnd& end) { return end.over || held[end.number]; });
}

void SiteWorld::demand_clean(std::size_t first, const char* when) {
  for (std::size_t i = first; i < ledger_.ends().size(); ++i) {
    const FlowEnd& end = ledger_.ends()[i];
    if (end.clean() || may_be_cut(end)) continue;
    const FlowEnd* partner = ledger_.find(end.partner);
    // A server that never heard of its client cannot tell why it was cut; the client can.
    if (partner == nullptr && !end.client) continue;
    if (partner != nullptr && may_be_cut(*partner)) continue;
    fail(fmt::format("cut {}: {}\n  other end: {}", when, FlowLedger::describe(end),
                     partner != nullptr ? FlowLedger::describe(*partner) : "unknown"));
  }
}

std::string SiteWorld::describe_open() const {
  std::string text;
  for (const FlowEnd& end : ledger_.ends()) {
    if (!end.over) text += FlowLedger::describe(end) + (end.stalls ? ", stalls" : "") + "\n";
  }
  for (const Side& side : sides_)
    text += side.site->describe_links();
  return text + world_.describe();
}

std::string SiteWorld::leftovers() {
  std::string text;
  for (Side& side : sides_)
    text += side.site->running() ? side.site->leftovers() : side.site->kernel().name() + " is down\n";
  return text;
}

}  // namespace fairlead::sim
