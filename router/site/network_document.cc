#include "router/site/network_document.h"

#include <algorithm>
#include <map>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "router/site/resources.h"

namespace fairlead {

using Json = nlohmann::ordered_json;

namespace {

// Measured on this site's own links; sites do not tell each other of theirs.
using Rtts = std::map<std::string, Duration>;  // by id of the site at the other end

Rtts measured_rtts(const GatewayStatus* gateway) {
  Rtts rtts;
  if (gateway == nullptr) return rtts;
  for (const LinkStatus& link : gateway->links) {
    if (link.state != LinkPhase::kUp || link.rtt.ns <= 0) continue;
    const auto [at, first] = rtts.emplace(link.remote_site_id, link.rtt);
    if (!first) at->second = std::min(at->second, link.rtt);
  }
  return rtts;
}

Json network_link(const NetworkView::Site& site, const NetworkView::Neighbour& link, const std::string& self,
                  const Rtts& rtts) {
  Json json = {{"siteId", link.site_id}, {"siteName", link.site_name}, {"cost", link.cost}, {"up", link.up}};
  if (site.edge) json["active"] = link.active;
  const auto rtt = site.id == self ? rtts.find(link.site_id) : link.site_id == self ? rtts.find(site.id) : rtts.end();
  if (rtt == rtts.end()) return json;
  json["rtt"] = format_rtt(rtt->second);
  json["rttMicroseconds"] = rtt->second.microseconds();
  return json;
}

Json network_sites(const NetworkView& network, const Rtts& rtts) {
  Json list = Json::array();
  for (const NetworkView::Site& site : network.sites) {
    Json entry;
    entry["id"] = site.id;
    entry["name"] = site.name;
    entry["role"] = site.edge ? kEdgeRole : "interior";
    entry["reachable"] = site.reachable;
    entry["cost"] = site.cost;
    Json& links = entry["links"] = Json::array();
    for (const NetworkView::Neighbour& link : site.links)
      links.push_back(network_link(site, link, network.self_id, rtts));
    Json& keys = entry["keys"] = Json::object();
    for (const auto& [key, instances] : site.keys)
      keys[key] = instances;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

std::string format_rtt(Duration rtt) {
  constexpr double kNsPerMs = 1e6;
  return fmt::format("{:.3f}ms", static_cast<double>(rtt.ns) / kNsPerMs);
}

Json candidates_json(const std::vector<NetworkView::Candidate>& candidates, bool load_known) {
  Json list = Json::array();
  for (const NetworkView::Candidate& candidate : candidates) {
    Json json = {{"siteId", candidate.site_id},
                 {"siteName", candidate.site_name},
                 {"cost", candidate.cost},
                 {"instances", candidate.instances},
                 {"open", load_known ? Json(candidate.open) : Json()},
                 {"value", load_known ? Json(candidate.value) : Json()},
                 {"chosen", candidate.chosen},
                 {"path", candidate.path}};
    if (candidate.uplink) json["uplink"] = true;
    list.push_back(std::move(json));
  }
  return list;
}

Json network_json(const NetworkView& network, const GatewayStatus* gateway) {
  Json json;
  json["self"] = network.self_id;
  json["sites"] = network_sites(network, measured_rtts(gateway));
  Json& keys = json["keys"] = Json::object();
  for (const auto& [key, candidates] : network.keys)
    keys[key] = candidates_json(candidates, true);
  return json;
}

}  // namespace fairlead
