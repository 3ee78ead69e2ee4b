#include "tests/sim/network_oracle.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace fairlead::sim {

std::string site_name(unsigned number) {
  return fmt::format("site-{}", number);
}

bool path_loops(const std::string& from, const std::vector<std::string>& path) {
  std::set<std::string> met{from};
  return !std::all_of(path.begin(), path.end(), [&](const std::string& site) { return met.insert(site).second; });
}

NetworkOracle::NetworkOracle(const NetworkPlan& plan) : plan_(plan), paths_(plan.sites.size()) {
  for (unsigned site = 0; site < plan.sites.size(); ++site)
    places_.push_back({site, 0});
  for (const NetworkPlan::Line& line : plan.lines) {
    if (!plan.sites[line.from].edge) {
      paths_.link(line.from, line.to, line.cost);
      continue;
    }
    Place& place = places_[line.from];
    if (place.cost == 0 || line.cost < place.cost) place = {line.to, line.cost};
  }
  paths_.solve();
}

std::uint64_t NetworkOracle::cost(unsigned from, unsigned to) const noexcept {
  if (from == to) return 0;
  const std::uint64_t between = paths_.cost(places_[from].interior, places_[to].interior);
  return between == PathOracle::kUnreachable ? between : places_[from].cost + between + places_[to].cost;
}

// One that is probed, and never answers, is not.
bool NetworkOracle::offered(const NetworkPlan::Provider& provider) const noexcept {
  return plan_.serves(provider) || !provider.probe;
}

std::vector<unsigned> NetworkOracle::nearest(unsigned from, unsigned key) const {
  std::uint64_t least = PathOracle::kUnreachable;
  std::vector<unsigned> sites;
  for (const NetworkPlan::Provider& provider : plan_.providers) {
    if (provider.key != key || !offered(provider)) continue;
    const std::uint64_t value = cost(from, provider.site);
    if (value > least || value == PathOracle::kUnreachable) continue;
    if (value < least) sites.clear();
    least = value;
    sites.push_back(provider.site);
  }
  return sites;
}

std::vector<NetworkOracle::Candidate> NetworkOracle::candidates(unsigned from, unsigned key) const {
  std::vector<Candidate> all;
  for (const NetworkPlan::Provider& provider : plan_.providers) {
    const std::uint64_t value = cost(from, provider.site);
    if (provider.key != key || !offered(provider) || value == PathOracle::kUnreachable) continue;
    all.push_back({site_name(provider.site), value, provider.instances});
  }
  if (plan_.sites[from].edge) {
    std::vector<Candidate> own;
    const auto others =
        std::partition(all.begin(), all.end(), [&](const Candidate& line) { return line.site == site_name(from); });
    own.assign(all.begin(), others);
    all.erase(all.begin(), others);
    if (!all.empty()) own.push_back(behind_uplink(from, all));
    all = own;
  }
  std::sort(all.begin(), all.end());
  return all;
}

NetworkOracle::Candidate NetworkOracle::behind_uplink(unsigned from, const std::vector<Candidate>& all) const {
  Candidate sum{site_name(places_[from].interior), PathOracle::kUnreachable, 0};
  for (const Candidate& line : all) {
    sum.cost = std::min(sum.cost, line.cost);
    sum.instances += line.instances;
  }
  return sum;
}

// ---- judging

std::string NetworkOracle::complaints(unsigned site, const NetworkView& view) const {
  std::string text;
  for (unsigned key = 0; key < plan_.keys.size(); ++key) {
    std::vector<Candidate> seen;
    if (const auto at = view.keys.find(plan_.keys[key].name); at != view.keys.end()) {
      for (const NetworkView::Candidate& line : at->second) {
        seen.push_back({line.site_id, line.cost, line.instances});
        text += complain_of_path(site, line);
      }
    }
    std::sort(seen.begin(), seen.end());
    const std::vector<Candidate> expected = candidates(site, key);
    if (seen == expected) continue;
    text += fmt::format("{} sees {}:", site_name(site), plan_.keys[key].name);
    for (const Candidate& line : seen)
      text += fmt::format(" {}x{} at {}", line.site, line.instances, line.cost);
    text += ", and there is:";
    for (const Candidate& line : expected)
      text += fmt::format(" {}x{} at {}", line.site, line.instances, line.cost);
    text += "\n";
  }
  return plan_.sites[site].edge ? text : text + complain_of_sites(site, view);
}

std::string NetworkOracle::complain_of_sites(unsigned from, const NetworkView& view) const {
  std::string text;
  for (unsigned to = 0; to < plan_.sites.size(); ++to) {
    const auto lines = std::count_if(view.sites.begin(), view.sites.end(), [&](const NetworkView::Site& site) {
      return site.id == site_name(to) && site.reachable && site.cost == cost(from, to);
    });
    // An edge site may be told of by a standing-by uplink as well.
    if (lines == 1 || (lines > 1 && plan_.sites[to].edge)) continue;
    text += fmt::format("{} does not see {} at {}\n", site_name(from), site_name(to), cost(from, to));
  }
  return text;
}

// The path that is claimed exists, and costs what it is said to.
std::string NetworkOracle::complain_of_path(unsigned from, const NetworkView::Candidate& candidate) const {
  if (plan_.sites[from].edge || candidate.site_id == site_name(from)) return {};
  std::uint64_t sum = 0;
  unsigned at = from;
  for (const std::string& name : candidate.path) {
    unsigned next = 0;
    while (next < plan_.sites.size() && site_name(next) != name)
      ++next;
    if (next == plan_.sites.size()) return fmt::format("{} knows a path over '{}'\n", site_name(from), name);
    const std::uint64_t step = plan_.sites[next].edge ? places_[next].cost : paths_.link_cost(at, next);
    if (step == PathOracle::kUnreachable || (plan_.sites[next].edge && places_[next].interior != at))
      return fmt::format("{} knows a path from site {} to {}, where no link is\n", site_name(from), at, name);
    sum += step;
    at = next;
  }
  if (site_name(at) == candidate.site_id && sum == candidate.cost) return {};
  return fmt::format("{} has a path to {} that ends at site {} and costs {} instead of {}\n", site_name(from),
                     candidate.site_id, at, sum, candidate.cost);
}

}  // namespace fairlead::sim
