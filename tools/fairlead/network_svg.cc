#include "tools/fairlead/network_svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/fairlead/network_layout.h"

namespace fairlead {

namespace {

using State = NetworkGraph::State;

// Colours for light ground stand at the elements, so that every viewer has them; those that know the reader's
// preference get the dark ones from the style sheet.
constexpr std::string_view kStyle = R"(<style>
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
@media (prefers-color-scheme: dark) {
  .ground, .plate { fill: #14181d; }
  .interior { fill: #1c2e48; stroke: #7fb0ff; }
  .edge { fill: #23282e; stroke: #9aa5b1; }
  .lost { stroke: #ff8a80; }
  .link { stroke: #8fa0b3; }
  .down { stroke: #ff8a80; }
  .name { fill: #f2f5f8; }
  .keys, .note { fill: #b9c4d0; }
  .label { fill: #f2f5f8; }
}
</style>
)";

// A box with a name, and below it lines of keys.
struct Box {
  std::vector<std::string> lines;
  double name_size = 0;
  double line_size = 0;
  double width = 0;
  double height = 0;
};

std::size_t length_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Near enough for the fonts that browsers take.
double width_of(std::string_view text, double size) {
  constexpr double kEm = 0.58;
  return static_cast<double>(length_of(text)) * size * kEm;
}

// At most so many characters, the last one an ellipsis if it was longer.
std::string shortened(const std::string& text, std::size_t length) {
  if (length_of(text) <= length) return text;
  std::string result;
  std::size_t count = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80 && ++count == length) break;
    result += c;
  }
  return result + "…";
}

// For XML: names come from other sites, and may be anything.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    }
  }
  return result;
}

std::vector<std::string> wrapped(const std::vector<std::string>& keys, std::size_t length, std::size_t lines_max) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string key = shortened(keys[i], length);
    if (!lines.empty() && length_of(lines.back()) + 2 + length_of(key) <= length) {
      lines.back() += ", " + key;
    } else if (lines.size() < lines_max) {
      lines.push_back(key);
    } else {
      lines.push_back(fmt::format("and {} more", keys.size() - i));
      break;
    }
  }
  return lines;
}

Box box_of(const NetworkGraph::Site& site) {
  constexpr std::size_t kNameMax = 40;
  Box box;
  box.name_size = site.edge ? 11 : 14;
  box.line_size = site.edge ? 9.5 : 11;
  box.lines = wrapped(site.keys, site.edge ? 18 : 26, site.edge ? 2 : 3);
  box.width = width_of(shortened(site.name, kNameMax), box.name_size) * 1.08;  // bold
  for (const std::string& line : box.lines)
    box.width = std::max(box.width, width_of(line, box.line_size));
  box.width = std::max(box.width + (site.edge ? 18 : 24), site.edge ? 50.0 : 80.0);
  box.height = box.name_size + static_cast<double>(box.lines.size()) * (box.line_size + 4) + (site.edge ? 12 : 18);
  return box;
}

class Picture {
 public:
  explicit Picture(const NetworkGraph& graph);

  std::string draw();

 private:
  struct Area {
    Point centre;
    double width = 0;
    double height = 0;
  };

  std::size_t hub_of(std::size_t site) const;
  void draw_link(std::size_t number);
  void draw_label(std::size_t number);
  void draw_site(std::size_t site);
  std::string note() const;
  bool is_free(const Area& area) const;

  const NetworkGraph& graph_;
  std::vector<Box> boxes_;
  Point size_;
  std::vector<Curve> curves_;  // of each link
  std::vector<Area> taken_;    // first of the sites
  std::string svg_;
};

Picture::Picture(const NetworkGraph& graph) : graph_(graph) {
  // By name, so that the picture does not follow the random ids in whose order the document is.
  const std::vector<std::size_t> order = sorted_sites(graph);
  std::vector<std::size_t> places(graph.sites.size());
  std::vector<LayoutSite> sites(graph.sites.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    places[order[i]] = i;
  for (std::size_t i = 0; i < graph.sites.size(); ++i) {
    boxes_.push_back(box_of(graph.sites[i]));
    const std::size_t hub = hub_of(i);
    sites[places[i]] = {boxes_[i].width, boxes_[i].height, hub == SIZE_MAX ? hub : places[hub]};
  }
  // In an order of their own for the same reason.
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> numbers;
  for (std::size_t i = 0; i < graph.links.size(); ++i)
    numbers.emplace(std::minmax(places[graph.links[i].a], places[graph.links[i].b]), i);
  std::vector<std::pair<std::size_t, std::size_t>> links;
  for (const auto& numbered : numbers)
    links.push_back(numbered.first);
  const Layout layout = lay_out(sites, links);
  size_ = layout.size;
  curves_.resize(graph.links.size());
  for (std::size_t i = 0; i < links.size(); ++i)
    curves_[numbers.at(links[i])] = layout.curves[i];
  for (std::size_t i = 0; i < graph.sites.size(); ++i)
    taken_.push_back({layout.centres[places[i]], boxes_[i].width, boxes_[i].height});
}

// The interior site that an edge site uses. At its own view the edge site is in the middle instead.
std::size_t Picture::hub_of(std::size_t site) const {
  for (const NetworkGraph::Link& link : graph_.links) {
    if (link.a == site && link.state == State::kActive && graph_.sites[link.b].described) return link.b;
  }
  // One that is lost stands where it was.
  for (const NetworkGraph::Link& link : graph_.links) {
    if (link.a == site && graph_.sites[site].edge && graph_.sites[link.b].described) return link.b;
  }
  return SIZE_MAX;
}

bool Picture::is_free(const Area& area) const {
  return std::ranges::none_of(taken_, [&](const Area& other) {
    return std::abs(area.centre.x - other.centre.x) < (area.width + other.width) / 2 &&
           std::abs(area.centre.y - other.centre.y) < (area.height + other.height) / 2;
  });
}

void Picture::draw_link(std::size_t number) {
  const NetworkGraph::Link& link = graph_.links[number];
  const auto& [a, control, b] = curves_[number];
  const bool down = link.state == State::kDown;
  const char* dashes = "";
  if (down) dashes = " stroke-dasharray=\"2 5\"";
  if (link.state == State::kStandby) dashes = " stroke-dasharray=\"7 5\"";
  svg_ += fmt::format(
      "<path class=\"link{}\" d=\"M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}\" fill=\"none\" stroke=\"{}\" "
      "stroke-width=\"{}\"{}/>\n",
      down ? " down" : "", a.x, a.y, control.x, control.y, b.x, b.y, down ? "#c62828" : "#5b6b7d",
      graph_.sites[link.a].edge ? 1.2 : 2, dashes);
}

// On the line, where there is room.
void Picture::draw_label(std::size_t number) {
  constexpr double kSize = 12;
  constexpr std::array kPlaces = {0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65, 0.3, 0.7, 0.25, 0.75};
  const NetworkGraph::Link& link = graph_.links[number];
  std::string text = std::to_string(link.cost);
  if (!link.rtt.empty()) text += " · " + link.rtt;
  const auto area_at = [&](double place) {
    return Area{curves_[number].at(place), width_of(text, kSize) + 4, kSize + 2};
  };
  const auto place = std::ranges::find_if(kPlaces, [&](double at) { return is_free(area_at(at)); });
  const Area area = area_at(place == kPlaces.end() ? kPlaces.front() : *place);
  taken_.push_back(area);
  svg_ += fmt::format(
      "<rect class=\"plate\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"#ffffff\"/>\n"
      "<text class=\"label\" x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" text-anchor=\"middle\" "
      "fill=\"#1a1f24\">{}</text>\n",
      area.centre.x - area.width / 2, area.centre.y - area.height / 2, area.width, area.height, area.centre.x,
      area.centre.y + kSize * 0.35, kSize, escaped(text));
}

void Picture::draw_site(std::size_t number) {
  constexpr std::size_t kNameMax = 40;
  const NetworkGraph::Site& site = graph_.sites[number];
  const Box& box = boxes_[number];
  const Point centre = taken_[number].centre;
  const double left = centre.x - box.width / 2;
  const double top = centre.y - box.height / 2;
  const bool lost = !site.reachable;
  svg_ += fmt::format("<g>\n<title>{}: {} site{}{}{}{}</title>\n", escaped(site.name), site.edge ? "edge" : "interior",
                      site.self ? ", this one" : "", lost ? ", unreachable" : "", site.keys.empty() ? "" : "; serves ",
                      escaped(fmt::format("{}", fmt::join(site.keys, ", "))));
  svg_ += fmt::format(
      "<rect class=\"{}{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"{:.1f}\" fill=\"{}\" "
      "stroke=\"{}\" stroke-width=\"{}\"{}/>\n",
      site.edge ? "edge" : "interior", lost ? " lost" : "", left, top, box.width, box.height,
      site.edge ? std::min(box.height / 2, 12.0) : 5, site.edge ? "#f4f5f7" : "#e6effc",
      lost        ? "#c62828"
      : site.edge ? "#6b7683"
                  : "#2b5fad",
      site.self ? 3 : 1.3, lost ? " stroke-dasharray=\"4 4\"" : "");
  double y = top + box.name_size + (site.edge ? 4 : 7);
  svg_ += fmt::format(
      "<text class=\"name\" x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" font-weight=\"600\" text-anchor=\"middle\" "
      "fill=\"#1a1f24\">{}</text>\n",
      centre.x, y, box.name_size, escaped(shortened(site.name, kNameMax)));
  for (const std::string& line : box.lines) {
    y += box.line_size + 4;
    svg_ += fmt::format(
        "<text class=\"keys\" x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" text-anchor=\"middle\" fill=\"#46515c\">{}"
        "</text>\n",
        centre.x, y, box.line_size, escaped(line));
  }
  svg_ += "</g>\n";
}

// What the reader cannot guess, and only of what is there.
std::string Picture::note() const {
  std::vector<std::string> parts;
  for (const NetworkGraph::Site& site : graph_.sites) {
    if (site.self) parts.push_back(fmt::format("as seen from {}", site.name));
  }
  const auto any = [&](State state) {
    return std::ranges::any_of(graph_.links, [&](const NetworkGraph::Link& link) { return link.state == state; });
  };
  if (!graph_.links.empty()) parts.emplace_back("at links: cost");
  if (any(State::kStandby)) parts.emplace_back("dashed: standby");
  if (any(State::kDown)) parts.emplace_back("dotted: down");
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string Picture::draw() {
  constexpr double kNoteHeight = 22;
  constexpr double kNoteSize = 11;
  const std::string text = note();
  const double width = std::max(size_.x, width_of(text, kNoteSize) + 24);
  const double height = size_.y + kNoteHeight;
  const double shift = (width - size_.x) / 2;
  svg_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "role=\"img\">\n<title>network of {2} sites</title>\n{3}"
      "<rect class=\"ground\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n<g transform=\"translate({4:.1f} "
      "0)\">\n",
      width, height, graph_.sites.size(), kStyle, shift);
  for (std::size_t link = 0; link < graph_.links.size(); ++link)
    draw_link(link);
  for (std::size_t site = 0; site < graph_.sites.size(); ++site)
    draw_site(site);
  for (std::size_t link = 0; link < graph_.links.size(); ++link)
    draw_label(link);
  svg_ += fmt::format(
      "</g>\n<text class=\"note\" x=\"12\" y=\"{:.1f}\" font-size=\"{}\" fill=\"#46515c\">{}</text>\n</svg>\n",
      height - 8, kNoteSize, escaped(text));
  return std::move(svg_);
}

}  // namespace

std::string network_svg(const NetworkGraph& graph) {
  return Picture(graph).draw();
}

}  // namespace fairlead
