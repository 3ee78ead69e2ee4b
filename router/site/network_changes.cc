#include "router/site/network_changes.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "router/site/diagnostics.h"
#include "router/site/field_reader.h"
#include "router/site/names.h"

namespace fairlead {
namespace {

constexpr std::uint32_t kCostMax = 0x7fffffff;

std::string links_of(const NetworkModel& model, std::size_t site) {
  constexpr std::size_t kShownMax = 10;
  std::vector<std::string> links;
  for (const NetworkModel::Link& link : model.links) {
    if (link.a != site && link.b != site) continue;
    links.push_back(fmt::format("{}/{}", model.sites[site].name, model.sites[link.a == site ? link.b : link.a].name));
  }
  if (links.empty()) return fmt::format("{} has no links", model.sites[site].name);
  const bool more = links.size() > kShownMax;
  links.resize(std::min(links.size(), kShownMax));
  return fmt::format("links of {} are {}{}", model.sites[site].name, fmt::join(links, ", "), more ? ", …" : "");
}

// SITE/SITE.
Result<NetworkChange> parse_link(const NetworkModel& model, std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return fail(ErrorCode::kInvalid,
                fmt::format("found {}; a link is written as the sites at its ends: west/east", in_quotes(text)));
  }
  const auto a = find_site(model, text.substr(0, slash));
  if (!a) return std::unexpected(a.error());
  const auto b = find_site(model, text.substr(slash + 1));
  if (!b) return std::unexpected(b.error());
  NetworkChange change{NetworkChange::Kind::kWithoutLink, *a, *b, 0};
  if (std::ranges::any_of(model.links, [&](const NetworkModel::Link& link) {
        return std::minmax(link.a, link.b) == std::minmax(*a, *b);
      })) {
    return change;
  }
  return fail(ErrorCode::kInvalid, fmt::format("there is no link {}; {}", in_quotes(text), links_of(model, *a)));
}

Result<NetworkChange> parse_cost(const NetworkModel& model, std::string_view text) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos) {
    return fail(ErrorCode::kInvalid, fmt::format("found {}; write a link and its cost: west/east=5", in_quotes(text)));
  }
  auto change = parse_link(model, text.substr(0, equals));
  if (!change) return change;
  const auto cost = parse_number(text.substr(equals + 1), 1, kCostMax);
  if (!cost) {
    return fail(ErrorCode::kInvalid, fmt::format("found {} as a cost; allowed is a whole number from 1 to {}",
                                                 in_quotes(text.substr(equals + 1)), kCostMax));
  }
  change->kind = NetworkChange::Kind::kCost;
  change->cost = *cost;
  return change;
}

Result<NetworkChange> parse_without(const NetworkModel& model, std::string_view text) {
  if (text.find('/') != std::string_view::npos) return parse_link(model, text);
  const auto site = find_site(model, text);
  if (!site) return std::unexpected(site.error());
  return NetworkChange{NetworkChange::Kind::kWithoutSite, *site, 0, 0};
}

}  // namespace

Result<std::size_t> find_site(const NetworkModel& model, std::string_view name) {
  std::vector<std::size_t> found;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < model.sites.size(); ++i) {
    if (model.sites[i].id == name) return i;
    if (model.sites[i].name == name) found.push_back(i);
    names.push_back(model.sites[i].name);
  }
  if (found.size() == 1) return found.front();
  if (found.size() > 1) {
    std::vector<std::string_view> ids;
    for (const std::size_t i : found)
      ids.push_back(model.sites[i].id);
    return fail(ErrorCode::kInvalid, fmt::format("{} sites are called {}; name one by its id: {}", found.size(),
                                                 in_quotes(name), fmt::join(ids, ", ")));
  }
  const std::string_view meant = closest(name, names);
  return fail(ErrorCode::kInvalid, fmt::format("there is no site {}{}", in_quotes(name),
                                               meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
}

Result<std::vector<NetworkChange>> parse_changes(const NetworkModel& model, const std::vector<std::string>& costs,
                                                 const std::vector<std::string>& without) {
  std::vector<NetworkChange> changes;
  for (const std::string& text : costs) {
    const auto change = parse_cost(model, text);
    if (!change) return fail(ErrorCode::kInvalid, "--cost: " + change.error().message);
    if (std::ranges::any_of(changes, [&](const NetworkChange& other) {
          return std::minmax(other.a, other.b) == std::minmax(change->a, change->b);
        })) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("--cost: found {}; the link has another cost already", in_quotes(text)));
    }
    changes.push_back(*change);
  }
  for (const std::string& text : without) {
    const auto change = parse_without(model, text);
    if (!change) return fail(ErrorCode::kInvalid, "--without: " + change.error().message);
    changes.push_back(*change);
  }
  return changes;
}

}  // namespace fairlead
