#include "tools/fairlead/network_layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <queue>
#include <span>

namespace fairlead {

namespace {

constexpr double kGap = 18;         // between two boxes
constexpr double kLinkGap = 48;     // more than that beside a box on the ellipse: room for what is written at a link
constexpr double kMargin = 24;      // around all
constexpr double kFlatness = 0.72;  // height of the ellipse by its width: boxes and screens are wide
constexpr double kRadius = 110;     // of the smallest ellipse
constexpr double kFan = 105;        // of the smallest fan
constexpr double kGrowth = 1.06;
constexpr int kGrowthsMax = 160;
constexpr int kCurveSteps = 12;  // straight pieces that a curve is looked at by
// Beyond these many sites on the ellipse the search for a better order would take longer than anybody looks.
constexpr std::size_t kOrderedMax = 120;
constexpr std::size_t kManyOrdersMax = 40;

class Layouter {
 public:
  Layouter(const std::vector<LayoutSite>& sites, const std::vector<std::pair<std::size_t, std::size_t>>& links);

  Layout run();

 private:
  void order_ring();
  std::vector<std::size_t> ring_from(std::size_t first) const;
  void shorten_links();
  std::size_t links_length() const;
  void place(double scale);
  void place_fan(std::size_t hub, double angle, double slot);
  bool overlap(std::size_t a, std::size_t b) const;
  bool fan_overlaps(std::size_t hub) const;
  bool overlaps() const;
  Curve curve_of(std::size_t a, std::size_t b) const;
  bool is_clear(const Curve& curve, std::size_t a, std::size_t b) const;
  Layout moved_to_origin() const;

  const std::vector<LayoutSite>& sites_;
  const std::vector<std::pair<std::size_t, std::size_t>>& links_;
  std::vector<std::size_t> ring_;               // interior sites in the order of the ellipse
  std::vector<std::vector<std::size_t>> fans_;  // edge sites of each interior one
  std::vector<double> reaches_;                 // of each fan
  std::vector<std::pair<std::size_t, std::size_t>> ring_links_;
  std::vector<std::vector<std::size_t>> neighbours_;  // on the ring
  std::vector<Point> centres_;
};

Layouter::Layouter(const std::vector<LayoutSite>& sites, const std::vector<std::pair<std::size_t, std::size_t>>& links)
    : sites_(sites),
      links_(links),
      fans_(sites.size()),
      reaches_(sites.size(), kFan),
      neighbours_(sites.size()),
      centres_(sites.size()) {
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].hub < sites.size()) fans_[sites[i].hub].push_back(i);
  }
  for (const auto& link : links) {
    if (sites[link.first].hub < sites.size() || sites[link.second].hub < sites.size()) continue;
    ring_links_.push_back(link);
    neighbours_[link.first].push_back(link.second);
    neighbours_[link.second].push_back(link.first);
  }
}

// The best of what comes out of several beginnings.
void Layouter::order_ring() {
  std::vector<std::size_t> best;
  std::size_t best_length = SIZE_MAX;
  std::size_t tried = 0;
  for (std::size_t first = 0; first < sites_.size(); ++first) {
    if (sites_[first].hub < sites_.size()) continue;
    ring_ = ring_from(first);
    if (ring_.size() <= kOrderedMax) shorten_links();
    if (const std::size_t length = links_length(); length < best_length) {
      best_length = length;
      best = ring_;
    }
    if (ring_.size() > kManyOrdersMax && ++tried == 2) break;
  }
  ring_ = std::move(best);
}

// Breadth first, so that neighbours are near each other to begin with.
std::vector<std::size_t> Layouter::ring_from(std::size_t first) const {
  std::vector<std::size_t> ring;
  std::vector<bool> seen(sites_.size());
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const std::size_t start = (first + i) % sites_.size();
    if (seen[start] || sites_[start].hub < sites_.size()) continue;
    std::queue<std::size_t> next({start});
    seen[start] = true;
    for (; !next.empty(); next.pop()) {
      ring.push_back(next.front());
      for (const std::size_t neighbour : neighbours_[next.front()]) {
        if (seen[neighbour]) continue;
        seen[neighbour] = true;
        next.push(neighbour);
      }
    }
  }
  return ring;
}

// How far apart on the ring the ends of all links are.
std::size_t Layouter::links_length() const {
  std::vector<std::size_t> places(sites_.size());
  for (std::size_t i = 0; i < ring_.size(); ++i)
    places[ring_[i]] = i;
  std::size_t length = 0;
  for (const auto& [a, b] : ring_links_) {
    const std::size_t apart = places[a] > places[b] ? places[a] - places[b] : places[b] - places[a];
    length += std::min(apart, ring_.size() - apart);
  }
  return length;
}

// Turns a part of the ring around, or swaps two sites, as long as that helps.
void Layouter::shorten_links() {
  constexpr int kRoundsMax = 12;
  std::size_t best = links_length();
  bool better = true;
  for (int round = 0; better && round < kRoundsMax; ++round) {
    better = false;
    for (std::size_t i = 0; i < ring_.size(); ++i) {
      for (std::size_t j = i + 1; j < ring_.size(); ++j) {
        const std::span part(ring_.data() + i, j - i + 1);
        std::ranges::reverse(part);
        if (const std::size_t length = links_length(); length < best) {
          best = length;
          better = true;
          continue;
        }
        std::ranges::reverse(part);
        std::swap(ring_[i], ring_[j]);
        if (const std::size_t length = links_length(); length < best) {
          best = length;
          better = true;
          continue;
        }
        std::swap(ring_[i], ring_[j]);
      }
    }
  }
}

// Each interior site has a part of the circle that fits its fan.
void Layouter::place(double scale) {
  constexpr double kShareOfEdge = 0.55;
  std::vector<double> weights;
  double sum = 0;
  for (const std::size_t site : ring_) {
    weights.push_back(std::max(1.0, kShareOfEdge * static_cast<double>(fans_[site].size())));
    sum += weights.back();
  }
  const double radius = ring_.size() < 2 ? 0 : kRadius * scale;
  // The first one at the left, so that two are beside each other.
  double angle = std::numbers::pi;
  for (std::size_t i = 0; i < ring_.size(); ++i) {
    const double slot = 2 * std::numbers::pi * weights[i] / sum;
    const double centre = i == 0 ? angle : angle + slot / 2;
    angle = i == 0 ? angle + slot / 2 : angle + slot;
    centres_[ring_[i]] = {radius * std::cos(centre), kFlatness * radius * std::sin(centre)};
    place_fan(ring_[i], centre, slot);
  }
}

// Large fans stand in two rows.
void Layouter::place_fan(std::size_t hub, double angle, double slot) {
  constexpr std::size_t kOneRowMax = 5;
  constexpr double kSecondRow = 1.55;
  constexpr double kFanAngle = 0.6;     // for each edge site
  constexpr double kFanAngleMax = 2.8;  // nearly half around
  const std::vector<std::size_t>& fan = fans_[hub];
  const bool around = ring_.size() < 2;
  const double wide = std::min(kFanAngle * static_cast<double>(fan.size()), kFanAngleMax);
  const double span = around ? 2 * std::numbers::pi : std::max(wide, std::min(slot, kFanAngleMax));
  const Point from = centres_[hub];
  for (std::size_t i = 0; i < fan.size(); ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(fan.size()) - 0.5;
    const double row = fan.size() > kOneRowMax && i % 2 == 1 ? kSecondRow : 1;
    const double away = reaches_[hub] * row;
    const double direction = angle + share * span;
    centres_[fan[i]] = {from.x + away * std::cos(direction), from.y + kFlatness * away * std::sin(direction)};
  }
}

bool Layouter::overlap(std::size_t a, std::size_t b) const {
  const bool on_ring = sites_[a].hub >= sites_.size() && sites_[b].hub >= sites_.size();
  const double beside = kGap + (on_ring ? kLinkGap : 0);
  return std::abs(centres_[a].x - centres_[b].x) < (sites_[a].width + sites_[b].width) / 2 + beside &&
         std::abs(centres_[a].y - centres_[b].y) <
             (sites_[a].height + sites_[b].height) / 2 + kGap + (on_ring ? kGap / 2 : 0);
}

bool Layouter::fan_overlaps(std::size_t hub) const {
  const std::vector<std::size_t>& fan = fans_[hub];
  for (std::size_t i = 0; i < fan.size(); ++i) {
    if (overlap(hub, fan[i])) return true;
    for (std::size_t j = 0; j < i; ++j) {
      if (overlap(fan[i], fan[j])) return true;
    }
  }
  return false;
}

bool Layouter::overlaps() const {
  for (std::size_t a = 0; a < sites_.size(); ++a) {
    for (std::size_t b = a + 1; b < sites_.size(); ++b) {
      if (overlap(a, b)) return true;
    }
  }
  return false;
}

bool Layouter::is_clear(const Curve& curve, std::size_t a, std::size_t b) const {
  for (int step = 0; step < kCurveSteps; ++step) {
    const Point from = curve.at(static_cast<double>(step) / kCurveSteps);
    const Point to = curve.at(static_cast<double>(step + 1) / kCurveSteps);
    for (std::size_t site = 0; site < sites_.size(); ++site) {
      if (site == a || site == b) continue;
      if (meets(from, to, centres_[site], sites_[site].width + 6, sites_[site].height + 6)) return false;
    }
  }
  return true;
}

// Straight, or bent as little as it takes: towards the middle if that does.
Curve Layouter::curve_of(std::size_t a, std::size_t b) const {
  constexpr double kBend = 40;
  constexpr int kBendsMax = 8;
  const Point from = centres_[a];
  const Point to = centres_[b];
  const Point middle{(from.x + to.x) / 2, (from.y + to.y) / 2};
  const Curve straight{from, middle, to};
  if (is_clear(straight, a, b)) return straight;
  const double length = std::hypot(to.x - from.x, to.y - from.y);
  Point across{(from.y - to.y) / length, (to.x - from.x) / length};
  // The ellipse is around the origin.
  if (across.x * middle.x + across.y * middle.y > 0) across = {-across.x, -across.y};
  for (int bend = 1; bend <= kBendsMax; ++bend) {
    for (const double side : {1.0, -1.0}) {
      const double by = side * bend * kBend;
      const Curve curve{from, {middle.x + across.x * by, middle.y + across.y * by}, to};
      if (is_clear(curve, a, b)) return curve;
    }
  }
  return straight;
}

Layout Layouter::moved_to_origin() const {
  Point least{std::numeric_limits<double>::max(), std::numeric_limits<double>::max()};
  Point most{-least.x, -least.y};
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    least.x = std::min(least.x, centres_[i].x - sites_[i].width / 2);
    least.y = std::min(least.y, centres_[i].y - sites_[i].height / 2);
    most.x = std::max(most.x, centres_[i].x + sites_[i].width / 2);
    most.y = std::max(most.y, centres_[i].y + sites_[i].height / 2);
  }
  std::vector<Curve> curves;
  for (const auto& [a, b] : links_) {
    curves.push_back(curve_of(a, b));
    for (int step = 1; step < kCurveSteps; ++step) {
      const Point point = curves.back().at(static_cast<double>(step) / kCurveSteps);
      least = {std::min(least.x, point.x), std::min(least.y, point.y)};
      most = {std::max(most.x, point.x), std::max(most.y, point.y)};
    }
  }
  const auto moved = [&](Point point) { return Point{point.x - least.x + kMargin, point.y - least.y + kMargin}; };
  Layout layout{centres_, curves, {most.x - least.x + 2 * kMargin, most.y - least.y + 2 * kMargin}};
  for (Point& centre : layout.centres)
    centre = moved(centre);
  for (Curve& curve : layout.curves)
    curve = {moved(curve.a), moved(curve.control), moved(curve.b)};
  return layout;
}

Layout Layouter::run() {
  if (sites_.empty()) return {{}, {}, {2 * kMargin, 2 * kMargin}};
  order_ring();
  double scale = 1;
  place(scale);
  bool crowded = true;
  for (int i = 0; crowded && i < kGrowthsMax; ++i) {
    crowded = false;
    for (const std::size_t hub : ring_) {
      if (!fan_overlaps(hub)) continue;
      reaches_[hub] *= kGrowth;
      crowded = true;
    }
    place(scale);
  }
  for (int i = 0; overlaps() && i < kGrowthsMax; ++i)
    place(scale *= kGrowth);
  return moved_to_origin();
}

}  // namespace

Point Curve::at(double share) const {
  const double rest = 1 - share;
  return {rest * rest * a.x + 2 * rest * share * control.x + share * share * b.x,
          rest * rest * a.y + 2 * rest * share * control.y + share * share * b.y};
}

Layout lay_out(const std::vector<LayoutSite>& sites, const std::vector<std::pair<std::size_t, std::size_t>>& links) {
  return Layouter(sites, links).run();
}

bool meets(Point a, Point b, Point centre, double width, double height) {
  // Cuts the line down to the part between the box's sides, one after the other.
  double from = 0;
  double to = 1;
  const auto clip = [&](double start, double delta, double low, double high) {
    if (delta == 0) return start >= low && start <= high;
    const double first = (low - start) / delta;
    const double second = (high - start) / delta;
    from = std::max(from, std::min(first, second));
    to = std::min(to, std::max(first, second));
    return from <= to;
  };
  return clip(a.x, b.x - a.x, centre.x - width / 2, centre.x + width / 2) &&
         clip(a.y, b.y - a.y, centre.y - height / 2, centre.y + height / 2);
}

}  // namespace fairlead
