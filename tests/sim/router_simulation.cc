#include "tests/sim/router_simulation.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "tests/sim/router_checks.h"
#include "tests/sim/router_world.h"

namespace fairlead::sim {
namespace {

// Within it every router knows everything that happened, half a second of which may pass until the ends of a link have
// noticed.
constexpr Duration kConvergence = Duration::seconds(1);
// After it everything that is gone is forgotten.
constexpr Duration kSilence = Duration::seconds(70);

enum class Fault : std::uint8_t {
  kFailLink,
  kRepairLink,
  kCrash,
  kRestart,
  kRestartClockBack,
  kCost,
  kServe,
  kLoseMessages,
  kPartition,
  kHeal,
};

constexpr std::size_t kFaultCount = 10;

class Simulation {
 public:
  Simulation(std::uint64_t seed, std::FILE* log) : plan_(seed), world_(options(seed, log)) {}

  RouterVerdict run() {
    build();
    chaos();
    if (plan_.chance(70)) mend();
    settle("after the chaos");
    silence();
    for (int i = 0; i < 4 && verdict_.ok(); ++i)
      single_change();
    for (const std::string& violation : world_.violations())
      verdict_.failures.push_back("at some time: " + violation);
    verdict_.events = world_.events();
    verdict_.messages = world_.messages_sent();
    verdict_.trace_hash = world_.trace_hash();
    verdict_.simulated = world_.now() - Instant{1'000'000'000};
    return std::move(verdict_);
  }

 private:
  RouterWorldOptions options(std::uint64_t seed, std::FILE* log) {
    RouterWorldOptions options;
    options.seed = seed ^ 0x9e3779b97f4a7c15;
    options.delay_mean_max = Duration::microseconds(static_cast<std::int64_t>(1 + plan_.below(10'000)));
    options.silence_percent = static_cast<unsigned>(plan_.below(101));
    options.eager_tables = plan_.chance(50);
    options.log = log;
    return options;
  }

  // ---- the network

  std::uint32_t random_cost() { return static_cast<std::uint32_t>(1 + plan_.below(cost_max_)); }

  void link(std::size_t a, std::size_t b) {
    links_.push_back(world_.add_link(a, b, random_cost(), random_cost()));
    if (plan_.chance(parallel_percent_)) link(a, b);
  }

  void build() {
    const std::size_t routers = 1 + plan_.below(plan_.chance(10) ? 20 : 8);
    const std::size_t edges = plan_.chance(50) ? 0 : 1 + plan_.below(3);
    cost_max_ = plan_.chance(30) ? 1 : 1 + plan_.below(10);
    parallel_percent_ = plan_.chance(50) ? 0 : static_cast<unsigned>(plan_.below(40));
    key_count_ = 1 + plan_.below(4);
    for (std::size_t i = 0; i < routers; ++i)
      world_.add_site();
    const bool gradually = plan_.chance(50);
    const auto pause = [&] {
      if (gradually) world_.run(Duration::milliseconds(static_cast<std::int64_t>(plan_.below(100))));
    };
    const std::uint64_t shape = plan_.below(4);
    for (std::size_t i = 1; i < routers; ++i) {
      // A line, a star, a tree; and then what closes circles.
      link(shape == 0 ? i - 1 : shape == 1 ? 0 : plan_.below(i), i);
      pause();
    }
    if (shape == 0 && routers > 2 && plan_.chance(60)) link(routers - 1, 0);
    for (std::uint64_t more = routers > 2 ? plan_.below(2 * routers) : 0; shape > 1 && more > 0; --more) {
      const std::size_t a = plan_.below(routers);
      const std::size_t b = plan_.below(routers);
      if (a != b) link(a, b);
      pause();
    }
    for (std::size_t i = 0; i < edges; ++i) {
      const std::size_t edge = world_.add_site(true);
      for (std::uint64_t uplinks = 1 + plan_.below(3); uplinks > 0; --uplinks)
        link(edge, plan_.below(routers));
    }
    for (std::size_t i = 0; i < routers + edges; ++i)
      serve(i);
    verdict_.network = std::to_string(routers) + " routers, " + std::to_string(edges) + " edge sites, " +
                       std::to_string(links_.size()) + " links";
    world_.log(verdict_.network);
  }

  void serve(std::size_t site) {
    Served served;
    for (std::uint64_t n = plan_.below(3); n > 0; --n)
      served["key" + std::to_string(plan_.below(key_count_))] = static_cast<unsigned>(1 + plan_.below(3));
    world_.serve(site, std::move(served));
  }

  // ---- faults

  std::size_t random_site() { return plan_.below(world_.sites().size()); }

  void chaos() {
    // Some sorts do not occur at all: they might hide what the others do.
    std::vector<Fault> sorts;
    for (std::size_t i = 0; i < kFaultCount; ++i) {
      for (std::uint64_t weight = plan_.chance(40) ? 0 : plan_.below(6); weight > 0; --weight)
        sorts.push_back(static_cast<Fault>(i));
    }
    const std::uint64_t count = sorts.empty() ? 0 : plan_.below(50);
    const std::uint64_t pause_max_ms = plan_.chance(30) ? 1 : plan_.chance(50) ? 50 : 1000;
    for (std::uint64_t i = 0; i < count; ++i) {
      strike(sorts[plan_.below(sorts.size())]);
      world_.run(Duration::microseconds(static_cast<std::int64_t>(plan_.below(pause_max_ms * 1000))));
      if (plan_.chance(30)) RouterChecks(world_).walk_some(3);
    }
    // Rarely, long enough for those who are cut off to be forgotten.
    if (plan_.chance(10)) world_.run(Duration::seconds(static_cast<std::int64_t>(plan_.below(100))));
  }

  void strike(Fault fault) {
    ++verdict_.faults;
    switch (fault) {
      case Fault::kFailLink:
        if (!links_.empty()) world_.fail_link(links_[plan_.below(links_.size())]);
        return;
      case Fault::kRepairLink:
        if (!links_.empty()) world_.repair_link(links_[plan_.below(links_.size())]);
        return;
      case Fault::kCrash:
        return world_.crash(random_site());
      case Fault::kRestart:
        return restart(false);
      case Fault::kRestartClockBack:
        return restart(true);
      case Fault::kCost:
        if (!links_.empty()) world_.set_cost(links_[plan_.below(links_.size())], plan_.below(2), random_cost());
        return;
      case Fault::kServe:
        return serve(random_site());
      case Fault::kLoseMessages:
        if (!links_.empty()) world_.lose_messages(links_[plan_.below(links_.size())], plan_.below(2));
        return;
      case Fault::kPartition: {
        std::vector<unsigned> sides;
        for (std::size_t i = 0; i < world_.sites().size(); ++i)
          sides.push_back(static_cast<unsigned>(plan_.below(2)));
        return world_.partition(sides);
      }
      case Fault::kHeal:
        return world_.partition(std::vector<unsigned>(world_.sites().size(), 0));
    }
  }

  // One that runs ends first; one that does not starts.
  void restart(bool clock_went_back) {
    const std::size_t site = random_site();
    world_.crash(site);
    world_.restart(site, clock_went_back);
  }

  void mend() {
    world_.log("everything is mended");
    world_.partition(std::vector<unsigned>(world_.sites().size(), 0));
    for (const std::size_t link : links_)
      world_.repair_link(link);
    for (std::size_t i = 0; i < world_.sites().size(); ++i)
      world_.restart(i);
  }

  // ---- what must hold

  void settle(const std::string& when) {
    world_.run(kConvergence);
    for (const std::string& complaint : RouterChecks(world_).all())
      verdict_.failures.push_back(when + ": " + complaint);
  }

  void silence() {
    const std::uint64_t before = world_.messages_sent();
    world_.run(kSilence);
    const std::uint64_t sent = world_.messages_sent() - before;
    if (sent > 0) verdict_.failures.push_back(std::to_string(sent) + " messages though nothing changed");
    for (const std::string& complaint : RouterChecks(world_).forgotten())
      verdict_.failures.push_back("after the silence: " + complaint);
    for (const std::string& complaint : RouterChecks(world_).all())
      verdict_.failures.push_back("after the silence: " + complaint);
  }

  // Routers whose own link state, or messages to edge sites, a change at this site may touch.
  void touch(std::size_t number, std::set<std::size_t>& touched) const {
    const RouterWorld::Site& site = world_.sites()[number];
    touched.insert(number);
    for (const std::size_t i : site.links) {
      for (const RouterWorld::End& end : world_.links()[i].ends)
        touched.insert(end.site);
    }
  }

  struct Usage {
    std::uint64_t messages;
    std::uint64_t originations;
  };

  Usage usage() const { return {world_.messages_sent(), world_.originations()}; }

  // What one change may cost: each router that it touches tells of itself at most three times (what it sees at once,
  // what it sees within the next 50 ms, and what an earlier life makes necessary), and each link carries that at most
  // once in each direction. A link that comes up carries two summaries, two requests and the answers, and may join two
  // networks that have to hear of each other's routers. Every interior router tells its edge sites what became of it,
  // at most once for each link state that it hears.
  void check_usage(const Usage& before, const std::set<std::size_t>& touched, bool comes_up, const std::string& what) {
    const auto after = usage();
    const std::uint64_t messages = after.messages - before.messages;
    const std::uint64_t originations = after.originations - before.originations;
    std::uint64_t routers = 0;
    std::uint64_t edge_links = 0;
    for (const RouterWorld::Site& site : world_.sites())
      routers += site.edge ? 0U : 1U;
    for (const RouterWorld::Link& link : world_.links())
      edge_links += world_.sites()[link.ends[0].site].edge ? 1U : 0U;
    const std::uint64_t news = originations + (comes_up ? routers : 0);
    std::uint64_t bound = 2 * links_.size() * news + edge_links * (news + 4) + 2;
    if (comes_up) bound += 8 * links_.size();
    if (originations > 3 * touched.size()) {
      verdict_.failures.push_back(what + ": " + std::to_string(originations) + " link states of " +
                                  std::to_string(touched.size()) + " routers");
    }
    if (messages > bound) {
      verdict_.failures.push_back(what + ": " + std::to_string(messages) + " messages, at most " +
                                  std::to_string(bound) + " were expected");
    }
  }

  void single_change() {
    const Usage before = usage();
    std::set<std::size_t> touched;
    std::string what;
    bool comes_up = false;
    switch (plan_.below(5)) {
      case 0: {
        if (links_.empty()) return;
        const std::size_t link = links_[plan_.below(links_.size())];
        for (const RouterWorld::End& end : world_.links()[link].ends)
          touch(end.site, touched);
        comes_up = world_.links()[link].failed;
        what = "link " + std::to_string(link) + (comes_up ? " repaired" : " failed");
        comes_up ? world_.repair_link(link) : world_.fail_link(link);
        break;
      }
      case 1: {
        const std::size_t site = random_site();
        touch(site, touched);
        comes_up = !world_.sites()[site].alive;
        what = world_.sites()[site].id + (comes_up ? " started" : " crashed");
        comes_up ? world_.restart(site) : world_.crash(site);
        break;
      }
      case 2: {
        const std::size_t site = random_site();
        touch(site, touched);
        comes_up = true;
        world_.crash(site);
        world_.restart(site, plan_.chance(30));
        what = world_.sites()[site].id + " restarted";
        break;
      }
      case 3: {
        if (links_.empty()) return;
        const std::size_t link = links_[plan_.below(links_.size())];
        for (const RouterWorld::End& end : world_.links()[link].ends)
          touch(end.site, touched);
        what = "cost of link " + std::to_string(link);
        world_.set_cost(link, plan_.below(2), random_cost());
        break;
      }
      case 4: {
        const std::size_t site = random_site();
        touch(site, touched);
        what = "connectors of " + world_.sites()[site].id;
        serve(site);
        break;
      }
    }
    settle(what);
    check_usage(before, touched, comes_up, what);
    if (verdict_.ok() && plan_.chance(30)) silence();
  }

  Prng plan_;
  RouterWorld world_;
  RouterVerdict verdict_;
  std::vector<std::size_t> links_;
  std::uint64_t cost_max_ = 1;
  unsigned parallel_percent_ = 0;
  std::uint64_t key_count_ = 1;
};

}  // namespace

RouterVerdict simulate_routers(std::uint64_t seed, std::FILE* log) {
  return Simulation(seed, log).run();
}

}  // namespace fairlead::sim
