// Where the sites of a network stand in a picture: interior sites on an ellipse, ordered so that links are short, edge
// sites in a fan outside the interior site they use. No chance in it: the same network gives the same picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace fairlead {

struct LayoutSite {
  double width = 0;
  double height = 0;
  std::size_t hub = SIZE_MAX;  // of an edge site: the interior site it stands at; none: it is on the ellipse itself
};

struct Point {
  double x = 0;
  double y = 0;
};

// A quadratic Bézier curve: straight if the control point is between the ends.
struct Curve {
  Point a;
  Point control;
  Point b;

  Point at(double share) const;
};

struct Layout {
  std::vector<Point> centres;  // of each site
  std::vector<Curve> curves;   // of each link; bent if a third site is in the way
  Point size;                  // of the picture
};

// `links`: pairs of positions in `sites`. No two sites overlap.
Layout lay_out(const std::vector<LayoutSite>& sites, const std::vector<std::pair<std::size_t, std::size_t>>& links);

// Whether the straight line from a to b meets the box.
bool meets(Point a, Point b, Point centre, double width, double height);

}  // namespace fairlead
