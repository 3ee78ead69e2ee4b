#include "tests/sim/gateway_world.h"

#include <algorithm>

#include <fmt/format.h>

#include "tests/sim/ipv4.h"
#include "transport/base/check.h"
#include "transport/tls/certificates.h"

namespace fairlead::sim {
namespace {

constexpr std::uint16_t kAccessPort = 5671;

// Bounds of what a healed world may take, in simulated time. A dial that was lost takes 5 s to be given up, a connect
// of a connector 10 s, one of a client 15 s, and the pause between dials is at most 5 s.
constexpr Duration kLinkUpWithin = Duration::seconds(30);
constexpr Duration kFlowsOverWithin = Duration::seconds(60);
constexpr Duration kRestWithin = Duration::seconds(30);
constexpr Duration kStopWithin = Duration::seconds(5);
// After this long a session that had fallen silent has been given up.
constexpr Duration kSettle = Duration::seconds(3);
// Slow worlds are healed in the middle of what they do.
constexpr std::uint64_t kRoundsOfFaultsMax = 40'000;
constexpr Duration kTimeOfFaultsMax = Duration::seconds(60);
constexpr std::uint64_t kRoundsMax = 1'500'000;
constexpr unsigned kNewFlowsOfEachKind = 2;
constexpr std::uint64_t kRoundsBetweenChecks = 256;

std::uint16_t listener_port(unsigned server_side, Behaviour behaviour) {
  return static_cast<std::uint16_t>(7'000 + 100 * server_side + static_cast<unsigned>(behaviour));
}

std::uint16_t server_port(Behaviour behaviour) {
  return static_cast<std::uint16_t>(8'000 + static_cast<unsigned>(behaviour));
}

std::string routing_key(unsigned server_side, Behaviour behaviour) {
  return fmt::format("{}-of-{}", name_of(behaviour), server_side);
}

std::string literal(std::uint32_t ip) {
  const std::string text = sim::to_string(make_address(ip, 0));
  return text.substr(0, text.find(':'));
}

// Made once: the bytes of a certificate are random, but their number is not, so replays agree.
std::shared_ptr<const Credentials> shared_credentials() {
  static const std::shared_ptr<const Credentials> credentials = [] {
    const auto authority = make_ca({.common_name = "simulated", .kind = KeyKind::kEd25519});
    CHECK(authority.has_value());
    CertificateRequest request{.common_name = "site", .kind = KeyKind::kEd25519};
    for (unsigned host = 1; host <= 8; ++host)
      request.hosts.push_back(fmt::format("10.0.0.{}", host));
    const auto bundle = make_certificate(*authority, request);
    CHECK(bundle.has_value());
    auto loaded = Credentials::load(*bundle);
    CHECK(loaded.has_value());
    return *loaded;
  }();
  return credentials;
}

bool may_be_cut(const FlowEnd& end) {
  return end.scripted_abort || end.routing_key.starts_with("abort") || end.routing_key.starts_with("refuse");
}

}  // namespace

GatewayWorld::GatewayWorld(const WorldPlan& plan, std::FILE* trace)
    : plan_(plan), world_(plan.seed, plan.faults), prng_(world_.prng().next()) {
  world_.print_trace_to(trace);
  build();
}

Verdict simulate(std::uint64_t seed, std::FILE* trace) {
  return GatewayWorld(WorldPlan::draw(seed), trace).run();
}

// ---- building

void GatewayWorld::build() {
  for (unsigned side = 0; side < plan_.sides.size(); ++side) {
    const std::string name = side == 0 ? "west" : "east";
    Side& made = sides_.emplace_back();
    made.site = std::make_unique<GatewaySite>(world_, ledger_, side, name);
    made.apps = std::make_unique<AppHost>(world_, ledger_, name + "-apps", side, plan_.sizes);
  }
  for (unsigned side = 0; side < sides_.size(); ++side) {
    plan_site(side);
    for (const Behaviour behaviour : kBehaviours) {
      if (behaviour == Behaviour::kRefuse) continue;
      while (!sides_[side].apps->serve(server_port(behaviour), behaviour, routing_key(side, behaviour))) {
      }
    }
    CHECK(sides_[side].site->start());
  }
}

void GatewayWorld::plan_site(unsigned number) {
  SitePlan& site = sides_[number].site->plan();
  const SidePlan& side = plan_.sides[number];
  const std::string host = literal(sides_[number].site->kernel().ip());
  site.receive_bundles = side.receive_bundles;
  site.options.shards = side.shards;
  site.options.site_id = site.options.site_name = number == 0 ? "west" : "east";
  site.options.silent_limit = side.silent_limit;
  site.options.initial_window_bytes = side.initial_window_bytes;
  site.options.window_bytes_max = side.window_bytes_max;
  site.options.window_budget_bytes = side.window_budget_bytes;
  site.options.streams_per_session_max = side.streams_per_session_max;
  site.options.connections_per_shard_max = side.connections_per_shard_max;
  site.options.edge_blocks = side.edge_blocks;
  site.options.link_blocks = side.link_blocks;
  site.options.small_blocks = side.small_blocks;
  if (number == 0) {
    LinkConfig link;
    link.name = "to-east";
    link.endpoints = {{literal(sides_[1].site->kernel().ip()), kAccessPort}};
    link.credentials = shared_credentials();
    site.links.push_back(std::move(link));
  } else {
    AccessConfig access;
    access.name = "access";
    access.role = "inter-router";
    access.bind_host = host;
    access.port = kAccessPort;
    access.credentials = shared_credentials();
    site.accesses.push_back(std::move(access));
  }
  const std::string apps = literal(sides_[number].apps->kernel().ip());
  for (const Behaviour behaviour : kBehaviours) {
    for (unsigned server_side = 0; server_side < sides_.size(); ++server_side) {
      const std::string key = routing_key(server_side, behaviour);
      site.listeners.push_back(
          {.name = "to-" + key, .routing_keys = key, .host = host, .port = listener_port(server_side, behaviour)});
    }
    const std::string key = routing_key(number, behaviour);
    // Without probes, which the servers would have to account for.
    site.connectors.push_back(
        {.name = key, .routing_key = key, .host = apps, .port = server_port(behaviour), .probe = false});
  }
}

// ---- what happens

void GatewayWorld::schedule(Duration after, std::function<void()> run) {
  actions_.push_back({world_.now() + after, std::move(run)});
  world_.at(world_.now() + after, [] {});  // the clock stops there
}

FlowEnd* GatewayWorld::start_flow(unsigned side, unsigned server_side, Behaviour behaviour, const FlowScript& script) {
  const Address listener = sides_[side].site->kernel().address(listener_port(server_side, behaviour));
  return sides_[side].apps->connect(listener, routing_key(server_side, behaviour), script);
}

void GatewayWorld::schedule_flows() {
  for (unsigned i = 0; i < plan_.flows; ++i) {
    const unsigned side = static_cast<unsigned>(prng_.below(2));
    // Most go over the link.
    const unsigned server_side = prng_.below(6) == 0 ? side : 1 - side;
    const Behaviour behaviour = kBehaviours[prng_.below(std::size(kBehaviours))];
    const Duration after{static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(plan_.flows_within.ns)))};
    schedule(after, [this, side, server_side, behaviour] {
      start_flow(side, server_side, behaviour, draw_client(prng_, behaviour, plan_.sizes));
    });
  }
}

void GatewayWorld::schedule_disasters() {
  for (const Disaster& disaster : plan_.disasters)
    schedule_disaster(disaster);
}

void GatewayWorld::schedule_disaster(const Disaster& disaster) {
  Side& side = sides_[disaster.side];
  const Duration end = disaster.after + disaster.lasts;
  const auto cut = [&](SimKernel& a, SimKernel& b) {
    schedule(disaster.after, [this, &a, &b] { world_.partition(a, b); });
    schedule(end, [this, &a, &b] { world_.join(a, b); });
  };
  switch (disaster.kind) {
    case Disaster::Kind::kCutLink:
      return cut(sides_[0].site->kernel(), sides_[1].site->kernel());
    case Disaster::Kind::kCutApps:
      return cut(side.site->kernel(), side.apps->kernel());
    case Disaster::Kind::kKill:
      schedule(disaster.after, [this, &side, lasts = disaster.lasts] {
        if (!side.site->running()) return;
        side.start_at = world_.now() + lasts;
        world_.at(side.start_at, [] {});
        if (const std::string wrong = side.site->kill(); !wrong.empty()) fail(wrong);
      });
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

// ---- the phases

Verdict GatewayWorld::run() {
  come_up();
  if (!failed()) live_through_faults();
  if (!failed()) heal();
  if (!failed()) (plan_.tight ? serve_one_by_one() : serve_new_flows());
  if (!failed()) come_to_rest();
  if (!failed()) stop();
  return judge();
}

const Verdict& GatewayWorld::judge() {
  check_safety();
  verdict_.trace_hash = world_.trace_hash();
  verdict_.ends = ledger_.ends().size();
  verdict_.clean = static_cast<std::size_t>(
      std::count_if(ledger_.ends().begin(), ledger_.ends().end(), [](const FlowEnd& end) { return end.clean(); }));
  verdict_.simulated = world_.now() - Instant{1'000'000'000};
  return verdict_;
}

void GatewayWorld::come_up() {
  const bool up =
      run_until(Duration::seconds(20), [&] { return sides_[0].site->links_up() && sides_[1].site->links_up(); });
  if (!up && plan_.calm && !failed()) fail("the link does not come up\n" + sides_[0].site->describe_links());
}

void GatewayWorld::live_through_faults() {
  schedule_flows();
  schedule_disasters();
  const std::uint64_t rounds_max = verdict_.rounds + kRoundsOfFaultsMax;
  run_until(kTimeOfFaultsMax, [&] { return verdict_.rounds >= rounds_max || (actions_.empty() && over_but_held(0)); });
}

void GatewayWorld::heal() {
  actions_.clear();
  world_.heal();
  for (Side& side : sides_) {
    if (side.site->running() && !side.site->draining()) continue;
    side.start_at = world_.now();
    if (side.site->running()) side.site->stop();
  }
  for (Side& side : sides_)
    side.site->kernel().options().descriptors_max = SimKernel::Options{}.descriptors_max;
  const bool up = run_until(kLinkUpWithin, [&] {
    return sides_[0].site->links_up() && sides_[1].site->links_up() && sides_[0].site->set_up_done() &&
           sides_[1].site->set_up_done();
  });
  if (failed()) return;
  if (!up)
    return fail("the link does not come up in a healed world\n" + sides_[0].site->describe_links() +
                sides_[1].site->describe_links());
  run_until(kSettle, [] { return false; });
  if (failed()) return;
  const bool again = run_until(kLinkUpWithin, [&] { return sides_[0].site->links_up() && sides_[1].site->links_up(); });
  if (!again && !failed()) fail("the link does not stay up in a healed world\n" + sides_[0].site->describe_links());
}

void GatewayWorld::serve_new_flows() {
  const std::size_t first = ledger_.ends().size();
  FlowSizes sizes{
      .bytes_max = 100'000, .pause_max = Duration::milliseconds(20), .stall_percent = 0, .abort_percent = 0};
  for (Side& side : sides_)
    side.apps->sizes().stall_percent = 0;
  for (unsigned side = 0; side < sides_.size(); ++side) {
    for (const Behaviour behaviour : kBehaviours) {
      for (unsigned i = 0; i < kNewFlowsOfEachKind; ++i) {
        start_flow(side, i == 0 ? 1 - side : side, behaviour, draw_client(prng_, behaviour, sizes));
      }
    }
  }
  const bool over = run_until(kFlowsOverWithin, [&] { return over_but_held(first); });
  if (failed()) return;
  if (!over) return fail("new connections do not come to their end in a healed world\n" + describe_open());
  demand_clean(first, "in a healed world");
}

// Where limits refuse what comes at the same time, nothing may be refused that comes alone.
void GatewayWorld::serve_one_by_one() {
  for (Side& side : sides_)
    side.apps->release_stalls();
  FlowSizes sizes{
      .bytes_max = 100'000, .pause_max = Duration::milliseconds(20), .stall_percent = 0, .abort_percent = 0};
  for (const Behaviour behaviour : kBehaviours) {
    const bool rest =
        run_until(kRestWithin + kFlowsOverWithin, [&] { return ledger_.open_count() == 0 && leftovers().empty(); });
    if (failed()) return;
    if (!rest) return fail("no rest between connections\n" + describe_open() + leftovers());
    const std::size_t first = ledger_.ends().size();
    const unsigned side = static_cast<unsigned>(prng_.below(2));
    start_flow(side, 1 - side, behaviour, draw_client(prng_, behaviour, sizes));
    const bool over = run_until(kFlowsOverWithin, [&] { return over_but_held(first); });
    if (failed()) return;
    if (!over) return fail("a connection does not come to its end in a healed world\n" + describe_open());
    demand_clean(first, "alone in a healed world");
    if (failed()) return;
  }
}

void GatewayWorld::come_to_rest() {
  for (Side& side : sides_)
    side.apps->release_stalls();
  const bool over = run_until(kFlowsOverWithin, [&] { return ledger_.open_count() == 0; });
  if (failed()) return;
  if (!over) return fail("connections do not come to their end in a healed world\n" + describe_open());
  if (plan_.calm) demand_clean(0, "although nothing happened that an application may notice");
  const bool rest = run_until(kRestWithin, [&] { return leftovers().empty(); });
  if (!rest && !failed()) fail("something is left although no application is connected\n" + leftovers());
}

void GatewayWorld::stop() {
  for (Side& side : sides_) {
    side.start_at = Instant::max();
    side.site->stop();
  }
  const bool stopped = run_until(kStopWithin, [&] { return !sides_[0].site->running() && !sides_[1].site->running(); });
  if (!stopped && !failed()) fail("a gateway does not come to an end\n" + world_.describe());
}

// ---- time

std::vector<GatewayWorld::Loop> GatewayWorld::loops() {
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

void GatewayWorld::run_actions() {
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

void GatewayWorld::start_sites() {
  for (Side& side : sides_) {
    if (!side.site->running() && side.start_at <= world_.now() && side.site->start()) side.start_at = Instant::max();
    side.site->set_up();
  }
}

void GatewayWorld::round() {
  ++verdict_.rounds;
  run_actions();
  start_sites();
  for (Loop& loop : loops()) {
    if (world_.may_run(*loop.kernel)) loop.turn();
  }
  if (verdict_.rounds % kRoundsBetweenChecks == 0) check_safety();
}

bool GatewayWorld::run_until(Duration limit, const std::function<bool()>& done) {
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

// ---- judging

void GatewayWorld::fail(const std::string& what) {
  verdict_.failures.push_back(what);
}

void GatewayWorld::check_safety() {
  if (failed()) return;  // what follows from it would only hide it
  for (const std::string& violation : world_.violations())
    fail("kernel: " + violation);
  for (const std::string& violation : ledger_.violations())
    fail("applications: " + violation);
  for (Side& side : sides_) {
    if (!side.site->running()) continue;
    for (const char* counter : {"protocol_errors", "slice_nodes_exhausted", "control_overflows"}) {
      if (plan_.tight && std::string_view(counter) != "protocol_errors") continue;
      const std::uint64_t value = side.site->counter(counter);
      if (value > 0)
        fail(fmt::format("{} counts {} {}\n{}", side.site->kernel().name(), value, counter,
                         side.site->describe_links()));
    }
  }
}

std::vector<bool> GatewayWorld::held_ends() const {
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
bool GatewayWorld::over_but_held(std::size_t first) const {
  if (ledger_.open_count() == 0) return true;
  const std::vector<bool> held = held_ends();
  return std::all_of(ledger_.ends().begin() + static_cast<std::ptrdiff_t>(first), ledger_.ends().end(),
                     [&](const FlowEnd& end) { return end.over || held[end.number]; });
}

void GatewayWorld::demand_clean(std::size_t first, const char* when) {
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

std::string GatewayWorld::describe_open() const {
  std::string text;
  for (const FlowEnd& end : ledger_.ends()) {
    if (!end.over) text += FlowLedger::describe(end) + (end.stalls ? ", stalls" : "") + "\n";
  }
  for (const Side& side : sides_)
    text += side.site->describe_links();
  return text + world_.describe();
}

std::string GatewayWorld::leftovers() {
  std::string text;
  for (Side& side : sides_)
    text += side.site->running() ? side.site->leftovers() : side.site->kernel().name() + " is down\n";
  return text;
}

}  // namespace fairlead::sim
