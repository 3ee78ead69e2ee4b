#include "router/site/network_reader.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "router/site/field_reader.h"
#include "router/site/names.h"
#include "router/site/yaml.h"

namespace fairlead {
namespace {

constexpr YamlLimits kLimits = {.bytes_max = kNetworkBytesMax, .nodes_max = 5'000'000};
constexpr std::uint32_t kCostMax = 0x7fffffff;
constexpr std::uint32_t kInstancesMax = std::numeric_limits<std::uint16_t>::max();
constexpr std::uint32_t kOpenMax = 1'000'000;
constexpr std::size_t kKeyBytesMax = 255;

class NetworkReader {
 public:
  explicit NetworkReader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  NetworkModel read(const YamlNode& document);

 private:
  // What one site says of a link.
  struct Told {
    std::size_t by = 0;
    std::size_t to = 0;
    std::uint32_t cost = 1;
    bool up = true;
  };

  bool is_map(const YamlNode& node, const std::string& path);
  void read_sites(const YamlNode& list);
  void read_site(const YamlNode& node, const std::string& path);
  void read_served(const YamlNode& map, const std::string& path, ServedKeys& keys);
  void read_links(std::size_t site);
  void read_link(std::size_t site, const YamlNode& node, const std::string& path);
  std::size_t find_other_end(FieldReader& reader, bool up);
  void join_links();
  void read_candidates(const YamlNode& keys);
  std::size_t find_by_id(const std::string& id) const;

  Diagnostics& diagnostics_;
  Source source_;
  DocumentContext context_{"network", source_, diagnostics_};
  NetworkModel model_;

  struct Links {
    const YamlNode* list = nullptr;
    std::string path;
  };

  std::vector<Links> links_;  // of each site
  std::map<std::string, std::size_t> by_id_;
  std::multimap<std::string, std::size_t> by_name_;
  std::vector<Told> told_;
  std::set<std::pair<std::size_t, std::size_t>> seen_;  // who told of whom
};

bool NetworkReader::is_map(const YamlNode& node, const std::string& path) {
  if (node.kind == YamlNode::Kind::kMap) return true;
  diagnostics_.error(node.position, fmt::format("network: {}: found {}; allowed is a map", path, describe(node)));
  return false;
}

NetworkModel NetworkReader::read(const YamlNode& document) {
  if (!is_map(document, "the document")) return {};
  FieldReader reader(context_, document, "");
  const auto self = reader.text("self");
  const YamlNode* keys = reader.map("keys");
  if (const YamlNode* sites = reader.list("sites")) {
    read_sites(*sites);
  } else if (!reader.has("sites")) {
    reader.missing("sites", "a list of sites");
  }
  reader.finish();
  if (self && !self->empty()) {
    model_.self = find_by_id(*self);
    if (model_.self == NetworkModel::kNone) {
      reader.error("self", fmt::format("found {}; no site has this id", in_quotes(*self)));
    } else if (model_.sites.size() == 1 && model_.sites[model_.self].edge) {
      reader.error("self", "is an edge site, which does not see the network; save it at an interior site");
      return {};
    }
  }
  for (std::size_t site = 0; site < model_.sites.size(); ++site)
    read_links(site);
  join_links();
  if (keys != nullptr) read_candidates(*keys);
  return std::move(model_);
}

std::size_t NetworkReader::find_by_id(const std::string& id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? NetworkModel::kNone : at->second;
}

void NetworkReader::read_sites(const YamlNode& list) {
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const std::string path = fmt::format("sites[{}]", i);
    if (is_map(list.items[i], path)) read_site(list.items[i], path);
  }
  if (list.items.empty()) diagnostics_.error(list.position, "network: sites: is empty; needed is at least one site");
}

void NetworkReader::read_site(const YamlNode& node, const std::string& path) {
  FieldReader reader(context_, node, path);
  NetworkModel::Site site;
  site.name = reader.required_text("name");
  site.id = reader.text("id").value_or(site.name);
  site.edge = reader.choice("role", {"interior", "edge"}) == "edge";
  // Follow from the rest.
  reader.ignore("reachable");
  reader.ignore("cost");
  if (const YamlNode* keys = reader.map("keys")) read_served(*keys, reader.path_of("keys"), site.keys);
  const YamlNode* links = reader.list("links");
  reader.finish();
  if (site.name.empty()) return;
  if (!by_id_.emplace(site.id, model_.sites.size()).second) {
    reader.error("id", fmt::format("another site has the id {}; ids, and names where there is none, are unique",
                                   in_quotes(site.id)));
    return;
  }
  by_name_.emplace(site.name, model_.sites.size());
  links_.push_back({links, path + ".links"});
  model_.sites.push_back(std::move(site));
}

void NetworkReader::read_served(const YamlNode& map, const std::string& path, ServedKeys& keys) {
  FieldReader reader(context_, map, path);
  for (const YamlEntry& entry : map.entries) {
    if (entry.key.empty() || entry.key.size() > kKeyBytesMax) {
      diagnostics_.error(entry.position,
                         fmt::format("network: {}: found {} as a routing key; allowed are 1 to {} bytes", path,
                                     in_quotes(entry.key), kKeyBytesMax));
    } else if (const auto instances = reader.number(entry.key, 1, kInstancesMax)) {
      keys[entry.key] = static_cast<std::uint16_t>(*instances);
    } else if (!reader.has(entry.key)) {
      reader.missing(entry.key, "the number of instances");
    }
  }
}

void NetworkReader::read_links(std::size_t site) {
  const Links& links = links_[site];
  if (links.list == nullptr) return;
  for (std::size_t i = 0; i < links.list->items.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", links.path, i);
    if (is_map(links.list->items[i], path)) read_link(site, links.list->items[i], path);
  }
}

void NetworkReader::read_link(std::size_t site, const YamlNode& node, const std::string& path) {
  FieldReader reader(context_, node, path);
  Told told{site, NetworkModel::kNone, reader.number("cost", 1, kCostMax).value_or(1),
            reader.flag("up").value_or(true)};
  for (const char* measured : {"active", "rtt", "rttMicroseconds"})
    reader.ignore(measured);
  told.to = find_other_end(reader, told.up);
  reader.finish();
  if (told.to == NetworkModel::kNone) return;
  if (told.to == site) {
    reader.error("siteName", "leads to the site itself");
  } else if (model_.sites[site].edge && model_.sites[told.to].edge) {
    reader.error("siteName", "joins two edge sites; an edge site is linked to interior sites only");
  } else if (!seen_.emplace(site, told.to).second) {
    reader.error("siteName", "is in this list already; of parallel links write down the cheapest");
  } else {
    told_.push_back(told);
  }
}

// kNone after an error, or if there is none: of a link that is down the other end need not be known.
std::size_t NetworkReader::find_other_end(FieldReader& reader, bool up) {
  const std::string id = reader.text("siteId").value_or("");
  const std::string name = reader.text("siteName").value_or("");
  if (id.empty() && name.empty()) {
    if (up) reader.missing("siteName", "the name of the site at the other end");
    return NetworkModel::kNone;
  }
  if (id.empty()) {
    const auto count = by_name_.count(name);
    if (count == 1) return by_name_.find(name)->second;
    if (count > 1) {
      reader.error("siteName",
                   fmt::format("several sites are called {}; say which one by its siteId", in_quotes(name)));
    } else if (up) {
      std::vector<std::string_view> names;
      for (const NetworkModel::Site& site : model_.sites)
        names.push_back(site.name);
      const std::string_view meant = closest(name, names);
      reader.error("siteName", fmt::format("found {}; there is no such site{}", in_quotes(name),
                                           meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
    }
    return NetworkModel::kNone;
  }
  const std::size_t site = find_by_id(id);
  if (site == NetworkModel::kNone) {
    if (up) reader.error("siteId", fmt::format("found {}; no site has this id", in_quotes(id)));
  } else if (!name.empty() && model_.sites[site].name != name) {
    reader.error("siteName", fmt::format("found {}, but siteId is that of {}; correct one, or leave siteId out",
                                         in_quotes(name), in_quotes(model_.sites[site].name)));
    return NetworkModel::kNone;
  }
  return site;
}

void NetworkReader::join_links() {
  using Ends = std::pair<std::size_t, std::size_t>;
  std::map<Ends, std::size_t> places;
  std::set<Ends> down;
  for (const Told& told : told_) {
    const Ends pair = std::minmax(told.by, told.to);
    if (!told.up) down.insert(pair);
    const auto [at, first] = places.emplace(pair, model_.links.size());
    if (first) {
      model_.links.push_back({told.by, told.to, told.cost});
    } else {
      model_.links[at->second].cost = std::max(model_.links[at->second].cost, told.cost);
    }
  }
  std::erase_if(model_.links,
                [&](const NetworkModel::Link& link) { return down.contains(std::minmax(link.a, link.b)); });
}

// What this site has open; all else follows from the sites.
void NetworkReader::read_candidates(const YamlNode& keys) {
  for (const YamlEntry& entry : keys.entries) {
    const std::string path = fmt::format("keys.{}", entry.key);
    if (entry.value.kind != YamlNode::Kind::kSequence) {
      diagnostics_.error(entry.value.position, fmt::format("network: {}: found {}; allowed is a list of candidates",
                                                           path, describe(entry.value)));
      continue;
    }
    for (std::size_t i = 0; i < entry.value.items.size(); ++i) {
      const YamlNode& item = entry.value.items[i];
      const std::string item_path = fmt::format("{}[{}]", path, i);
      if (!is_map(item, item_path)) continue;
      FieldReader reader(context_, item, item_path);
      for (const char* derived : {"siteName", "cost", "instances", "value", "chosen", "path", "uplink"})
        reader.ignore(derived);
      const std::string site = reader.text("siteId").value_or("");
      const std::uint32_t open = reader.number("open", 0, kOpenMax).value_or(0);
      reader.finish();
      if (open > 0) model_.open[{entry.key, site}] = open;
    }
  }
}

}  // namespace

std::optional<NetworkModel> read_network(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
  const std::size_t errors = diagnostics.error_count();
  const std::vector<YamlNode> documents = parse_yaml(text, file, diagnostics, kLimits);
  if (diagnostics.error_count() > errors) return std::nullopt;
  if (documents.size() != 1) {
    diagnostics.error(
        documents.empty() ? Position{file} : documents[1].position,
        fmt::format("found {} documents; needed is one, with the sites of the network", documents.size()));
    return std::nullopt;
  }
  NetworkModel model = NetworkReader(diagnostics).read(documents.front());
  if (diagnostics.error_count() > errors) return std::nullopt;
  return model;
}

}  // namespace fairlead
